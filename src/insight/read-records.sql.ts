// All that one run left behind, for those who look into it: each kind within a count and a number of bytes, since a
// run may have left gigabytes. Where there is more, it is said.
import { cutByBytes, deltaColumns, eventColumns, type LogDelta, type LogEvent } from '#log/event-columns.sql.ts'
import type { Db, Fragment } from '#postgres/sql.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'
import type { CheckpointRow, OutputRow, ToolCallRow, ValueRow } from '#runs/attempts/attempt-writes.sql.ts'

export type Bounds = { limit: number; bytesMax: number }
/** From the first on, or only what comes after a place: the key or the number of the row that was read last. */
type Page<Place> = Bounds & { after?: Place | undefined }
export type Records<Row> = { rows: Row[]; cut: boolean }

type Read = {
  /** Gives one row more than `limit`, which tells whether there are any. */
  found: Fragment
  order: Parameters<typeof cutByBytes>[1]
  sized: Parameters<typeof cutByBytes>[3]
}

/** In the order of the statement; `cut` when there are more. */
async function readWithin<Row>(sql: Db, { found, order, sized }: Read, bounds: Bounds): Promise<Records<Row>> {
  const rows = await sql<Measured[]>`
    with found as materialized (${found}), page as (${cutByBytes(sql, order, bounds.bytesMax, sized)})
    select * from page order by ${sql.unsafe(order)} limit ${bounds.limit}::int`
  return { rows: rows.map((row) => plain<Row>(row)), cut: rows.length < (rows[0]?.foundCount ?? 0) }
}

type Measured = { foundCount: number; bytesBefore: unknown; stored_before: unknown }

const plain = <Row>({ foundCount: _, bytesBefore: __, stored_before: ___, ...row }: Measured): Row => row as Row

const oldestFirst = <Row>({ rows, cut }: Records<Row>): Records<Row> => ({ rows: rows.reverse(), cut })

type Run = { id: string; createdAt: Date }

// Nothing of a run is older than the run; the hour is for clocks that were set back.
const ofLog = (sql: Db, { id, createdAt }: Run, { limit }: Bounds) => sql`
  run_id = ${id}::uuid and recorded_at >= ${createdAt.toISOString()}::timestamptz - interval '1 hour'
  order by sequence desc limit ${limit + 1}::int`

/** The latest events, in the order of their sequence. */
export async function readLatestEvents(sql: Db, run: Run, bounds: Bounds): Promise<Records<LogEvent>> {
  const found = sql`select ${eventColumns(sql)} from events where ${ofLog(sql, run, bounds)}`
  return oldestFirst(
    await readWithin<LogEvent>(sql, { found, order: 'sequence desc', sized: ['data', 'message'] }, bounds),
  )
}

/** The latest stream chunks and debug lines that are still kept, in the order of their sequence. */
export async function readLatestDeltas(sql: Db, run: Run, bounds: Bounds): Promise<Records<LogDelta>> {
  // The first half is empty, and names the columns.
  const found = sql`
    select ${eventColumns(sql)} from events where false
    union all select * from (select ${deltaColumns(sql, run.id)} from deltas where ${ofLog(sql, run, bounds)}) d`
  return oldestFirst(
    await readWithin<LogDelta>(sql, { found, order: 'sequence desc', sized: ['data', 'message'] }, bounds),
  )
}

/** The latest first. */
export const readLatestCheckpoints = (
  sql: Db,
  runId: string,
  { after, ...bounds }: Page<number>,
): Promise<Records<CheckpointRow>> =>
  readWithin(
    sql,
    {
      found: sql`
        select
          id,
          number,
          attempt,
          source,
          state,
          created_at as "createdAt"
        from run_checkpoints
        where run_id = ${runId} ${after === undefined ? sql`` : sql`and number < ${after}`}
        order by number desc limit ${bounds.limit + 1}::int`,
      order: 'number desc',
      sized: ['state'],
    },
    bounds,
  )

/** The latest ones, in the order of their sequence. */
export const readLatestToolCalls = async (sql: Db, runId: string, bounds: Bounds): Promise<Records<ToolCallRow>> =>
  oldestFirst(await readToolCalls(sql, runId, { order: 'sequence desc', after: 0, bounds }))

/** The first ones, in the order of their sequence. */
export const readFirstToolCalls = (
  sql: Db,
  runId: string,
  { after = 0, ...bounds }: Page<number>,
): Promise<Records<ToolCallRow>> => readToolCalls(sql, runId, { order: 'sequence', after, bounds })

type OfToolCalls = { order: 'sequence' | 'sequence desc'; after: number; bounds: Bounds }

function readToolCalls(sql: Db, runId: string, { order, after, bounds }: OfToolCalls): Promise<Records<ToolCallRow>> {
  const found = sql`
    select
      id,
      sequence,
      attempt,
      tool_name as "toolName",
      step,
      input,
      output,
      duration_ms as "durationMs",
      status,
      created_at as "createdAt"
    from run_tool_calls
    where run_id = ${runId} and sequence > ${after}
    order by ${sql.unsafe(order)} limit ${bounds.limit + 1}::int`
  return readWithin(sql, { found, order, sized: ['input', 'output'] }, bounds)
}

/** By key. */
export const readOutputs = (
  sql: Db,
  runId: string,
  { after = '', ...bounds }: Page<string>,
): Promise<Records<OutputRow>> =>
  readWithin(
    sql,
    {
      found: sql`
        select id, output_key as "outputKey", schema, value, created_at as "createdAt" from run_outputs
        where run_id = ${runId} and output_key > ${after} order by output_key limit ${bounds.limit + 1}::int`,
      order: '"outputKey"',
      sized: ['schema', 'value'],
    },
    bounds,
  )

/** By key. */
export const readValues = (
  sql: Db,
  runId: string,
  { after = '', ...bounds }: Page<string>,
): Promise<Records<ValueRow>> =>
  readWithin(
    sql,
    {
      found: sql`
        select key, value, updated_at as "updatedAt" from run_values
        where run_id = ${runId} and key > ${after} order by key limit ${bounds.limit + 1}::int`,
      order: 'key',
      sized: ['value'],
    },
    bounds,
  )

/** A run in short. */
export type RunSummary = Pick<
  RunRow,
  'id' | 'publicId' | 'jobSlug' | 'state' | 'attempt' | 'lineageDepth' | 'createdAt'
>

/** The runs that this one spawned, the first one first. */
export async function readChildSummaries(sql: Db, runId: string, limit: number): Promise<Records<RunSummary>> {
  const rows = await sql<RunSummary[]>`
    select
      r.id,
      coalesce(r.client_id, r.id::text) as "publicId",
      j.slug as "jobSlug",
      s.state,
      s.attempt,
      r.lineage_depth as "lineageDepth",
      r.created_at as "createdAt"
    from (select * from runs where parent_run_id = ${runId} order by created_at, id limit ${limit + 1}::int) r
    join run_states s on s.run_id = r.id
    left join jobs j on j.id = r.job_id
    order by r.created_at, r.id`
  return { rows: rows.slice(0, limit), cut: rows.length > limit }
}
