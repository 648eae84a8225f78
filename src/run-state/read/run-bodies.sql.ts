// Bodies of several runs at once, for lists that show them: bounded, as each may hold megabytes.
import type { Db } from '#postgres/sql.ts'
import type { RunBody } from './read-runs.sql.ts'

/** What the bodies of one answer hold at most. */
const BODIES_BYTES_MAX = 16 * 1024 * 1024

/**
 * The bodies of these runs, by id, from the first on until they fill the bound; the first one in any case. A run that
 * is beyond the bound, or whose body is no longer kept, has none.
 */
export async function readRunBodies(
  sql: Db,
  ids: readonly string[],
): Promise<{ bodies: Map<string, RunBody> /** How many of the runs are within the bound. */; within: number }> {
  if (ids.length === 0) return { bodies: new Map(), within: 0 }
  const rows = await sql<(RunBody & { id: string; within: boolean })[]>`
    select
      run_id as id,
      within,
      case when within then payload end as payload,
      case when within then result end as result,
      case when within then trace end as trace
    from (
      select
        b.*,
        i.ord,
        coalesce(
          sum(
            coalesce(octet_length(b.payload::text), 0) + coalesce(octet_length(b.result::text), 0)
          ) over (order by i.ord rows between unbounded preceding and 1 preceding),
          0
        ) < ${BODIES_BYTES_MAX} as within
      from unnest(${ids as string[]}::uuid[]) with ordinality as i (run_id, ord)
      cross join lateral (select * from run_bodies where run_bodies.run_id = i.run_id offset 0) b
    ) sized
    order by ord`
  const bodies = new Map<string, RunBody>()
  for (const { id, within, ...body } of rows) if (within) bodies.set(id, body)
  const beyond = rows.find((row) => !row.within)
  return { bodies, within: beyond ? ids.indexOf(beyond.id) : ids.length }
}
