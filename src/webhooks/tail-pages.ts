// Pages of the log for the webhooks that a node carries. Those that have caught up share one read, whatever their number
// and their projects: the order of the log does not depend on projects, so a reader of one passes the events of all.
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

/** One that is behind reads the events of its own project only; otherwise a busy neighbour would slow it down. */
export type ReadPage = (after: TailCursor, isBehind: boolean) => Promise<SharedPage>

type TailPages = {
  /** For one webhook of a project; `leave` when it is not carried any more. */
  join: (projectId: string) => { read: ReadPage; leave: () => void }
}

export const tailPagesOf: Part<TailPages> = part((ctx) => {
  const pageOf = sharedReads(ctx)
  /** How many webhooks of each project are carried. */
  const carried = new Map<string, number>()
  /** A read under way does not know of a project that joins meanwhile, and is not shared with it. */
  let joins = 0

  return {
    join(projectId) {
      if (!carried.has(projectId)) joins++
      carried.set(projectId, (carried.get(projectId) ?? 0) + 1)
      return {
        async read(after, isBehind) {
          if (isBehind) return pageOf(projectId, [projectId], after)
          const page = await pageOf(`all ${joins}`, [...carried.keys()], after)
          return { ...page, events: page.events.filter((event) => event.projectId === projectId) }
        },
        leave() {
          const left = carried.get(projectId)! - 1
          if (left > 0) carried.set(projectId, left)
          else carried.delete(projectId)
        },
      }
    },
  }
})

function sharedReads(ctx: Ctx) {
  // A page that has events is the same whenever it is read: the order of the log never changes.
  const pages = new LRUCache<string, SharedPage>({ max: PAGES_MAX })
  const reading = new Map<string, Promise<SharedPage>>()

  async function read(projectIds: readonly string[], after: TailCursor): Promise<SharedPage> {
    const page = await readTail(ctx.sql, { after, projectIds, limit: EVENTS_MAX, bytesMax: BYTES_MAX })
    return { ...page, runs: once(() => readRuns(ctx, page.events)) }
  }

  return async (readers: string, projectIds: readonly string[], after: TailCursor): Promise<SharedPage> => {
    const key = `${after.xid}-${after.position} ${readers}`
    const known = pages.get(key)
    if (known) return known
    const under = reading.get(key) ?? read(projectIds, after).finally(() => reading.delete(key))
    reading.set(key, under)
    const page = await under
    if (page.events.length > 0) pages.set(key, page)
    return page
  }
}

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
