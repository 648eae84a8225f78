// The log of a run in the words of AG-UI. The protocol brackets what happens: steps, messages and calls begin and end
// within a run, and a question to a person ends that run; the next one begins when the question is answered. So what an
// event becomes depends on those before it: the log is told from its beginning, also to a client that resumes.
import { parsedJson } from '#core/json/json.ts'
import { isOver, type RunState, transitionOf } from '#core/run.ts'
import type { AgUiEvent, Interrupt, PatchOperation, RunProgress } from './events.ts'

/** What is looked at of a row of the log. */
export type LoggedRow = {
  sequence: number | null
  type: string
  occurredAt: Date
  attempt: number | null
  step: string | null
  tool: string | null
  status: string | null
  message: string | null
  resourceId: string | null
  data: unknown
}

/** `tell` takes the rows of one run in the order of their sequence, and says what each becomes; most often one event. */
export type Translation = { tell(row: LoggedRow): AgUiEvent[] }

type Told = {
  /** A run of the protocol is under way. */
  isActive: boolean
  /** The last one ended with an error, which is said once. */
  hasErred: boolean
  /** How many have begun. */
  parts: number
  isWaiting: boolean
  step: string | undefined
  /** Ids of open messages, by the id of their stream. */
  messages: Map<string, string>
  /** How often a message has begun in a stream. */
  begun: Map<string, number>
  questions: Map<string, Interrupt>
  progress: RunProgress
}

const AT_FIRST: RunProgress = {
  status: 'executing',
  attempt: 1,
  percent: null,
  message: null,
  model_calls: 0,
  total_tokens: 0,
  cost_microusd: 0,
}

export function translateRun(runId: string): Translation {
  const told: Told = {
    isActive: false,
    hasErred: false,
    parts: 0,
    isWaiting: false,
    step: undefined,
    messages: new Map(),
    begun: new Map(),
    questions: new Map(),
    progress: AT_FIRST,
  }
  return {
    tell(row) {
      const timestamp = row.occurredAt.getTime()
      return eventsOf(told, runId, row).map((event) => ({ ...event, timestamp }))
    },
  }
}

function eventsOf(told: Told, runId: string, row: LoggedRow): AgUiEvent[] {
  const to = row.type.startsWith('run.') ? transitionOf(row.type, row.data)?.to : undefined
  if (to !== undefined) return move(told, runId, row, to)
  // Between two runs of the protocol there is nothing to be told in: a person was asked, or the run is over.
  if (told.parts > 0 && !told.isActive) {
    noteQuestion(told, row)
    return []
  }
  return [...begin(told, runId), ...happen(told, runId, row)]
}

function move(told: Told, runId: string, row: LoggedRow, to: RunState): AgUiEvent[] {
  told.isWaiting = to === 'waiting'
  if (isOver(to)) return end(told, runId, row, to)
  if (to === 'waiting' && told.questions.size > 0) return [...change(told, { status: to }), ...interrupt(told, runId)]
  const { attempt } = row
  // An attempt that is over has ended its step and its messages.
  const closed = to === 'executing' ? [] : closing(told)
  return [...begin(told, runId), ...closed, ...change(told, { status: to, ...(attempt && { attempt }) })]
}

function begin(told: Told, runId: string): AgUiEvent[] {
  if (told.isActive) return []
  told.isActive = true
  told.hasErred = false
  told.parts++
  return [
    { type: 'RUN_STARTED', threadId: runId, runId: partId(told, runId) },
    { type: 'STATE_SNAPSHOT', snapshot: told.progress },
  ]
}

/** The first has the id of the run itself; the others are what follows an answer of a person, or a redrive. */
const partId = ({ parts }: Told, runId: string): string => (parts === 1 ? runId : `${runId}.${parts}`)

function end(told: Told, runId: string, { message, data }: LoggedRow, to: RunState): AgUiEvent[] {
  told.questions.clear()
  const isDone = to === 'completed'
  const begun = isDone ? begin(told, runId) : []
  const closed = told.isActive ? [...closing(told), ...change(told, { status: to })] : []
  told.isActive = false
  told.parts = Math.max(1, told.parts)
  if (isDone) {
    const finished = { type: 'RUN_FINISHED' as const, threadId: runId, runId: partId(told, runId) }
    return [...begun, ...closed, { ...finished, outcome: { type: 'success' } }]
  }
  if (told.hasErred) return []
  told.hasErred = true
  const { error } = members(data)
  return [...closed, { type: 'RUN_ERROR', message: textOf(error) ?? message ?? `The run is ${to}.`, code: to }]
}

function interrupt(told: Told, runId: string): AgUiEvent[] {
  if (!told.isActive) return []
  const closed = closing(told)
  told.isActive = false
  const interrupts = [...told.questions.values()]
  const finished = { type: 'RUN_FINISHED' as const, threadId: runId, runId: partId(told, runId) }
  return [...closed, { ...finished, outcome: { type: 'interrupt', interrupts } }]
}

/** The ends of what is open. */
function closing(told: Told): AgUiEvent[] {
  const ends: AgUiEvent[] = [...told.messages.values()].map((messageId) => ({ type: 'TEXT_MESSAGE_END', messageId }))
  told.messages.clear()
  return [...ends, ...endStep(told)]
}

