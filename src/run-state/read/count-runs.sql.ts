// What a bulk call reads besides the runs themselves: how many there are, and their payloads, a bounded page at a time.
import type { Json } from '#core/json/json.ts'
import type { RunState } from '#core/run.ts'
import type { Db } from '#postgres/sql.ts'
import { listRunsPage, type RunFilter, type RunPlace } from './list-runs.sql.ts'
import { readRunCounts } from './read-runs.sql.ts'

/** What runs are chosen by, apart from whose they are and how they are paged through. */
export type RunConditions = Omit<RunFilter, 'projectId' | 'after' | 'order' | 'limit'>

/** Payloads of one page together, roughly, or one payload. */
const PAYLOAD_BYTES_MAX = 8 * 1024 * 1024

/** `kept` is false when the payload is older than payloads are kept. */
export type FoundPayload = { kept: boolean; payload: Json | null }

/** The payloads of the first of these runs, in their order: as many as fit into a page, at least one. */
export const readPayloads = async (sql: Db, runIds: readonly string[]): Promise<FoundPayload[]> => [
  ...(await sql<FoundPayload[]>`
    with stored as materialized (
      select
        t.ord,
        b.run_id is not null as kept,
        b.payload,
        sum(coalesce(pg_column_size(b.payload), 0)) over before as stored_before
      from unnest(${runIds as string[]}::uuid[]) with ordinality as t (id, ord)
      left join lateral (select run_id, payload from run_bodies where run_id = t.id offset 0) b on true
      window before as (order by t.ord rows between unbounded preceding and 1 preceding)
    )
    select kept, payload from (
      -- What is packed is measured only as far as the packed page reaches.
      select
        *,
        sum(coalesce(octet_length(payload::text), 0)) over (
          order by ord rows between unbounded preceding and 1 preceding
        ) as bytes_before
      from stored
      where coalesce(stored_before, 0) < ${PAYLOAD_BYTES_MAX}
    ) measured
    where coalesce(bytes_before, 0) < ${PAYLOAD_BYTES_MAX}
    order by ord`),
]

/** When it is not exact there are more. */
export type Counted = { n: number; exact: boolean; byState: Map<RunState, number> }

/** Where no counter tells, runs are counted a page at a time, and so many pages at most. */
const COUNTED_PAGE = 1_000
const COUNTED_PAGES_MAX = 10

/** How many runs there are: from the counters where they tell, else by looking at a bounded number of them. */
export async function countRuns(sql: Db, filter: RunConditions & { projectId: string }): Promise<Counted> {
  const { projectId, states, jobId, queue, ...rest } = filter
  if (Object.values(rest).every((value) => value === undefined)) {
    const counts = (await readRunCounts(sql, projectId, jobId)).filter(
      (it) => (!states?.length || states.includes(it.state)) && (queue === undefined || it.queue === queue),
    )
    return { ...summed(counts), exact: true }
  }
  const found: StateCount[] = []
  let after: RunPlace | undefined
  for (let pages = 0; pages < COUNTED_PAGES_MAX; pages++) {
    const page = await listRunsPage(sql, { ...filter, after, order: 'newest', limit: COUNTED_PAGE })
    found.push(...page.rows.map(({ state }) => ({ state, n: 1 })))
    after = page.next
    if (!after) return { ...summed(found), exact: true }
  }
  return { ...summed(found), exact: false }
}

type StateCount = { state: RunState; n: number }

function summed(counts: readonly StateCount[]): Omit<Counted, 'exact'> {
  const byState = new Map<RunState, number>()
  for (const { state, n } of counts) byState.set(state, (byState.get(state) ?? 0) + n)
  return { n: counts.reduce((sum, it) => sum + it.n, 0), byState }
}
