// The children of a run as spans: a few on rows of their own, many together on one.
import type { Event } from '#contract/event.ts'
import type { Run } from '#contract/runs/run.ts'
import { isOver } from '#core/run.ts'
import { sentenceCase } from '../../../look/words.ts'
import type { Span } from './span.ts'

export type ChildRun = Pick<Run, 'id' | 'job_slug' | 'status' | 'created_at' | 'started_at' | 'finished_at'>

const TOGETHER_ABOVE = 3

export function childSpans(
  spawned: readonly Event[],
  children: readonly ChildRun[],
  attempt: Span | undefined,
): Span[] {
  const known = new Map(children.map((child) => [child.id, child]))
  const spans = spawned.flatMap((event) => {
    const { child_run_id } = (event.data ?? {}) as { child_run_id?: string }
    const child = known.get(child_run_id ?? '')
    return child ? [childSpan(event, child, attempt)] : []
  })
  if (spans.length <= TOGETHER_ABOVE) return spans
  const group: Span = {
    id: 'children',
    kind: 'children',
    name: `${spans.length} children`,
    note: countStates(spans),
    tone: spans.some(({ isError }) => isError) ? 'bad' : spans.every(({ tone }) => tone === 'ok') ? 'ok' : 'run',
    segments: [
      {
        kind: 'run',
        fromMs: Math.min(...spans.map(({ segments }) => segments[0]!.fromMs)),
        toMs: latest(spans.map(({ segments }) => segments.at(-1)!.toMs)),
      },
    ],
    sequence: spans[0]!.sequence,
    depth: (attempt?.depth ?? -1) + 1,
    parent: attempt?.id,
    isError: spans.some(({ isError }) => isError),
  }
  return [group, ...spans.map((span) => ({ ...span, depth: group.depth + 1, parent: group.id }))]
}

const latest = (times: readonly (number | null)[]): number | null =>
  times.some((time) => time === null) ? null : Math.max(...times.map(Number))

const countStates = (spans: readonly Span[]): string => {
  const counts = new Map<string, number>()
  for (const { note } of spans) counts.set(note, (counts.get(note) ?? 0) + 1)
  return [...counts].map(([state, n]) => `${n} ${state}`).join(', ')
}

function childSpan(event: Event, child: ChildRun, attempt: Span | undefined): Span {
  const { id, job_slug, status, created_at, started_at, finished_at } = child
  const toMs = finished_at === null ? null : Date.parse(finished_at)
  const startMs = started_at === null ? toMs : Date.parse(started_at)
  const isBad = isOver(status) && status !== 'completed' && status !== 'canceled'
  return {
    id: `child-${id}`,
    kind: 'child',
    name: job_slug ?? 'child',
    note: sentenceCase(status).toLowerCase(),
    tone: status === 'completed' ? 'ok' : isBad ? 'bad' : isOver(status) ? 'rest' : 'run',
    segments: [
      { kind: 'queue', fromMs: Date.parse(created_at), toMs: startMs },
      ...(startMs !== null && started_at !== null ? [{ kind: 'run' as const, fromMs: startMs, toMs }] : []),
    ],
    sequence: event.sequence ?? 0,
    depth: (attempt?.depth ?? -1) + 1,
    parent: attempt?.id,
    isError: isBad,
    runId: id,
  }
}
