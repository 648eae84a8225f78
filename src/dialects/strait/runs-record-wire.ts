// The records of a run as Strait shows them: events, checkpoints, usage, tool calls, outputs and state.
import { Type } from 'typebox'
import { anyJson, INT_MAX, jsonObject, optional, RUN_ID, time, whole } from '#contract/common.ts'
import { Json } from '#core/json/json.ts'
import { RUN_MOVES, transitionOf } from '#core/run.ts'
import type { RunLogRow } from '#log/read-log.sql.ts'
import type { CheckpointRow, OutputRow, ToolCallRow, ValueRow } from '#runs/attempts/attempt-writes.sql.ts'
import type { UsageRow } from '#usage/usage.sql.ts'
import { numberedTime } from './paging.ts'
import { filled } from './run-wire.ts'

const word = (description: string) => Type.String({ description })
const big = (description: string) => whole(0, Number.MAX_SAFE_INTEGER, description)

export const RunEvent = Type.Object(
  {
    id: word('Id of the event.'),
    run_id: RUN_ID,
    type: word('log, state_change, progress, or the type its writer chose.'),
    level: word('debug, info, warn or error.'),
    message: word('The log line.'),
    data: anyJson('Anything else, as JSON.'),
    created_at: time('When it was recorded.'),
  },
  { title: 'RunEvent' },
)
export const RunCheckpoint = Type.Object(
  {
    id: word('Id of the checkpoint.'),
    run_id: RUN_ID,
    sequence: whole(1, INT_MAX, 'Number of the checkpoint within its run, from 1.'),
    source: word('Name of the writer.'),
    state: anyJson('The saved state.'),
    created_at: time('When it was recorded.'),
  },
  { title: 'RunCheckpoint' },
)
export const RunUsage = Type.Object(
  {
    id: word('Id of the record.'),
    run_id: RUN_ID,
    provider: word('Provider of the model.'),
    model: word('Name of the model.'),
    prompt_tokens: big('Prompt tokens.'),
    completion_tokens: big('Completion tokens.'),
    total_tokens: big('Total tokens.'),
    cost_microusd: big('Cost in millionths of a US dollar.'),
    created_at: time('When it was recorded.'),
  },
  { title: 'RunUsage' },
)
export const RunToolCall = Type.Object(
  {
    id: word('Id of the record.'),
    run_id: RUN_ID,
    tool_name: word('Name of the tool.'),
    input: optional(anyJson('Input of the call.')),
    output: optional(anyJson('Output of the call.')),
    duration_ms: optional(big('Duration in milliseconds.')),
    status: word('How the call ended.'),
    created_at: time('When it was recorded.'),
  },
  { title: 'RunToolCall' },
)
export const RunOutput = Type.Object(
  {
    id: word('Id of the output.'),
    run_id: RUN_ID,
    output_key: word('Name of the output.'),
    schema: optional(jsonObject('JSON Schema that the value matches.')),
    value: anyJson('Value of the output.'),
    created_at: time('When it was recorded.'),
  },
  { title: 'RunOutput' },
)
export const RunState = Type.Object(
  {
    run_id: RUN_ID,
    state_key: word('Key of the value.'),
    key: word('Alias of state_key, for the TypeScript client.'),
    value: anyJson('The value.'),
    updated_at: time('When it was last written.'),
  },
  { title: 'RunState' },
)

/** Chunks have their own stream, and there may be thousands of them between two events. */
export const CHUNK = 'stream.chunk'

const STATE_CHANGE = 'state_change'
const MOVE_EVENTS = [...new Set(Object.values(RUN_MOVES).map((move) => move.event as string))]

/** Strait has one type for all moves of a run. Names of single moves are accepted as well. */
export const typesNamed = (type: string): string[] => (type === STATE_CHANGE ? [STATE_CHANGE, ...MOVE_EVENTS] : [type])

/** The move that an event reports. A run's creation is not a move, nor is a reschedule. */
export function moveOf(row: RunLogRow) {
  const transition = transitionOf(row.type, row.data)
  return transition?.from && transition.from !== transition.to
    ? { from: transition.from, to: transition.to }
    : undefined
}

/** The default level of an event without one. */
export const DEFAULT_LEVEL = 'info'

/** In Strait's words; an empty object when there is no data. */
export function dataOf({ type, data }: RunLogRow): unknown {
  if (type !== 'progress' || !data?.isObject) return data ?? {}
  const { eta_secs } = data.members()
  return eta_secs === undefined ? data : data.without('eta_secs').with('eta_seconds', eta_secs)
}

export function eventWire(row: RunLogRow) {
  const move = moveOf(row)
  return filled({
    // Debug lines are stored for days only and have no id of their own.
    id: row.id ?? `${row.runId}:${row.sequence}`,
    run_id: row.runId!,
    type: move ? STATE_CHANGE : row.type,
    level: row.level ?? DEFAULT_LEVEL,
    message: row.message ?? (move ? `${move.from} -> ${move.to}` : ''),
    data: move
      ? Json.of(row.data ?? {})
          .with('from', move.from)
          .with('to', move.to)
      : dataOf(row),
    created_at: numberedTime(row.recordedAt, row.sequence!),
  })
}

export const checkpointWire = (runId: string, { id, number, source, state, createdAt }: CheckpointRow) => ({
  id,
  run_id: runId,
  sequence: number,
  source,
  state,
  created_at: numberedTime(createdAt, number),
})

export const usageWire = (runId: string, row: UsageRow) => ({
  id: row.id,
  run_id: runId,
  provider: row.provider,
  model: row.model,
  prompt_tokens: row.promptTokens,
  completion_tokens: row.completionTokens,
  total_tokens: row.totalTokens,
  cost_microusd: row.costMicrousd,
  created_at: numberedTime(row.createdAt, row.sequence),
})

export const toolCallWire = (runId: string, row: ToolCallRow) =>
  filled({
    id: row.id,
    run_id: runId,
    tool_name: row.toolName,
    input: row.input,
    output: row.output,
    duration_ms: row.durationMs === null ? null : Math.round(row.durationMs),
    status: row.status,
    created_at: numberedTime(row.createdAt, row.sequence),
  })

export const outputWire = (runId: string, { id, outputKey, schema, value, createdAt }: OutputRow) => ({
  id,
  run_id: runId,
  output_key: outputKey,
  ...(schema && { schema }),
  value,
  created_at: createdAt.toISOString(),
})

export const stateWire = (runId: string, { key, value, updatedAt }: ValueRow) => ({
  run_id: runId,
  state_key: key,
  key,
  value,
  updated_at: updatedAt.toISOString(),
})
