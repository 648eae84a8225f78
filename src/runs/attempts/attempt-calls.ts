// What a running attempt writes. Each call carries the attempt's lease; a call of an attempt that was replaced or
// stopped is refused by the statement that would have written it.

import { problemsUnder, schemaProblem } from '#access/schema/json-schema.ts'
import type { Ctx } from '#bell/ctx.ts'
import { batched } from '#bell/part.ts'
import { runTopic } from '#bell/topics.ts'
import type { Tx } from '#bell/transact.ts'
import { refuse, refuseField } from '#core/error.ts'
import type { Actor, Level } from '#core/event.ts'
import { own } from '#core/own.ts'
import { isEngineType, isOver, type RunState } from '#core/run.ts'
import { appendEvent } from '#log/append-event.ts'
import type { Appended } from '#log/append-events.sql.ts'
import type { NewEvent } from '#log/new-event.sql.ts'
import { recordOfRun } from '#log/record.ts'
import { derivedId, newId } from '#postgres/id.ts'
import { isDebugged, mergeMetadata } from '#run-state/run-marks.sql.ts'
import {
  appendDeltas,
  type CheckpointRow,
  deleteValue,
  insertCheckpoint,
  insertToolCall,
  type NewDelta,
  type OutputRow,
  putOutput,
  putValue,
  type ToolCallRow,
  type ValueRow,
} from './attempt-writes.sql.ts'

/** Who writes: the run by its internal id, and the lease that the write is fenced by. */
export type Attempt = { projectId: string; runId: string; attempt: number; token: string; actor: Actor }

export type Receipt = { id: string | null; position: number | null; sequence: number }

const writeDelta = batched<NewDelta, number | undefined>('The queue of deltas', async ({ sql, ring }, deltas) => {
  const sequences = await appendDeltas(sql, deltas)
  ring(new Set(deltas.map(({ runId }) => runTopic(runId))))
  return sequences
})

type Fact = Pick<
  NewEvent,
  'type' | 'level' | 'message' | 'data' | 'step' | 'tool' | 'durationMs' | 'status' | 'resourceType' | 'resourceId'
>

export const eventOf = (it: Attempt, fact: Fact): NewEvent & { runId: string } => ({
  projectId: it.projectId,
  runId: it.runId,
  token: it.token,
  actor: it.actor,
  attempt: it.attempt,
  ...fact,
})

export function written(it: Attempt, appended: Appended): Receipt {
  if (appended.outcome === 'stale') {
    const state = appended.state as RunState
    throw isOver(state) ? refuse('run_over', { runId: it.runId, state }) : refuse('stale_lease', { runId: it.runId })
  }
  if (appended.outcome === 'no_run') throw refuse('run_not_found', { runId: it.runId })
  return { id: appended.id, position: appended.position, sequence: appended.sequence! }
}

const append = async (ctx: Ctx, it: Attempt, fact: Fact): Promise<Receipt> =>
  written(it, await appendEvent(ctx, eventOf(it, fact)))

/** Writes a row together with its event, both or neither, under the lock of the run. */
const appendWith = <Row>(
  ctx: Ctx,
  it: Attempt,
  fact: Fact,
  write: (tx: Tx, receipt: Receipt) => Promise<Row>,
): Promise<Row> => recordOfRun<Row>(ctx, eventOf(it, fact), (tx, appended) => write(tx, written(it, appended)))

/** Debug lines are deltas, which are kept for days only, unless the run is in debug mode; all others are events. */
export async function writeLog(
  ctx: Ctx,
  it: Attempt,
  line: { level: Level; message: string; data?: unknown; type: string },
): Promise<Receipt> {
  if (isEngineType(line.type)) throw refuse('reserved_type', { type: line.type })
  const { type, level, message, data } = line
  return level === 'debug' && !(await isDebugged(ctx.sql, it.runId))
    ? appendDelta(ctx, it, { type, level, message, data })
    : append(ctx, it, { type, level, message, data })
}

export const writeChunk = (
  ctx: Ctx,
  it: Attempt,
  chunk: { chunk: string; streamId: string; done: boolean },
): Promise<Receipt> =>
  appendDelta(ctx, it, {
    type: 'stream.chunk',
    data: { chunk: chunk.chunk, stream_id: chunk.streamId, done: chunk.done },
  })

async function appendDelta(
  ctx: Ctx,
  it: Attempt,
  delta: Pick<Fact, 'type' | 'level' | 'message' | 'data'>,
): Promise<Receipt> {
  const sequence = await writeDelta(ctx, { runId: it.runId, token: it.token, ...delta })
  if (sequence === undefined) throw refuse('stale_lease', { runId: it.runId })
  return { id: null, position: null, sequence }
}

