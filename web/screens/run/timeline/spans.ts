// The events of a run as spans: attempts with their time in the queue, and in each its steps, calls of tools and models,
// questions to people and children. Durations come from events, never from "now minus created".
import type { Event } from '#contract/event.ts'
import { isOver, type RunState, transitionOf } from '#core/run.ts'
import { duration, money, sentenceCase } from '../../../look/words.ts'
import { type ChildRun, childSpans } from './child-spans.ts'
import type { SegmentKind, Span } from './span.ts'

type Walk = {
  spans: Span[]
  attempt: Span | undefined
  step: Span | undefined
  questions: Map<string, Span>
}

export function spansOf(events: readonly Event[], children: readonly ChildRun[]): Span[] {
  const walk: Walk = { spans: [], attempt: undefined, step: undefined, questions: new Map() }
  const spawned: Event[] = []
  for (const event of events) {
    const transition = transitionOf(event.type, event.data)
    if (transition) move(walk, event, transition.to)
    else if (event.type === 'run.child_spawned') spawned.push(event)
    else if (event.type === 'progress' && event.step !== null) beginStep(walk, event)
    else if (event.type === 'agent.tool_call.completed' || event.type === 'agent.tool_call.failed') addTool(walk, event)
    else if (event.type === 'usage.recorded') addModel(walk, event)
    else if (event.type === 'input.requested') ask(walk, event)
    else if (/^input\.(answered|approved|rejected|expired|canceled)$/.test(event.type)) endQuestion(walk, event)
  }
  walk.spans.push(
    ...childSpans(
      spawned,
      children,
      walk.spans.find(({ kind }) => kind === 'attempt'),
    ),
  )
  return inOrder(walk.spans)
}

const msOf = (event: Event): number => Date.parse(event.occurred_at)

const SEGMENTS: Partial<Record<RunState, SegmentKind>> = {
  delayed: 'queue',
  queued: 'queue',
  dequeued: 'queue',
  executing: 'run',
  waiting: 'wait',
  paused: 'pause',
}

function move(walk: Walk, event: Event, to: RunState): void {
  const atMs = msOf(event)
  const open = walk.attempt?.segments.at(-1)
  if (open && open.toMs === null) open.toMs = atMs
  if (to !== 'executing') endStep(walk, atMs)
  const number = event.attempt ?? 1
  const isNew =
    !walk.attempt ||
    walk.attempt.name !== `Attempt ${number}` ||
    event.type === 'run.redriven' ||
    event.type === 'run.restarted' ||
    event.type === 'run.retry_scheduled'
  const kind = SEGMENTS[to]
  if (isOver(to)) {
    endRun(walk, event, to)
    return
  }
  if (walk.attempt && event.type === 'run.retry_scheduled') markFailed(walk.attempt, event)
  if (isNew && kind !== undefined) beginAttempt(walk, event)
  if (!walk.attempt || kind === undefined) return
  walk.attempt.segments.push({ kind, fromMs: atMs, toMs: null })
  walk.attempt.tone = to === 'waiting' || to === 'paused' ? 'wait' : to === 'executing' ? 'run' : 'rest'
  walk.attempt.note = to === 'executing' ? '' : sentenceCase(to).toLowerCase()
}

function beginAttempt(walk: Walk, event: Event): void {
  // What a retry schedules is the attempt after the one that failed.
  const number = event.type === 'run.retry_scheduled' ? nextOf(walk, event) : (event.attempt ?? 1)
  walk.attempt = {
    id: `attempt-${event.sequence}`,
    kind: 'attempt',
    name: `Attempt ${number}`,
    note: '',
    tone: 'rest',
    segments: [],
    sequence: event.sequence ?? 0,
    depth: 0,
    parent: undefined,
    isError: false,
  }
  walk.spans.push(walk.attempt)
}

function nextOf(walk: Walk, event: Event): number {
  const known = Number(walk.attempt?.name.slice('Attempt '.length))
  const said = event.attempt ?? known
  return said === known ? known + 1 : said
}

function markFailed(attempt: Span, event: Event): void {
  attempt.tone = 'bad'
  attempt.isError = true
  attempt.note = errorOf(event)
}

function endRun(walk: Walk, event: Event, to: RunState): void {
  if (!walk.attempt) return
  const isBad = to !== 'completed' && to !== 'canceled'
  walk.attempt.tone = to === 'completed' ? 'ok' : isBad ? 'bad' : 'rest'
  walk.attempt.isError = isBad
  walk.attempt.note = isBad ? errorOf(event) || sentenceCase(to).toLowerCase() : sentenceCase(to).toLowerCase()
}

function errorOf({ message, data }: Event): string {
  const { error, error_code } = (data ?? {}) as { error?: unknown; error_code?: unknown }
  const said = typeof error === 'string' ? error : typeof error_code === 'string' ? error_code : message
  return said ?? ''
}

