// The events that Dynamiq has names for, derived from our log. Others are omitted, so sequences have
// gaps; they are the same in lists and streams.

import { Type } from 'typebox'
import type { InputRow } from '#agents/input-requests.sql.ts'
import { jsonObject, oneOf, time, uuid, whole } from '#contract/common.ts'
import { parsedJson, printJson } from '#core/json/json.ts'
import { own } from '#core/own.ts'
import { type RunState, transitionOf } from '#core/run.ts'
import type { KeptCall } from '#log/numbered-events.sql.ts'
import type { RunLogRow } from '#log/read-log.sql.ts'
import { derivedId } from '#postgres/id.ts'
import { errorOf, inputRequest, seconds, statusOf } from './run-wire.ts'

export const EVENT_TYPES = [
  'run.started',
  'run.paused',
  'run.resumed',
  'run.completed',
  'run.failed',
  'run.canceled',
  'agent.reasoning.delta',
  'agent.output.delta',
  'agent.tool_call.started',
  'agent.tool_call.completed',
  'agent.tool_call.failed',
  'agent.human_feedback.requested',
  'approval_request.created',
] as const
type EventType = (typeof EVENT_TYPES)[number]

/** Our event types, by Dynamiq's names; a question and a delta have two. */
const NAMES: Readonly<Record<string, EventType>> = {
  'run.started': 'run.started',
  'run.paused': 'run.paused',
  'run.resumed': 'run.resumed',
  'run.completed': 'run.completed',
  'run.canceled': 'run.canceled',
  'run.failed': 'run.failed',
  'run.timed_out': 'run.failed',
  'run.crashed': 'run.failed',
  'run.system_failed': 'run.failed',
  'run.dead_lettered': 'run.failed',
  'run.expired': 'run.failed',
  'agent.tool_call.started': 'agent.tool_call.started',
  'agent.tool_call.completed': 'agent.tool_call.completed',
  'agent.tool_call.failed': 'agent.tool_call.failed',
  'input.requested': 'agent.human_feedback.requested',
  'policy.approval_required': 'approval_request.created',
}
/** Our events that are shown, besides deltas. */
export const SHOWN = Object.keys(NAMES)
/** A later attempt is not shown: the run has started once. */
export const ONCE = 'run.started'

export const Event = Type.Object(
  {
    id: uuid('Id of the event.'),
    type: oneOf(EVENT_TYPES, 'What happened.'),
    sequence: whole(1, Number.MAX_SAFE_INTEGER, 'Grows from event to event of a run; there may be gaps.'),
    timestamp: time('When it was recorded.'),
    data: jsonObject('What else there is to say: `object` tells what it is about.'),
  },
  { title: 'Event' },
)

/** Data from outside the log, added to an event by `fillRows`. */
export type Filled = { call?: KeptCall | undefined; result?: unknown; request?: InputRow | undefined }
export type FilledRow = RunLogRow & { filled?: Filled }

/**
 * How many sequence numbers precede the first event here: the run's creation has the first number and no name here,
 * and a client expects sequences to begin at 1. An external run begins with its first event.
 */
export const numbersBefore = ({ execution }: { execution: string }): number => (execution === 'external' ? 0 : 1)

/** Undefined for events without a name here. */
export function eventObject(row: FilledRow, before: number) {
  const said = dataOf(row)
  if (!said) return undefined
  const { type, ...data } = said
  return {
    // A delta has no id: this one is derived, so it is the same at every read.
    id: row.id ?? derivedId('dynamiq delta', row.runUuid!, String(row.sequence)),
    type,
    sequence: row.sequence! - before,
    timestamp: seconds(row.recordedAt),
    data,
  }
}

type Said = { type: EventType; [name: string]: unknown }
type LogData = Record<string, unknown> & Filled

