// The events of a run as spans of time: attempts and their phases, and below them steps, calls of tools and models,
// questions to people and children. Durations come from events, never from "now minus created".
import { isOver, RUN_MOVES, type RunState, transitionOf } from '../run.ts'
import { putIntoSteps, type Told } from './told-steps.ts'

export const SPAN_KINDS = [
  'attempt',
  'queue',
  'execute',
  'wait',
  'pause',
  'step',
  'tool',
  'model',
  'question',
  'child',
] as const
export type SpanKind = (typeof SPAN_KINDS)[number]

/** What is looked at of an event. */
export type SpanEvent = {
  sequence: number
  type: string
  atMs: number
  attempt: number | null
  step: string | null
  tool: string | null
  status: string | null
  message: string | null
  durationMs: number | null
  /** What the event is about, where that is not its run. */
  resourceId: string | null
  /** Of events that others may name as their cause, and the cause that it names. */
  id?: string | null
  causationId?: string | null
  data: SpanData | null
}
/** Of an event's data. */
export type SpanData = {
  state?: RunState
  from?: RunState
  error?: unknown
  error_code?: unknown
  model?: string
  total_tokens?: number
  cost_microusd?: number
  kind?: string
  child_run_id?: string
  job?: string
}

export type RunSpan = {
  kind: SpanKind
  /** Of the event that it began with. Unique among spans of a kind. */
  sequence: number
  /** Of the latest event that changed it. */
  changed: number
  /** The sequence of the attempt or step above it. */
  parent: number | null
  attempt: number
  name: string
  /** open, completed or failed; of an attempt the state of its run then; of a question how it ended. */
  status: string
  note: string | null
  fromMs: number
  toMs: number | null
  tokens: number | null
  costMicrousd: number | null
  /** Id of the child or the input request. */
  ref: string | null
}

/** Types of few events, without which those that come later cannot be placed. */
export const FRAME_TYPES: readonly string[] = [
  'run.created',
  ...new Set<string>(Object.values(RUN_MOVES).map((move) => move.event)),
  'run.child_spawned',
  'progress',
  'input.requested',
  'input.answered',
  'input.approved',
  'input.rejected',
  'input.expired',
  'input.canceled',
]
/** Types of calls, one span each. */
export const CALL_TYPES: readonly string[] = [
  'agent.tool_call.completed',
  'agent.tool_call.failed',
  'agent.model_call.failed',
  'agent.step.completed',
  'agent.step.failed',
  'tool_result',
  'usage.recorded',
]
/** Types of steps that are told of when they have ended, after what happened in them. */
const STEP_TYPES: readonly string[] = ['agent.step.completed', 'agent.step.failed']

const PHASES: Partial<Record<RunState, SpanKind>> = {
  delayed: 'queue',
  queued: 'queue',
  dequeued: 'queue',
  executing: 'execute',
  waiting: 'wait',
  paused: 'pause',
}
/** An attempt that was given back, paused or waited goes on under its number; these begin another one. */
const BEGINS_ANEW: ReadonlySet<string> = new Set(['run.redriven', 'run.restarted', 'run.retry_scheduled'])

type Walk = {
  spans: RunSpan[]
  attempt: RunSpan | undefined
  phase: RunSpan | undefined
  step: RunSpan | undefined
  questions: Map<string, RunSpan>
  /** By the id of the event that told of it. */
  told: Map<string, Told<RunSpan>>
}

/** In the order in which they began; `events` must be in the order of their sequence. */
export function spansOf(events: readonly SpanEvent[]): RunSpan[] {
  const walk: Walk = {
    spans: [],
    attempt: undefined,
    phase: undefined,
    step: undefined,
    questions: new Map(),
    told: new Map(),
  }
  for (const event of events) {
    const transition = event.type.startsWith('run.') ? transitionOf(event.type, event.data) : undefined
    if (!walk.attempt && (!transition || isOver(transition.to))) beginReported(walk, event)
    if (transition) move(walk, event, transition.to)
    else take(walk, event)
  }
  putIntoSteps(walk.told)
  return walk.spans
}

/** A run that somebody else executes began when what is reported first began. */
function beginReported(walk: Walk, event: SpanEvent): void {
  goOn(walk, { ...event, atMs: event.atMs - (event.durationMs ?? 0) }, 'executing')
}

function take(walk: Walk, event: SpanEvent): void {
  if (event.type === 'progress') beginStep(walk, event)
  else if (event.type === 'usage.recorded') addModel(walk, event)
  else if (event.type === 'input.requested') ask(walk, event)
  else if (event.type.startsWith('input.')) endQuestion(walk, event)
  else if (event.type === 'run.child_spawned') addChild(walk, event)
  else if (STEP_TYPES.includes(event.type)) addEndedStep(walk, event)
  else if (event.type === 'agent.model_call.failed') addFailedModel(walk, event)
  else if (CALL_TYPES.includes(event.type)) addTool(walk, event)
}

function move(walk: Walk, event: SpanEvent, to: RunState): void {
  end(walk.phase, event)
  walk.phase = undefined
  if (to !== 'executing') endStep(walk, event)
  if (isOver(to)) {
    endAttempt(walk.attempt, event, to)
    return
  }
  if (walk.attempt && event.type === 'run.retry_scheduled') {
    end(walk.attempt, event, 'failed')
    walk.attempt.note = errorOf(event)
  }
  goOn(walk, event, to)
}