type Found = Pick<Span, 'kind' | 'name' | 'note' | 'tone' | 'isError'> & { fromMs: number; toMs: number | null }

function addSpan(walk: Walk, event: Event, { fromMs, toMs, ...rest }: Found): Span {
  const isStep = rest.kind === 'step'
  const below =
    !isStep && walk.step && (event.step === null || walk.step.name === event.step) ? walk.step : walk.attempt
  const span: Span = {
    ...rest,
    id: `${rest.kind}-${event.sequence}`,
    segments: [{ kind: rest.kind === 'question' ? 'wait' : 'run', fromMs, toMs }],
    sequence: event.sequence ?? 0,
    depth: below ? below.depth + 1 : 0,
    parent: below?.id,
  }
  walk.spans.push(span)
  return span
}

function beginStep(walk: Walk, event: Event): void {
  const atMs = msOf(event)
  const isSame = walk.step?.name === event.step
  if (isSame) return
  endStep(walk, atMs)
  const name = event.step ?? ''
  walk.step = undefined
  walk.step = addSpan(walk, event, {
    kind: 'step',
    name,
    note: event.message !== null && event.message !== name ? event.message : '',
    tone: 'run',
    isError: false,
    fromMs: atMs,
    toMs: null,
  })
}

function endStep(walk: Walk, atMs: number): void {
  const open = walk.step?.segments.at(-1)
  if (open && open.toMs === null) {
    open.toMs = atMs
    walk.step!.tone = 'ok'
  }
  walk.step = undefined
}

function addTool(walk: Walk, event: Event): void {
  const toMs = msOf(event)
  const isError = event.type.endsWith('.failed') || event.status === 'failed' || event.status === 'error'
  addSpan(walk, event, {
    kind: 'tool',
    name: event.tool ?? 'tool',
    note: isError ? (event.message ?? 'failed') : '',
    tone: isError ? 'bad' : 'ok',
    isError,
    fromMs: toMs - (event.duration_ms ?? 0),
    toMs,
  })
}

type UsageData = { model?: string; provider?: string; total_tokens?: number; cost_microusd?: number }

function addModel(walk: Walk, event: Event): void {
  const { model, total_tokens = 0, cost_microusd = 0 } = (event.data ?? {}) as UsageData
  const toMs = msOf(event)
  const notes = [total_tokens > 0 && `${total_tokens} tok`, cost_microusd > 0 && money(cost_microusd)].filter(Boolean)
  addSpan(walk, event, {
    kind: 'model',
    name: model ?? 'model',
    note: notes.join(' · '),
    tone: 'model',
    isError: false,
    fromMs: toMs - (event.duration_ms ?? 0),
    toMs,
  })
}

function ask(walk: Walk, event: Event): void {
  const { kind } = (event.data ?? {}) as { kind?: string }
  const span = addSpan(walk, event, {
    kind: 'question',
    name: kind === 'feedback' ? 'Question' : 'Approval',
    note: 'asks a person',
    tone: 'wait',
    isError: false,
    fromMs: msOf(event),
    toMs: null,
  })
  walk.questions.set(event.resource_id ?? span.id, span)
}

function endQuestion(walk: Walk, event: Event): void {
  const span = walk.questions.get(event.resource_id ?? '') ?? [...walk.questions.values()].at(-1)
  const segment = span?.segments[0]
  if (!span || !segment) return
  segment.toMs = msOf(event)
  span.note = event.type.slice('input.'.length)
  span.tone = event.type === 'input.approved' || event.type === 'input.answered' ? 'ok' : 'rest'
}

/** Parents before their children, and siblings by when they began. */
function inOrder(spans: readonly Span[]): Span[] {
  const below = new Map<string | undefined, Span[]>()
  for (const span of spans) below.set(span.parent, [...(below.get(span.parent) ?? []), span])
  const sorted: Span[] = []
  const visit = (parent: string | undefined) => {
    const siblings = (below.get(parent) ?? []).sort((a, b) => startOf(a) - startOf(b) || a.sequence - b.sequence)
    for (const span of siblings) {
      sorted.push(span)
      visit(span.id)
    }
  }
  visit(undefined)
  return sorted
}

export const startOf = (span: Span): number => span.segments[0]?.fromMs ?? 0
export const endOf = (span: Span): number | null => span.segments.at(-1)?.toMs ?? null

/** How long it took, without the time in the queue. */
export function tookWords(span: Span): string {
  const worked = span.segments.filter(({ kind }) => kind !== 'queue')
  if (worked.some(({ toMs }) => toMs === null)) return ''
  const ms = worked.reduce((sum, { fromMs, toMs }) => sum + (Number(toMs) - fromMs), 0)
  return worked.length === 0 || (span.kind === 'model' && ms === 0) ? '' : duration(ms)
}