function dataOf(row: FilledRow): Said | undefined {
  const data: LogData = { ...row.data?.members(), ...row.filled }
  if (row.type === 'stream.chunk') return deltaOf(data)
  const type = own(NAMES, row.type)
  if (type === undefined) return undefined
  if (row.type.startsWith('run.')) return runData(type, row, data)
  if (row.type.startsWith('agent.tool_call.')) return toolCallData(type, row, data)
  return row.type === 'input.requested' ? questionData(row, data) : approvalData(data)
}

function runData(type: EventType, row: RunLogRow, data: LogData): Said {
  const state: RunState = transitionOf(row.type, data)?.to ?? 'executing'
  // A resumed run waits for its turn again, which to a client is not a step back.
  const status = type === 'run.resumed' ? 'started' : statusOf(state)
  const { error, error_code: code } = data as { error?: unknown; error_code?: string }
  const ended = type === 'run.failed' || type === 'run.canceled'
  return {
    type,
    id: row.runId,
    object: 'run',
    status,
    ...(type === 'run.completed' && { output: data.result ?? null }),
    ...(ended && { error: errorOf(state, { error: asText(error) ?? row.message, code: code ?? null }) }),
  }
}

/** Native calls have no type of tool. */
const TOOL_TYPE = 'function'

function toolCallData(type: EventType, row: RunLogRow, { call, ...data }: LogData): Said {
  const [input, output] = call ? [call.input, call.output] : [data.input, data.result ?? data.output]
  return {
    type,
    id: call?.id ?? row.id,
    object: 'agent.tool_call',
    ...(type !== 'agent.tool_call.started' && call?.fits !== false && { result: resultOf(output) }),
    input: inputOf(input),
    iteration: iterationOf(call?.step ?? row.step),
    tool: { name: call?.toolName ?? row.tool ?? '', type: TOOL_TYPE },
  }
}

/** The product has text here, usually JSON as text: text stays as it is. */
function resultOf(output: unknown): string {
  const value = parsedJson(output)
  return typeof value === 'string' ? value : printJson(output ?? null)
}

/** Always an object: anything else is wrapped. */
function inputOf(input: unknown): object {
  const value = parsedJson(input)
  if (value === undefined || value === null) return {}
  return typeof value === 'object' && !Array.isArray(value) ? (input as object) : { value: input }
}

/** The stream of a chunk determines its type: `reasoning` or `reasoning:2` is a model's reasoning. */
function deltaOf(data: LogData): Said | undefined {
  const { chunk, stream_id } = data as { chunk?: string; stream_id?: string }
  if (!chunk) return undefined
  const type = /^reasoning\b/.test(stream_id ?? '') ? 'agent.reasoning.delta' : 'agent.output.delta'
  return { type, object: type, delta: chunk, iteration: iterationOf(stream_id) }
}

/** The number at the end of a step or stream, as in `step 2` or `reasoning:2`; the first one when it has none. */
function iterationOf(name: string | null | undefined): number {
  const [, digits] = /(?:^|[\s:#]|step_?)(\d{1,9})$/.exec(name ?? '') ?? []
  return digits === undefined ? 1 : Number(digits)
}

function questionData(row: RunLogRow, data: LogData): Said {
  const { kind, prompt, params, editable_params } = data
  return kind === 'approval'
    ? { ...APPROVAL, id: row.resourceId, prompt, params, editable_params }
    : { type: 'agent.human_feedback.requested', object: 'agent.human_feedback', id: row.resourceId, prompt, params }
}

const APPROVAL = { type: 'approval_request.created', object: 'approval_request' } as const

/** A policy that needs an approval asks by itself, and logs only the id of the question. */
function approvalData({ input_request_id, request }: LogData): Said {
  if (!request) return { ...APPROVAL, id: input_request_id, prompt: '', params: {}, editable_params: [] }
  const { type: _, ...about } = inputRequest(request)
  return { ...APPROVAL, ...about }
}

const asText = (error: unknown): string | null =>
  error === undefined || error === null ? null : typeof error === 'string' ? error : printJson(error)
