// External runs that nobody reports any more. Only the database's clock decides.
import type { Db } from '#postgres/sql.ts'

/**
 * Locks external runs that were not known to be alive within `silenceSecs`, the longest unseen first. Those that have
 * reported since are noted, and looked at again when that time is over; the ids of the others are returned. Call it in
 * the transaction that ends them: until then no event is appended to any of them.
 */
export async function lockSilentRuns(
  tx: Db,
  silenceSecs: number,
  limit: number,
): Promise<{ looked: number; silent: string[] }> {
  const rows = await tx<{ run_id: string }[]>`
    select s.run_id from run_states s
    where s.listed_state = 'executing'
      and coalesce(s.reported_at, s.created_at) < clock_timestamp() - ${silenceSecs}::float8 * interval '1 s'
    order by coalesce(s.reported_at, s.created_at), s.run_id limit ${limit} for update skip locked`
  if (rows.length === 0) return { looked: 0, silent: [] }
  // A second statement: it sees what was appended until the locks were there.
  const silent = await tx<{ run_id: string }[]>`
    with looked as materialized (
      select
        l.run_id,
        greatest(
          s.created_at,
          s.state_since,
          (select e.recorded_at from events e where e.run_id = l.run_id order by e.sequence desc limit 1),
          -- Whoever holds a lease on it, or waits for an answer, is not silent: both end by themselves.
          case
            when exists (select from ai_leases a where a.run_id = l.run_id and a.state = 'held')
              or exists (select from input_requests i where i.run_id = l.run_id and i.state = 'pending')
              then clock_timestamp()
          end
        ) as reported_at
      from unnest(${rows.map((row) => row.run_id)}::uuid[]) as l (run_id)
      join run_states s on s.run_id = l.run_id
    ), noted as (
      update run_states s set reported_at = looked.reported_at from looked where s.run_id = looked.run_id
    )
    select run_id from looked
    where reported_at < clock_timestamp() - ${silenceSecs}::float8 * interval '1 s'
      and exists (select from runs r where r.id = looked.run_id and r.execution = 'external')
    order by run_id`
  return { looked: rows.length, silent: silent.map((row) => row.run_id) }
}
