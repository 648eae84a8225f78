// One event by its id. No index holds every id, since each append would pay for it: an id that a client gave is in
// event_ids, and one that a server made holds its time, where a few block ranges can have it.
import { column } from '#postgres/column.ts'
import { normalizeId } from '#postgres/id.ts'
import { rowsOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'
import { eventColumns, type LogEvent } from './event-columns.sql.ts'
import { runsOfChain } from './lists/runs-of-chain.sql.ts'

/** Clocks of servers and database are closer than this, and so are the making of an id and its append. */
const APART_MS_MAX = 86_400_000

export async function findEvent(sql: Db, projectId: string, id: string): Promise<LogEvent | undefined> {
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
      where project_id = ${projectId}
        and id = ${id}::uuid
        and recorded_at >= ${from}::timestamptz
        and recorded_at < ${to}::timestamptz`
    if (near) return near
  }
  const [anywhere] = await sql<LogEvent[]>`
    select ${eventColumns(sql)} from events where project_id = ${projectId} and id = ${id}::uuid`
  return anywhere
}

/**
 * The chain that a caller means: a client's own word for one as it was written, or else an id of ours, which may come
 * in upper case.
 */
export async function findChain(sql: Db, projectId: string, word: string): Promise<string> {
  const id = normalizeId(word)
  if (id === word) return word
  return (await hasChain(sql, projectId, word)) ? word : id
}

/** Whether anything of the project belongs to this chain. */
export async function hasChain(sql: Db, projectId: string, word: string): Promise<boolean> {
  const [row] = await sql<{ known: boolean }[]>`
    select exists (${runsOfChain(sql, projectId, word)})
      or exists (
        select from events
        where project_id = ${projectId}
          and correlation_id = ${word}
          and run_id is null
      ) as known`
  return row!.known
}

/** An append may wait as long; what is farther away is not looked for by those who write. */
const APPENDED_WITHIN_MS = 5_000

/**
 * The chains that events belong to, by the ids of the events. For writers, who must not wait for a search: an event
 * whose id a server made is found near the time in that id, unless its client said that it occurred at another time.
 */
export async function readCorrelations(
  sql: Db,
  projectId: string,
  ids: readonly string[],
): Promise<Map<string, string>> {
  const timed = ids.flatMap((id) => {
    const atMs = timeOf(id)
    return atMs === undefined ? [] : [{ id, at: new Date(atMs).toISOString() }]
  })
  const rows = await sql<{ id: string; correlationId: string }[]>`
    select id, correlation_id as "correlationId" from events
    where (project_id, occurred_at, position) in (
      select project_id, occurred_at, position from event_ids
      where project_id = ${projectId} and id = any(${column(ids)}::uuid[])
    )
    union all
    select made.id, near.correlation_id
    from ${rowsOf(
      sql,
      timed,
      {
        'id uuid': (it) => it.id,
        'at timestamptz': (it) => it.at,
      },
      'made',
    )}
    cross join lateral (
      -- "offset 0": by time, and never by the ranges of ids, which tell nothing where clients make them.
      select correlation_id from (
        select id, correlation_id from events
        where project_id = ${projectId}
          and occurred_at between made.at - ${APPENDED_WITHIN_MS}::float8 * interval '1 ms'
            and made.at + ${APPENDED_WITHIN_MS}::float8 * interval '1 ms'
        offset 0
      ) e
      where e.id = made.id
      limit 1
    ) near`
  return new Map(rows.map(({ id, correlationId }) => [id, correlationId]))
}

/** The time inside a UUID version 7, when a date can hold it together with its margins. */
function timeOf(id: string): number | undefined {
  const hex = id.replaceAll('-', '')
  const atMs = Number.parseInt(hex.slice(0, 12), 16)
  return hex.charAt(12) === '7' && atMs < 8_000_000_000_000 ? atMs : undefined
}