/** A run that somebody else executes begins with whatever is reported first. */
function goOn(walk: Walk, event: SpanEvent, to: RunState): void {
  const kind = PHASES[to]
  if (kind === undefined) return
  const number = numberOf(walk.attempt, event)
  if (walk.attempt?.attempt !== number || BEGINS_ANEW.has(event.type)) {
    end(walk.attempt, event)
    walk.attempt = add(walk, event, { kind: 'attempt', attempt: number, name: `Attempt ${number}`, parent: null })
  }
  Object.assign(walk.attempt, { status: to, changed: event.sequence, toMs: null })
  walk.phase = add(walk, event, { kind, name: to, attempt: number })
}

/** What a retry schedules is the attempt after the one that failed. */
function numberOf(open: RunSpan | undefined, { type, attempt }: SpanEvent): number {
  const said = attempt ?? open?.attempt ?? 1
  return type === 'run.retry_scheduled' && said === open?.attempt ? said + 1 : said
}

function endAttempt(attempt: RunSpan | undefined, event: SpanEvent, to: RunState): void {
  if (!attempt) return
  attempt.toMs ??= event.atMs
  attempt.changed = event.sequence
  attempt.status = to
  if (to !== 'completed') attempt.note = errorOf(event) ?? attempt.note
}

function errorOf({ message, data }: SpanEvent): string | null {
  const said = [data?.error, data?.error_code, message].find((text) => typeof text === 'string' && text !== '')
  return said === undefined ? null : String(said)
}

type Begun = Partial<RunSpan> & Pick<RunSpan, 'kind' | 'name'>

function add(walk: Walk, event: SpanEvent, begun: Begun): RunSpan {
  const span: RunSpan = {
    sequence: event.sequence,
    changed: event.sequence,
    parent: walk.attempt?.sequence ?? null,
    attempt: walk.attempt?.attempt ?? event.attempt ?? 1,
    status: 'open',
    note: null,
    fromMs: event.atMs,
    toMs: null,
    tokens: null,
    costMicrousd: null,
    ref: null,
    ...begun,
  }
  walk.spans.push(span)
  return span
}

function end(span: RunSpan | undefined, event: SpanEvent, status?: string): void {
  if (!span || span.toMs !== null) return
  span.toMs = event.atMs
  span.changed = event.sequence
  if (status !== undefined || span.status === 'open') span.status = status ?? 'completed'
}

function beginStep(walk: Walk, event: SpanEvent): void {
  const { step, message } = event
  if (step === null || walk.step?.name === step) return
  endStep(walk, event)
  walk.step = add(walk, event, { kind: 'step', name: step, note: message === step ? null : message })
}

function endStep(walk: Walk, event: SpanEvent): void {
  end(walk.step, event)
  walk.step = undefined
}

/** A call belongs to the step that is under way, unless it names another. */
function addCall(walk: Walk, event: SpanEvent, call: Begun): void {
  const below = walk.step && (event.step === null || event.step === walk.step.name) ? walk.step : walk.attempt
  const fromMs = event.atMs - (event.durationMs ?? 0)
  const span = add(walk, event, {
    status: 'completed',
    ...call,
    parent: below?.sequence ?? null,
    fromMs,
    toMs: event.atMs,
  })
  if (event.id) walk.told.set(event.id, { span, causationId: event.causationId ?? null })
}

function endOf({ type, status, message }: SpanEvent): Pick<RunSpan, 'status' | 'note'> {
  const isError = type.endsWith('.failed') || status === 'failed' || status === 'error'
  return isError ? { status: 'failed', note: message } : { status: 'completed', note: null }
}

const addTool = (walk: Walk, event: SpanEvent): void =>
  addCall(walk, event, { kind: 'tool', name: event.tool ?? 'tool', ...endOf(event) })

const addEndedStep = (walk: Walk, event: SpanEvent): void =>
  addCall(walk, event, { kind: 'step', name: event.step ?? 'step', ...endOf(event) })

const addFailedModel = (walk: Walk, event: SpanEvent): void =>
  addCall(walk, event, { kind: 'model', name: event.data?.model ?? 'model', ...endOf(event) })

function addModel(walk: Walk, event: SpanEvent): void {
  const { model = 'model', total_tokens = null, cost_microusd = null } = event.data ?? {}
  addCall(walk, event, { kind: 'model', name: model, tokens: total_tokens, costMicrousd: cost_microusd })
}

function ask(walk: Walk, event: SpanEvent): void {
  const kind = event.data?.kind === 'feedback' ? 'feedback' : 'approval'
  const span = add(walk, event, { kind: 'question', name: kind, ref: event.resourceId })
  if (event.resourceId !== null) walk.questions.set(event.resourceId, span)
}

function endQuestion(walk: Walk, event: SpanEvent): void {
  const id = event.resourceId ?? ''
  end(walk.questions.get(id), event, event.type.slice('input.'.length))
  walk.questions.delete(id)
}

function addChild(walk: Walk, event: SpanEvent): void {
  const { child_run_id: ref, job = 'child' } = event.data ?? {}
  if (ref !== undefined) add(walk, event, { kind: 'child', name: job, ref })
}
