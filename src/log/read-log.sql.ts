// One run's log, in the order of its sequence. A sequence is given out under the lock of the run's row, so a reader
// that has seen one can never be handed something below it later, and needs no other bookmark.
import type { RunState } from '#core/run.ts'
import type { Db } from '#postgres/sql.ts'
import {
  cutByBytes,
  deltaColumns,
  eventColumns,
  type LogDelta,
  type LogEvent,
  PAGE_BYTES_MAX,
} from './event-columns.sql.ts'

export type RunLogRow = LogEvent | LogDelta

export type ReadRunLog = {
  runId: string
  /** Nothing in a run's log is older, so older partitions are not looked at. */
  runCreatedAt: Date
  afterSequence: number
  limit: number
  /** With its deltas, or its events alone. */
  deltas: boolean
  /** Only rows of these types, or of this level. */
  types?: readonly string[] | undefined
  /** No rows of these types. */
  exceptTypes?: readonly string[] | undefined
  level?: string | undefined
  /** The level that rows without one count as. */
  defaultLevel?: string | undefined
  bytesMax?: number
}

/** State and last sequence are those of the same moment as the rows. */
export type RunLogPage = { rows: RunLogRow[]; more: boolean; state: RunState; lastSequence: number }

/** Undefined when the run is gone. */
export async function readRunLog(sql: Db, read: ReadRunLog): Promise<RunLogPage | undefined> {
  const { runId, runCreatedAt, afterSequence, limit, deltas, bytesMax = PAGE_BYTES_MAX } = read
  // The hour is for clocks that were set back between the two writes.
  const ofType = read.types ? sql`and type = any(${read.types as string[]}::text[])` : sql``
  const notOfType = read.exceptTypes ? sql`and type <> all(${read.exceptTypes as string[]}::text[])` : sql``
  const ofLevel =
    read.level === undefined ? sql`` : sql`and coalesce(level, ${read.defaultLevel ?? null}) = ${read.level}`
  const part = sql`run_id = ${runId}::uuid and sequence > ${afterSequence}::bigint ${ofType} ${notOfType} ${ofLevel}
    and recorded_at >= ${runCreatedAt.toISOString()}::timestamptz - interval '1 hour'
    order by sequence limit ${limit}::int`
  const events = sql`select * from (select ${eventColumns(sql)} from events where ${part}) e`
  const both = sql`${events} union all select * from (select ${deltaColumns(sql, runId)} from deltas where ${part}) d
    order by sequence limit ${limit}::int`
  const rows = await sql<Row[]>`
    with found as (${deltas ? both : events}), page as (${cutByBytes(sql, 'sequence', bytesMax)})
    select head.state, head.last_sequence as "lastSequence", page.*
    from (select state, last_sequence from run_states where run_id = ${runId}::uuid) head left join page on true
    order by page.sequence`
  return pageOf(rows, limit)
}

type Row = { state: RunState; lastSequence: number } & (
  | (RunLogRow & { foundCount: number; bytesBefore: string | null; stored_before: string | null })
  | { sequence: null; foundCount: null }
)

function pageOf(rows: readonly Row[], limit: number): RunLogPage | undefined {
  const [first] = rows
  if (!first) return
  const { state, lastSequence, foundCount } = first
  const found = rows.flatMap((row) => {
    if (row.foundCount === null) return []
    const {
      state: _state,
      lastSequence: _last,
      foundCount: _count,
      bytesBefore: _bytes,
      stored_before: _stored,
      ...event
    } = row
    return [event as RunLogRow]
  })
  return {
    rows: found,
    more: foundCount !== null && (foundCount === limit || found.length < foundCount),
    state,
    lastSequence,
  }
}

/** The last sequence of each of these runs; a run that is gone is absent. */
export async function readLastSequences(sql: Db, runIds: readonly string[]): Promise<Map<string, number>> {
  const rows = await sql<{ run_id: string; last_sequence: number }[]>`
    select run_id, last_sequence from run_states where run_id = any(${runIds as string[]}::uuid[])`
  return new Map(rows.map((row) => [row.run_id, row.last_sequence]))
}

/**
 * Which transactions are visible now. As long as that does not change, nothing that is committed is new. With the start
 * of the server, since one that crashed gives ids of transactions out again.
 */
export async function readVisible(sql: Db): Promise<string> {
  const [row] = await sql<{ visible: string }[]>`
    select concat(pg_current_snapshot(), ' since ', pg_postmaster_start_time()) as visible`
  return row!.visible
}

export type RunHead = { state: RunState; lastSequence: number; createdAt: Date }

/** What a reader of a run's log has to know first. Undefined for a run of another project. */
export async function readRunHead(sql: Db, projectId: string, runId: string): Promise<RunHead | undefined> {
  const [head] = await sql<RunHead[]>`
    select state, last_sequence as "lastSequence", created_at as "createdAt" from run_states
    where run_id = ${runId}::uuid and project_id = ${projectId}`
  return head
}