function endStep(told: Told): AgUiEvent[] {
  if (told.step === undefined) return []
  const stepName = told.step
  told.step = undefined
  return [{ type: 'STEP_FINISHED', stepName }]
}

function happen(told: Told, runId: string, row: LoggedRow): AgUiEvent[] {
  switch (row.type) {
    case 'stream.chunk':
      return say(told, row)
    case 'progress':
      return progress(told, row)
    case 'agent.step.completed':
    case 'agent.step.failed':
      return pastStep(told, row)
    case 'agent.tool_call.completed':
    case 'agent.tool_call.failed':
    case 'tool_result':
      return callTool(row)
    case 'usage.recorded':
      return [custom(row), ...addUsage(told, row)]
  }
  noteQuestion(told, row)
  const asked = row.type === 'input.requested' && told.isWaiting ? interrupt(told, runId) : []
  return [custom(row), ...asked]
}

function say(told: Told, { data }: LoggedRow): AgUiEvent[] {
  const { chunk, stream_id, done } = members(data)
  const stream = textOf(stream_id) ?? 'output'
  const events: AgUiEvent[] = []
  let messageId = told.messages.get(stream)
  if (messageId === undefined) {
    const count = (told.begun.get(stream) ?? 0) + 1
    told.begun.set(stream, count)
    messageId = count === 1 ? stream : `${stream}.${count}`
    told.messages.set(stream, messageId)
    events.push({ type: 'TEXT_MESSAGE_START', messageId, role: 'assistant' })
  }
  // The protocol has no empty deltas.
  const delta = textOf(chunk)
  if (delta !== undefined) events.push({ type: 'TEXT_MESSAGE_CONTENT', messageId, delta })
  if (done !== true) return events
  told.messages.delete(stream)
  return [...events, { type: 'TEXT_MESSAGE_END', messageId }]
}

function progress(told: Told, { step, message, data }: LoggedRow): AgUiEvent[] {
  const { percent } = members(data)
  const changed = change(told, { percent: typeof percent === 'number' ? percent : told.progress.percent, message })
  if (step === null || step === told.step) return changed
  const ended = endStep(told)
  told.step = step
  return [...ended, { type: 'STEP_STARTED', stepName: step }, ...changed]
}

/** A step that is told of when it has ended. */
function pastStep(told: Told, row: LoggedRow): AgUiEvent[] {
  const stepName = row.step ?? 'step'
  if (stepName === told.step) return [custom(row)]
  return [{ type: 'STEP_STARTED', stepName }, custom(row), { type: 'STEP_FINISHED', stepName }]
}

function callTool({ sequence, type, tool, status, message }: LoggedRow): AgUiEvent[] {
  const toolCallId = `call-${sequence}`
  const ended = status ?? (type.endsWith('.failed') ? 'failed' : 'completed')
  const content = JSON.stringify({ status: ended, ...(message !== null && { message }) })
  return [
    { type: 'TOOL_CALL_START', toolCallId, toolCallName: tool ?? 'tool' },
    { type: 'TOOL_CALL_END', toolCallId },
    { type: 'TOOL_CALL_RESULT', messageId: `result-${sequence}`, toolCallId, content, role: 'tool' },
  ]
}

function addUsage(told: Told, { data }: LoggedRow): AgUiEvent[] {
  const { total_tokens, cost_microusd } = members(data)
  const { model_calls, total_tokens: tokens, cost_microusd: cost } = told.progress
  return change(told, {
    model_calls: model_calls + 1,
    total_tokens: tokens + numberOf(total_tokens),
    cost_microusd: cost + numberOf(cost_microusd),
  })
}

function noteQuestion({ questions }: Told, { type, resourceId, data }: LoggedRow): void {
  if (resourceId === null || !type.startsWith('input.')) return
  if (type !== 'input.requested') questions.delete(resourceId)
  else {
    const { kind, prompt, ...rest } = members(data)
    const message = textOf(prompt)
    questions.set(resourceId, {
      id: resourceId,
      reason: kind === 'feedback' ? 'input_required' : 'confirmation',
      ...(message !== undefined && { message }),
      metadata: { ...rest, answer_path: `/v1/input-requests/${resourceId}/answer` },
    })
  }
}

/** What is different from what the client knows, as a JSON Patch; nothing while no run of the protocol is under way. */
function change(told: Told, changes: Partial<RunProgress>): AgUiEvent[] {
  const delta: PatchOperation[] = []
  for (const [name, value] of Object.entries(changes))
    if (told.progress[name as keyof RunProgress] !== value) delta.push({ op: 'replace', path: `/${name}`, value })
  told.progress = { ...told.progress, ...changes }
  return told.isActive && delta.length > 0 ? [{ type: 'STATE_DELTA', delta }] : []
}

/** What the protocol has no word for keeps ours. */
const custom = ({ type, sequence, message, data }: LoggedRow): AgUiEvent => ({
  type: 'CUSTOM',
  name: type,
  value: { sequence, message, data },
})

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)
const numberOf = (value: unknown): number => (typeof value === 'number' ? value : 0)

function members(data: unknown): Record<string, unknown> {
  const value = parsedJson(data)
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}
