// What a running attempt leaves behind besides events and usage: checkpoints, tool calls, outputs, values, deltas.
// Each is written in the transaction of its event, which the lease fences.
import type { Json } from '#core/json/json.ts'
import { newId } from '#postgres/id.ts'
import { jsonText } from '#postgres/json.ts'
import { orderedRowsOf, valuesOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'

export type CheckpointRow = {
  id: string
  number: number
  attempt: number
  source: string
  state: Json | null
  createdAt: Date
}

/** The caller holds the lock of the run's row, which makes the numbers gapless. */
export async function insertCheckpoint(
  db: Db,
  it: { id: string; runId: string; attempt: number; source: string; state: unknown },
): Promise<CheckpointRow> {
  const [row] = await db<CheckpointRow[]>`
    with numbered as (
      update run_states set last_checkpoint = last_checkpoint + 1 where run_id = ${it.runId} returning last_checkpoint
    )
    insert into run_checkpoints (
      id,
      run_id,
      number,
      attempt,
      source,
      state
    )
    select
      ${it.id},
      ${it.runId},
      last_checkpoint,
      ${it.attempt},
      ${it.source},
      ${jsonText(it.state ?? null)}::text::json
    from numbered
    returning
      id,
      number,
      attempt,
      source,
      state,
      created_at as "createdAt"`
  return row!
}

type CheckpointPage = { before?: number | undefined; limit: number }

type CheckpointHead = Omit<CheckpointRow, 'state'>

/** Latest first, without what they hold. */
export const listCheckpoints = async (
  db: Db,
  runId: string,
  { before, limit }: CheckpointPage,
): Promise<CheckpointHead[]> => [
  ...(await db<CheckpointHead[]>`
    select
      id,
      number,
      attempt,
      source,
      created_at as "createdAt"
    from run_checkpoints
    where run_id = ${runId} ${before === undefined ? db`` : db`and number < ${before}`}
    order by number desc limit ${limit}`),
]

export async function findCheckpoint(db: Db, runId: string, number: number): Promise<CheckpointRow | undefined> {
  const [row] = await db<CheckpointRow[]>`
    select
      id,
      number,
      attempt,
      source,
      state,
      created_at as "createdAt"
    from run_checkpoints
    where run_id = ${runId} and number = ${number}`
  return row
}

export type ToolCallRow = {
  id: string
  sequence: number
  attempt: number
  toolName: string
  step: string | null
  input: Json | null
  output: Json | null
  durationMs: number | null
  status: string
  createdAt: Date
}
export type NewToolCall = Omit<ToolCallRow, 'id' | 'createdAt' | 'input' | 'output'> & {
  runId: string
  input?: unknown
  output?: unknown
}

const toolCallColumns = (db: Db) => db`
  id,
  sequence,
  attempt,
  tool_name as "toolName",
  step,
  input,
  output,
  duration_ms as "durationMs",
  status,
  created_at as "createdAt"`

export async function insertToolCall(db: Db, it: NewToolCall): Promise<ToolCallRow> {
  const [row] = await db<ToolCallRow[]>`
    insert into run_tool_calls ${valuesOf(db, {
      id: newId(),
      run_id: it.runId,
      sequence: it.sequence,
      attempt: it.attempt,
      tool_name: it.toolName,
      step: it.step,
      input: db`${jsonText(it.input)}::text::json`,
      output: db`${jsonText(it.output)}::text::json`,
      duration_ms: it.durationMs,
      status: it.status,
    })}
    returning ${toolCallColumns(db)}`
  return row!
}

export type OutputRow = {
  id: string
  outputKey: string
  schema: Record<string, unknown> | null
  value: Json | null
  createdAt: Date
}

/** One value per key: a later one replaces it. */
export async function putOutput(
  db: Db,
  it: { id: string; runId: string; outputKey: string; schema: unknown; value: unknown },
): Promise<OutputRow> {
  const [row] = await db<OutputRow[]>`
    insert into run_outputs (id, run_id, output_key, schema, value)
    values (
      ${it.id},
      ${it.runId},
      ${it.outputKey},
      ${jsonText(it.schema)}::text::jsonb,
      ${jsonText(it.value ?? null)}::text::json
    )
    on conflict (run_id, output_key) do update set
      schema = excluded.schema,
      value = excluded.value,
      created_at = excluded.created_at
    returning id, output_key as "outputKey", schema, value, created_at as "createdAt"`
  return row!
}

export type ValueRow = { key: string; value: Json | null; updatedAt: Date }

export async function putValue(db: Db, it: { runId: string; key: string; value: unknown }): Promise<ValueRow> {
  const [row] = await db<ValueRow[]>`
    insert into run_values (run_id, key, value)
    values (${it.runId}, ${it.key}, ${jsonText(it.value ?? null)}::text::json)
    on conflict (run_id, key) do update set value = excluded.value, updated_at = clock_timestamp()
    returning key, value, updated_at as "updatedAt"`
  return row!
}

export async function findValue(db: Db, runId: string, key: string): Promise<ValueRow | undefined> {
  const [row] = await db<
    ValueRow[]
  >`select key, value, updated_at as "updatedAt" from run_values where run_id = ${runId} and key = ${key}`
  return row
}

export async function deleteValue(db: Db, runId: string, key: string): Promise<boolean> {
  const [row] = await db`delete from run_values where run_id = ${runId} and key = ${key} returning key`
  return row !== undefined
}

export type NewDelta = {
  runId: string
  token: string
  type: string
  level?: string | undefined
  message?: string | undefined
  data?: unknown
}

/**
 * Appends deltas under the lease; answers each one's sequence, or undefined when the lease is gone. They are committed
 * like everything else: a number that a reader has seen must not be given out again after a crash.
 */
export async function appendDeltas(sql: Db, deltas: readonly NewDelta[]): Promise<(number | undefined)[]> {
  const rows = await sql<{ sequence: number | null }[]>`
    with input as materialized (
      select * from ${orderedRowsOf(sql, deltas, {
        'run_id uuid': (it) => it.runId,
        'token uuid': (it) => it.token,
        'type text': (it) => it.type,
        'level text': (it) => it.level,
        'message text': (it) => it.message,
        'data text': (it) => jsonText(it.data),
      })}
    ), found as materialized (
      select s.run_id, s.project_id, s.lease_token, s.last_sequence, s.attempt
      from run_states s
      where s.run_id in (select input.run_id from input)
      order by s.run_id for update of s
    ), admitted as materialized (
      select
        i.*,
        f.project_id,
        f.attempt,
        f.last_sequence + row_number() over (partition by i.run_id order by i.ord) as sequence
      from input i
      join found f on f.run_id = i.run_id and f.lease_token = i.token
    ), numbered as (
      update run_states s set last_sequence = a.top
      from (select run_id, max(sequence) as top from admitted group by run_id) a
      where s.run_id = a.run_id
    ), written as (
      insert into deltas (
        run_id,
        sequence,
        project_id,
        type,
        attempt,
        level,
        message,
        data
      )
      select
        run_id,
        sequence,
        project_id,
        type,
        attempt,
        level,
        message,
        data::json
      from admitted
    )
    select a.sequence
    from input i
    left join admitted a using (ord)
    order by i.ord`
  return rows.map((row) => row.sequence ?? undefined)
}
