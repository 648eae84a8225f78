// The spans of a run as rows: an attempt with its phases as segments of one bar, and below it what it did.
import { FAILURE_STATES, type RunState } from '#core/run.ts'
import { duration, money, sentenceCase } from '../../../look/words.ts'
import { childRows } from './child-spans.ts'
import { groupEqual } from './equal-spans.ts'
import type { KnownSpan, RunTimeline } from './read-timeline.ts'
import type { Segment, SegmentKind, Span, Tone } from './span.ts'

const PHASES: Partial<Record<KnownSpan['kind'], SegmentKind>> = {
  queue: 'queue',
  execute: 'run',
  wait: 'wait',
  pause: 'pause',
}

export function spansOf({ spans, children }: Pick<RunTimeline, 'spans' | 'children'>): Span[] {
  const segments = new Map<number | null, Segment[]>()
  const rows = new Map<number, string>()
  const shown: KnownSpan[] = []
  for (const span of spans.values()) {
    const kind = PHASES[span.kind]
    if (kind === undefined) shown.push(span)
    else push(segments, span.parent, { kind, fromMs: span.fromMs, toMs: span.toMs })
    // Only attempts and steps have anything below them, and no event begins both.
    if (span.kind === 'attempt' || span.kind === 'step') rows.set(span.sequence, `${span.kind}-${span.sequence}`)
  }
  const parentOf = (span: KnownSpan) => (span.parent === null ? undefined : rows.get(span.parent))
  const spawned = shown.filter(({ kind }) => kind === 'child')
  const own = shown
    .filter(({ kind }) => kind !== 'child')
    .map((span) => rowOf(span, parentOf(span), segments.get(span.sequence) ?? []))
  return inOrder([...groupEqual(own), ...childRows(spawned, children, parentOf)])
}

function push<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = lists.get(key)
  if (list) list.push(value)
  else lists.set(key, [value])
}

function rowOf(span: KnownSpan, parent: string | undefined, segments: Segment[]): Span {
  const { kind, sequence, fromMs, toMs } = span
  const isError = span.status === 'failed'
  const row = {
    id: `${kind}-${sequence}`,
    name: span.name,
    sequence,
    depth: 0,
    parent,
    segments: [{ kind: 'run' as const, fromMs, toMs }] as Segment[],
    isError: false,
  }
  switch (kind) {
    case 'attempt':
      return { ...row, kind, ...standing(span), segments }
    case 'step':
      return { ...row, kind, note: span.note ?? '', tone: toMs === null ? 'run' : isError ? 'bad' : 'ok', isError }
    case 'model':
      return { ...row, kind, note: modelNote(span), tone: isError ? 'bad' : 'model', isError }
    case 'question':
      return { ...row, kind, ...questionWords(span), segments: [{ kind: 'wait', fromMs, toMs }] }
    default:
      return { ...row, kind: 'tool', note: span.note ?? '', tone: isError ? 'bad' : 'ok', isError }
  }
}

function standing({ status, note }: KnownSpan): Pick<Span, 'tone' | 'note' | 'isError'> {
  const words = sentenceCase(status).toLowerCase()
  const state = status as RunState
  if (FAILURE_STATES.includes(state)) return { tone: 'bad', note: note ?? words, isError: true }
  const tones: Partial<Record<RunState, Tone>> = { completed: 'ok', executing: 'run', waiting: 'wait', paused: 'wait' }
  return { tone: tones[state] ?? 'rest', note: state === 'executing' ? '' : words, isError: false }
}

const modelNote = ({ note, tokens, costMicrousd }: KnownSpan): string =>
  [
    note,
    tokens !== null && tokens > 0 && `${tokens} tok`,
    costMicrousd !== null && costMicrousd > 0 && money(costMicrousd),
  ]
    .filter(Boolean)
    .join(' · ')

function questionWords({ name, status }: KnownSpan): Pick<Span, 'name' | 'tone' | 'note'> {
  const isOpen = status === 'open'
  const isAnswered = status === 'answered' || status === 'approved'
  return {
    name: name === 'feedback' ? 'Question' : 'Approval',
    note: isOpen ? 'asks a person' : status,
    tone: isOpen ? 'wait' : isAnswered ? 'ok' : 'rest',
  }
}

/** Parents before their children, and siblings by when they began. */
function inOrder(spans: readonly Span[]): Span[] {
  const below = new Map<string | undefined, Span[]>()
  for (const span of spans) push(below, span.parent, span)
  const sorted: Span[] = []
  const visit = (parent: string | undefined, depth: number) => {
    const siblings = (below.get(parent) ?? []).sort((a, b) => startOf(a) - startOf(b) || a.sequence - b.sequence)
    for (const span of siblings) {
      sorted.push({ ...span, depth })
      visit(span.id, depth + 1)
    }
  }
  visit(undefined, 0)
  return sorted
}

/** Without the rows below folded ones. `spans` must have parents before their children. */
export function unfolded(spans: readonly Span[], folded: ReadonlySet<string>): Span[] {
  const hidden = new Set<string>()
  return spans.filter(({ id, parent }) => {
    const isHidden = parent !== undefined && (folded.has(parent) || hidden.has(parent))
    if (isHidden) hidden.add(id)
    return !isHidden
  })
}

/** Those that are folded: groups, until they are opened, and what somebody folded. */
export const foldedOf = (spans: readonly Span[], toggled: ReadonlySet<string>): ReadonlySet<string> =>
  new Set(spans.filter(({ id, isGroup = false }) => isGroup !== toggled.has(id)).map(({ id }) => id))

/** What to toggle so that everything from a level on is folded, and everything above it is open. */
export const foldedFrom = (spans: readonly Span[], level: number): ReadonlySet<string> =>
  new Set(spans.filter(({ depth, isGroup = false }) => isGroup !== depth >= level).map(({ id }) => id))

export const startOf = (span: Span): number => span.segments[0]?.fromMs ?? 0
export const endOf = (span: Span): number | null => span.segments.at(-1)?.toMs ?? null

/** How long it took, without the time in the queue. */
export function tookWords(span: Span): string {
  const worked = span.segments.filter(({ kind }) => kind !== 'queue')
  if (worked.some(({ toMs }) => toMs === null)) return ''
  const ms = worked.reduce((sum, { fromMs, toMs }) => sum + (Number(toMs) - fromMs), 0)
  return worked.length === 0 || (span.kind === 'model' && ms === 0) ? '' : duration(ms)
}
