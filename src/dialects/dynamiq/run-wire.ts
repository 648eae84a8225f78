// A run as Dynamiq shows it, and the mapping of its statuses to our states.

import { type Static, Type } from 'typebox'
import type { InputRow } from '#agents/input-requests.sql.ts'
import { anyJson, jsonObject, oneOf, optional, time } from '#contract/common.ts'
import type { Json } from '#core/json/json.ts'
import { isOver, RUN_STATES, type RunState } from '#core/run.ts'
import type { Standing } from '#run-state/read/numbered-runs.sql.ts'
import type { RunBody, RunRow } from '#run-state/read/read-runs.sql.ts'

export const STATUSES = ['created', 'started', 'paused', 'completed', 'failed', 'canceled', 'awaiting_input'] as const
export type Status = (typeof STATUSES)[number]

/** Dynamiq's status for each of our states. A run that has not ended and has a pending question is awaiting_input. */
const STATUS_OF = {
  delayed: 'created',
  queued: 'created',
  dequeued: 'created',
  executing: 'started',
  waiting: 'started',
  paused: 'paused',
  completed: 'completed',
  failed: 'failed',
  timed_out: 'failed',
  crashed: 'failed',
  system_failed: 'failed',
  dead_letter: 'failed',
  expired: 'failed',
  canceled: 'canceled',
} as const satisfies Record<RunState, Status>

export const statusOf = (state: RunState, isAsked = false): Status =>
  isAsked && !isOver(state) ? 'awaiting_input' : STATUS_OF[state]

/** Which states have any of these statuses, without (`free`) and with (`asked`) a pending question. */
export const standingOf = (statuses: readonly Status[]): Standing => ({
  free: RUN_STATES.filter((state) => statuses.includes(statusOf(state))),
  asked: RUN_STATES.filter((state) => statuses.includes(statusOf(state, true))),
})

export const InputRequest = Type.Object(
  {
    id: Type.String({ description: 'Id of the request.' }),
    type: oneOf(['approval_request', 'human_feedback'], 'Kind of answer expected.'),
    prompt: Type.String({ description: 'The question.' }),
    params: jsonObject('Parameters of the question.'),
    editable_params: Type.Array(Type.String(), { description: 'Params that the answer may change.' }),
  },
  { title: 'InputRequest' },
)

export const RunError = Type.Object(
  {
    code: Type.String({ description: 'Stable code.' }),
    message: Type.String({ description: 'A sentence for people; may change between versions.' }),
  },
  { title: 'RunError' },
)

export const Run = Type.Object(
  {
    id: Type.String({ description: 'Id of the run.' }),
    app_id: optional(Type.String({ description: 'Id of the app, which is a job; absent for an external run.' })),
    status: oneOf(STATUSES, 'awaiting_input: the run has not ended, and a question is pending.'),
    started_at: time('When the run was created.'),
    ended_at: optional(time('When the run ended.')),
    input: anyJson('Input of the run; null when it has been deleted.'),
    output: optional(anyJson('Output of a completed run.')),
    user_id: optional(Type.String({ description: 'The user, as sent.' })),
    session_id: optional(Type.String({ description: 'The session, as sent.' })),
    input_requests: optional(
      Type.Array(InputRequest, { description: 'Pending questions; only while the run awaits input.' }),
    ),
    error: optional(RunError),
  },
  { title: 'Run' },
)
export type Run = Static<typeof Run>

/** Times have whole seconds. */
export const seconds = (at: Date): string => `${at.toISOString().slice(0, 19)}Z`

export type Body = Pick<RunBody, 'payload' | 'result'> | undefined

export function runObject(run: RunRow, { body, pending }: { body: Body; pending: readonly InputRow[] }): Run {
  const status = statusOf(run.state, pending.length > 0)
  const { user_id, session_id } = run.metadata
  return {
    id: run.publicId,
    ...(run.jobId !== null && { app_id: run.jobId }),
    status,
    started_at: seconds(run.createdAt),
    ...(isOver(run.state) && run.finishedAt && { ended_at: seconds(run.finishedAt) }),
    input: inputOf(body?.payload),
    ...(run.state === 'completed' && body && { output: body.result ?? null }),
    ...(user_id !== undefined && { user_id }),
    ...(session_id !== undefined && { session_id }),
    ...(status === 'awaiting_input' && { input_requests: pending.map(inputRequest) }),
    ...(status === 'failed' && { error: errorOf(run.state, { error: run.error, code: run.errorCode }) }),
  }
}

/** The error; for an end without a message, the state is the code. */
export const errorOf = (state: RunState, { error, code }: { error: string | null; code: string | null }) => ({
  code: code ?? state,
  message: error ?? `the run is ${state}`,
})

export const inputRequest = (row: InputRow): Static<typeof InputRequest> => ({
  id: row.id,
  type: typeOf(row),
  prompt: row.prompt,
  params: row.params as object as Record<string, unknown>,
  editable_params: row.editableParams,
})

export const typeOf = ({ kind }: Pick<InputRow, 'kind'>) =>
  kind === 'approval' ? ('approval_request' as const) : ('human_feedback' as const)

const PAYLOAD_FIELDS: ReadonlySet<string> = new Set(['input', 'user_id', 'session_id', 'files'])

/** A run created here has its input inside its payload; for others the payload is the input. */
function inputOf(payload: Json | null = null): unknown {
  const fields = payload?.members() ?? {}
  const isOurs = Object.hasOwn(fields, 'input') && Object.keys(fields).every((name) => PAYLOAD_FIELDS.has(name))
  return isOurs ? fields.input : payload
}
