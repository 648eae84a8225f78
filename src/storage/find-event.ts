// One event by its id. No index holds every id, since each append would pay for it: an id that a client gave is in
// event_ids, and one that a server made holds its time, where a few block ranges can have it.
import { column } from './column.ts'
import { eventColumns, type LogEvent } from './log-event.ts'
import type { Sql } from './sql.ts'

/** Clocks of servers and database are closer than this, and so are the making of an id and its append. */
const APART_MS_MAX = 86_400_000

export async function findEvent(sql: Sql, projectId: string, id: string): Promise<LogEvent | undefined> {
  const [given] = await sql<LogEvent[]>`
    select ${eventColumns(sql)} from events
    where (project_id, occurred_at, position) in
      (select project_id, occurred_at, position from event_ids where project_id = ${projectId} and id = ${id}::uuid)`
  if (given) return given
  const madeAtMs = timeOf(id)
  if (madeAtMs !== undefined) {
    const from = new Date(madeAtMs - APART_MS_MAX).toISOString()
    const to = new Date(madeAtMs + APART_MS_MAX).toISOString()
    const [near] = await sql<LogEvent[]>`
      select ${eventColumns(sql)} from events
      where project_id = ${projectId} and id = ${id}::uuid
        and recorded_at >= ${from}::timestamptz and recorded_at < ${to}::timestamptz`
    if (near) return near
  }
  const [anywhere] = await sql<LogEvent[]>`
    select ${eventColumns(sql)} from events where project_id = ${projectId} and id = ${id}::uuid`
  return anywhere
}

/** The chains that events belong to, by the ids of the events; one that is not there, or very old, is absent. */
export async function readCorrelations(
  sql: Sql,
  projectId: string,
  ids: readonly string[],
): Promise<Map<string, string>> {
  const times = ids.flatMap((id) => timeOf(id) ?? [])
  const from = new Date(Math.min(...times, Date.now()) - APART_MS_MAX).toISOString()
  const rows = await sql<{ id: string; correlationId: string }[]>`
    select id, correlation_id as "correlationId" from events
    where (project_id, occurred_at, position) in
      (select project_id, occurred_at, position from event_ids where project_id = ${projectId} and id = any(${column(ids)}::uuid[]))
    union all
    select id, correlation_id from events
    where project_id = ${projectId} and id = any(${column(ids)}::uuid[]) and recorded_at >= ${from}::timestamptz`
  return new Map(rows.map(({ id, correlationId }) => [id, correlationId]))
}

/** The time inside a UUID version 7, when a date can hold it together with its margins. */
function timeOf(id: string): number | undefined {
  const hex = id.replaceAll('-', '')
  const atMs = Number.parseInt(hex.slice(0, 12), 16)
  return hex.charAt(12) === '7' && atMs < 8_000_000_000_000 ? atMs : undefined
}
