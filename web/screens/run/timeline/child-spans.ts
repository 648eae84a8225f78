// The children of a run as rows: a few on rows of their own, many together on one.
import { isOver } from '#core/run.ts'
import { sentenceCase } from '../../../look/words.ts'
import type { ChildRun, KnownSpan } from './read-timeline.ts'
import type { Span } from './span.ts'

const TOGETHER_ABOVE = 3

export function childRows(
  spawned: readonly KnownSpan[],
  children: readonly ChildRun[],
  parentOf: (span: KnownSpan) => string | undefined,
): Span[] {
  const known = new Map(children.map((child) => [child.run_id, child]))
  const rows = spawned.flatMap((span) => {
    const child = known.get(span.ref ?? '')
    return child ? [childRow(span, child, parentOf(span))] : []
  })
  if (rows.length <= TOGETHER_ABOVE) return rows
  const group: Span = {
    id: 'children',
    kind: 'children',
    isGroup: true,
    name: `${rows.length} children`,
    note: countStates(rows),
    tone: rows.some(({ isError }) => isError) ? 'bad' : rows.every(({ tone }) => tone === 'ok') ? 'ok' : 'run',
    segments: [
      {
        kind: 'run',
        fromMs: rows.reduce((least, { segments }) => Math.min(least, segments[0]!.fromMs), Number.POSITIVE_INFINITY),
        toMs: latest(rows.map(({ segments }) => segments.at(-1)!.toMs)),
      },
    ],
    sequence: rows[0]!.sequence,
    depth: 0,
    parent: rows[0]!.parent,
    isError: rows.some(({ isError }) => isError),
  }
  return [group, ...rows.map((row) => ({ ...row, parent: group.id }))]
}

const latest = (times: readonly (number | null)[]): number | null =>
  times.reduce((most, time) => (most === null || time === null ? null : Math.max(most, time)), 0)

const countStates = (spans: readonly Span[]): string => {
  const counts = new Map<string, number>()
  for (const { note } of spans) counts.set(note, (counts.get(note) ?? 0) + 1)
  return [...counts].map(([state, n]) => `${n} ${state}`).join(', ')
}

function childRow({ sequence }: KnownSpan, child: ChildRun, parent: string | undefined): Span {
  const { run_id, job_slug, status, created_at, started_at, finished_at } = child
  const toMs = finished_at === null ? null : Date.parse(finished_at)
  const startMs = started_at === null ? toMs : Date.parse(started_at)
  const isBad = isOver(status) && status !== 'completed' && status !== 'canceled'
  return {
    id: `child-${run_id}`,
    kind: 'child',
    name: job_slug ?? 'child',
    note: sentenceCase(status).toLowerCase(),
    tone: status === 'completed' ? 'ok' : isBad ? 'bad' : isOver(status) ? 'rest' : 'run',
    segments: [
      { kind: 'queue', fromMs: Date.parse(created_at), toMs: startMs },
      ...(startMs !== null && started_at !== null ? [{ kind: 'run' as const, fromMs: startMs, toMs }] : []),
    ],
    sequence,
    depth: 0,
    parent,
    isError: isBad,
    runId: run_id,
  }
}