type Progress = {
  percent: number
  message?: string | undefined
  step?: string | undefined
  etaSecs?: number | undefined
}

export const reportProgress = (
  ctx: Ctx,
  it: Attempt,
  { percent, message, step, etaSecs }: Progress,
): Promise<Receipt> =>
  append(ctx, it, {
    type: 'progress',
    message,
    step,
    data: { percent, ...(step && { step }), ...(etaSecs !== undefined && { eta_secs: etaSecs }) },
  })

const ANNOTATIONS_MAX = 50

export const annotateRun = (ctx: Ctx, it: Attempt, annotations: Record<string, string>): Promise<void> =>
  appendWith(ctx, it, { type: 'run.annotated', data: { annotations } }, async (tx) => {
    const merged = await mergeMetadata(tx, it.runId, annotations, ANNOTATIONS_MAX)
    if (!merged)
      throw refuse('invalid', {
        fields: [{ field: 'annotations', message: `would make more than ${ANNOTATIONS_MAX} keys of metadata` }],
      })
  })

export const writeCheckpoint = (
  ctx: Ctx,
  it: Attempt,
  { source, state }: { source: string; state: unknown },
): Promise<CheckpointRow> => {
  const id = newId()
  const about = { resourceType: 'checkpoint', resourceId: id }
  return appendWith(ctx, it, { type: 'checkpoint.saved', ...about, data: { source } }, (tx) =>
    insertCheckpoint(tx, { ...it, id, source, state }),
  )
}

type ToolCall = {
  toolName: string
  input?: unknown
  output?: unknown
  durationMs?: number | undefined
  status: string
  step?: string | undefined
}

/** How the statuses that clients write are told in the log; any other one is that of a call that is over. */
const CALL_ENDS: Readonly<Record<string, 'started' | 'failed'>> = {
  started: 'started',
  running: 'started',
  pending: 'started',
  failed: 'failed',
  failure: 'failed',
  error: 'failed',
  timed_out: 'failed',
  timeout: 'failed',
  canceled: 'failed',
  cancelled: 'failed',
}

/** The event says that the tool was called; what went in and out is kept beside it, and fetched when asked for. */
export const recordToolCall = (ctx: Ctx, it: Attempt, call: ToolCall): Promise<ToolCallRow> =>
  appendWith(
    ctx,
    it,
    {
      type: `agent.tool_call.${own(CALL_ENDS, call.status) ?? 'completed'}`,
      tool: call.toolName,
      step: call.step,
      status: call.status,
      durationMs: call.durationMs,
    },
    (tx, { sequence }) =>
      insertToolCall(tx, {
        runId: it.runId,
        sequence,
        attempt: it.attempt,
        toolName: call.toolName,
        step: call.step ?? null,
        input: call.input,
        output: call.output,
        durationMs: call.durationMs ?? null,
        status: call.status,
      }),
  )

/** A value under a key, checked against its own schema when it brings one. */
export async function writeOutput(
  ctx: Ctx,
  it: Attempt,
  output: { outputKey: string; schema?: object | undefined; value: unknown },
): Promise<OutputRow> {
  const { outputKey, schema, value } = output
  if (schema) {
    const { projectId } = it
    const bad = await schemaProblem(schema, projectId)
    if (bad) throw refuseField('schema', bad)
    const fields = await problemsUnder({ projectId, schema, value, name: 'value' })
    if (fields.length > 0) throw refuse('invalid', { fields })
  }
  // One that is written again is the same output.
  const id = derivedId('output', it.runId, outputKey)
  const about = { resourceType: 'output', resourceId: id }
  return appendWith(ctx, it, { type: 'output.written', ...about, data: { output_key: outputKey } }, (tx) =>
    putOutput(tx, { id, runId: it.runId, outputKey, schema, value }),
  )
}

/** The engine reads back what it keeps under these keys: outcomes of waits, and the children that have a key. */
const ENGINE_KEY = /^(?:wait|child):/

export async function setValue(
  ctx: Ctx,
  it: Attempt,
  { key, value }: { key: string; value: unknown },
): Promise<ValueRow> {
  if (ENGINE_KEY.test(key)) throw refuseField('key', 'must not begin with wait: or child:')
  return appendWith(ctx, it, { type: 'state.set', data: { key } }, (tx) =>
    putValue(tx, { runId: it.runId, key, value }),
  )
}

export const forgetValue = (ctx: Ctx, it: Attempt, key: string): Promise<void> =>
  appendWith(ctx, it, { type: 'state.deleted', data: { key } }, async (tx) => {
    if (!(await deleteValue(tx, it.runId, key))) throw refuse('value_not_found', { key })
  })
