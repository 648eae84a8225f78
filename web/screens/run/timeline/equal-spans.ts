// Many equal siblings on one row: a loop of forty searches is one line, which opens.
import type { Segment, Span } from './span.ts'

const TOGETHER_ABOVE = 5
/** A row draws this many bars at most; what is closer together than they can tell is one. */
const BARS_MAX = 100
const KINDS: ReadonlySet<Span['kind']> = new Set(['tool', 'model', 'step'])

const idOf = ({ parent, kind, name }: Span): string => `equal-${parent ?? ''}-${kind}-${name}`

/** `spans` without order; those that others are below stay on rows of their own. */
export function groupEqual(spans: readonly Span[]): Span[] {
  const parents = new Set(spans.map(({ parent }) => parent))
  const groups = new Map<string, Span[]>()
  for (const span of spans) {
    if (!KINDS.has(span.kind) || parents.has(span.id)) continue
    const id = idOf(span)
    const group = groups.get(id)
    if (group) group.push(span)
    else groups.set(id, [span])
  }
  const rows = new Map([...groups].filter(([, group]) => group.length > TOGETHER_ABOVE))
  if (rows.size === 0) return [...spans]
  const grouped = new Map([...rows].flatMap(([id, group]) => group.map((span) => [span.id, id] as const)))
  return [
    ...[...rows].map(([id, group]) => groupRow(id, group)),
    ...spans.map((span) => {
      const group = grouped.get(span.id)
      return group === undefined ? span : { ...span, parent: group }
    }),
  ]
}

function groupRow(id: string, group: readonly Span[]): Span {
  const first = group[0]!
  const failed = group.filter(({ isError }) => isError).length
  return {
    ...first,
    id,
    isGroup: true,
    name: `${first.name} × ${group.length}`,
    note: failed > 0 ? `${failed} failed` : '',
    tone: failed > 0 ? 'bad' : group.every(({ tone }) => tone === 'ok' || tone === 'model') ? first.tone : 'run',
    isError: failed > 0,
    segments: together(group.flatMap(({ segments }) => segments)),
  }
}

function together(segments: readonly Segment[]): Segment[] {
  const sorted = segments.toSorted((a, b) => a.fromMs - b.fromMs)
  const fromMs = sorted[0]!.fromMs
  const toMs = sorted.reduce((most, it) => Math.max(most, it.toMs ?? it.fromMs), fromMs)
  const apartMs = (toMs - fromMs) / BARS_MAX
  const merged: Segment[] = []
  for (const { toMs: end, fromMs: begin } of sorted) {
    const last = merged.at(-1)
    if (last && (last.toMs === null || begin - last.toMs <= apartMs))
      last.toMs = last.toMs === null || end === null ? null : Math.max(last.toMs, end)
    else merged.push({ kind: 'run', fromMs: begin, toMs: end })
  }
  return merged
}
