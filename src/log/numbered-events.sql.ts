// One run's log with pages by number: the types that a surface has names for.
import type { Json } from '#core/json/json.ts'
import { column } from '#postgres/column.ts'
import type { Db, Fragment } from '#postgres/sql.ts'
import { deltaColumns, eventColumns } from './event-columns.sql.ts'
import type { RunLogRow } from './read-log.sql.ts'

export type NumberedEvents = {
  run: { id: string; createdAt: Date }
  types: readonly string[]
  /** A type of which only the first one is meant. */
  once: string
  order: 'oldest' | 'newest'
  limit: number
  offset: number
}

export async function listNumberedEvents(sql: Db, it: NumberedEvents): Promise<RunLogRow[]> {
  const by = it.order === 'oldest' ? sql`order by sequence` : sql`order by sequence desc`
  const reach = sql`${by} limit ${it.offset + it.limit}::int`
  return [
    ...(await sql<RunLogRow[]>`
      select * from (select ${eventColumns(sql)} from events where ${ofEvents(sql, it)} ${reach}) e
      union all select * from (select ${deltaColumns(sql, it.run.id)} from deltas where ${ofDeltas(sql, it)} ${reach}) d
      ${by} offset ${it.offset}::int limit ${it.limit}::int`),
  ]
}

/** Exactly, up to `countMax` of each kind. */
export async function countNumberedEvents(sql: Db, it: NumberedEvents, countMax: number): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select (select count(*) from (select from events where ${ofEvents(sql, it)} limit ${countMax}::int) e)
      + (select count(*) from (select from deltas where ${ofDeltas(sql, it)} limit ${countMax}::int) d) as n`
  return Math.min(row!.n, countMax)
}

// Nothing in a run's log is older than the run; the hour is for clocks that were set back.
const ofRun = (sql: Db, { run }: NumberedEvents): Fragment => sql`
  run_id = ${run.id}::uuid and recorded_at >= ${run.createdAt.toISOString()}::timestamptz - interval '1 hour'`

const ofEvents = (sql: Db, it: NumberedEvents): Fragment => sql`
  ${ofRun(sql, it)}
    and type = any(${it.types as string[]}::text[])
    and (
      type <> ${it.once}
        or sequence = (
          select sequence from events where ${ofRun(sql, it)} and type = ${it.once} order by sequence limit 1
        )
    )`

/** Chunks that say something: the last one of a stream may only say that it is over. */
const ofDeltas = (sql: Db, it: NumberedEvents): Fragment => sql`
  ${ofRun(sql, it)} and type = 'stream.chunk' and data->>'chunk' <> ''`

export type KeptCall = {
  id: string
  sequence: number
  toolName: string
  step: string | null
  /** What went in and out; null in both for a call that does not fit. */
  input: Json | null
  output: Json | null
  fits: boolean
}

/** Tool calls of a run by their sequences, in their order: as many as are `bytesMax` together fit, at least one. */
export const readCallsOfPage = async (
  sql: Db,
  runId: string,
  { sequences, bytesMax }: { sequences: readonly number[]; bytesMax: number },
): Promise<KeptCall[]> => [
  ...(await sql<KeptCall[]>`
    with stored as materialized (
      select
        id,
        sequence,
        tool_name,
        step,
        input,
        output,
        sum(coalesce(pg_column_size(input), 0) + coalesce(pg_column_size(output), 0)) over before as stored_before
      from run_tool_calls
      where run_id = ${runId}::uuid and sequence = any(${column(sequences)}::bigint[])
      window before as (order by sequence rows between unbounded preceding and 1 preceding)
    ), measured as (
      -- What is packed is measured only as far as the packed page reaches.
      select
        id,
        sum(
          coalesce(octet_length(input::text), 0) + coalesce(octet_length(output::text), 0)
        ) over (order by sequence rows between unbounded preceding and 1 preceding) as bytes_before
      from stored
      where coalesce(stored_before, 0) < ${bytesMax}::bigint
    ), fitting as (
      select id from measured where coalesce(bytes_before, 0) < ${bytesMax}::bigint
    )
    select
      id,
      sequence,
      tool_name as "toolName",
      step,
      case when fits then input end as input,
      case when fits then output end as output,
      fits
    from (select *, id in (select fitting.id from fitting) as fits from stored) calls
    order by sequence`),
]
