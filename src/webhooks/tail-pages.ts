// Pages of the log for the webhooks that a node carries. Those that stand at the same place, as all do that have caught
// up, share one read, whatever their number.
import { LRUCache } from 'lru-cache'
import type { Ctx } from '#bell/ctx.ts'
import { type Part, part } from '#bell/part.ts'
import { readTail, type TailCursor, type TailEvent, type TailPage } from '#log/tail.sql.ts'
import { readRunFacts } from './run-facts.sql.ts'
import type { FilteredRun } from './webhook-rules.ts'

const EVENTS_MAX = 500
const BYTES_MAX = 512 * 1024
/** Webhooks that are behind by less than this many pages share reads too. */
const PAGES_MAX = 16

export type SharedPage = TailPage & {
  /** The runs of its events, read when a filter first asks about them. */
  runs: () => Promise<ReadonlyMap<string, FilteredRun>>
}

type TailPages = (projectId: string, after: TailCursor) => Promise<SharedPage>

export const tailPagesOf: Part<TailPages> = part((ctx) => {
  // A page that has events is the same whenever it is read: the order of the log never changes.
  const pages = new LRUCache<string, SharedPage>({ max: PAGES_MAX })
  const reading = new Map<string, Promise<SharedPage>>()

  async function read(projectId: string, after: TailCursor): Promise<SharedPage> {
    const page = await readTail(ctx.sql, { after, projectIds: [projectId], limit: EVENTS_MAX, bytesMax: BYTES_MAX })
    return { ...page, runs: once(() => readRuns(ctx, page.events)) }
  }

  return async (projectId, after) => {
    const key = `${after.xid}-${after.position} ${projectId}`
    const known = pages.get(key)
    if (known) return known
    const under = reading.get(key) ?? read(projectId, after).finally(() => reading.delete(key))
    reading.set(key, under)
    const page = await under
    if (page.events.length > 0) pages.set(key, page)
    return page
  }
})

/** What it brought, or, when it failed, another try. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | undefined
  return () => {
    done ??= work().catch((error: unknown) => {
      done = undefined
      throw error
    })
    return done
  }
}

async function readRuns(
  { sql }: Pick<Ctx, 'sql'>,
  events: readonly TailEvent[],
): Promise<ReadonlyMap<string, FilteredRun>> {
  const runIds = [...new Set(events.flatMap(({ runUuid }) => (runUuid === null ? [] : [runUuid])))]
  if (runIds.length === 0) return new Map()
  const facts = await readRunFacts(sql, runIds)
  return new Map(
    facts.map(({ runId, tags, ...job }): [string, FilteredRun] => [
      runId,
      { ...job, tags: new Map(Object.entries(tags)) },
    ]),
  )
}
