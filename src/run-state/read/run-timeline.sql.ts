// One run's events in the order in which they happened, a page at a time, by offset.
import { notToldTwice } from '#log/client-endings.sql.ts'
import { cutByBytes, eventColumns, type LogEvent } from '#log/event-columns.sql.ts'
import type { Db, Fragment } from '#postgres/sql.ts'
import { idsOf } from './read-runs.sql.ts'

/** A page holds this much data, or one event: then it is shorter than was asked for. */
const PAGE_BYTES_MAX = 8 * 1_048_576

export type Timeline = { total: number; events: LogEvent[] }
export type ReadTimeline = { projectId: string; runId: string; limit: number; offset: number }

/**
 * Times are shown in whole seconds, and many clients report no more: of two in one second, the one that was recorded
 * first is the first.
 */
export const secondOf = (sql: Db): Fragment => sql`date_trunc('second', e.occurred_at)`

/** Oldest first, by the second and then as recorded. A run that there is not has no events. */
export async function readTimeline(sql: Db, read: ReadTimeline): Promise<Timeline> {
  const { projectId, runId, limit, offset } = read
  const rows = await sql<(LogEvent & { total: number })[]>`
    with run as materialized (
      select id, created_at from runs
      where id = any(${idsOf(projectId, runId)}::uuid[]) and project_id = ${projectId}
      limit 1
    ), told as materialized (
      -- Narrow, since all events of the run are sorted to find one page of them. Clients may report when something
      -- happened, so the order of the sequence is another one.
      select e.sequence, ${secondOf(sql)} as second, e.position, e.recorded_at
      from events e
      where e.run_id = (select id from run)
        -- Nothing about a run is recorded before it is there; the hour is for clocks that were set back.
        and e.recorded_at >= (select created_at from run) - interval '1 hour'
        and ${notToldTwice(sql, 'e')}
    ), place as materialized (
      select sequence, recorded_at, row_number() over (order by second, position) as number
      from told
      order by second, position limit ${limit}::int offset ${offset}::int
    ), found as (
      select place.number, e.*
      from place
      cross join lateral (
        select ${eventColumns(sql)} from events
        where run_id = (select id from run)
          and sequence = place.sequence
          and recorded_at = place.recorded_at
      ) e
    ), page as (${cutByBytes(sql, 'number', PAGE_BYTES_MAX)})
    select (select count(*) from told) as total, page.*
    from (select) always
    left join page on true
    order by page.number`
  const total = rows[0]!.total
  return { total, events: rows.filter((row) => row.position !== null) }
}

/** The number in the whole log of an event that is known by its number in its run. */
export async function findPosition(sql: Db, projectId: string, runId: string, sequence: number): Promise<number> {
  const [row] = await sql<{ position: number }[]>`
    select position from events
    where run_id = any(${idsOf(projectId, runId)}::uuid[])
      and sequence = ${sequence}
      and project_id = ${projectId}`
  return row!.position
}
