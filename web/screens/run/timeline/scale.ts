// From times to places on the line. Time in which nothing was done is drawn short, or a night of waiting would squeeze
// what happened before and after it.
import type { Span } from './span.ts'
import { endOf, startOf } from './spans.ts'

export type Reach = { fromMs: number; toMs: number }
export type Scale = {
  fromMs: number
  toMs: number
  gaps: Reach[]
  /** 0 at the begin of the line and 1 at its end; what a zoom leaves out lies a little beyond them. */
  at: (ms: number) => number
  ticks: { at: number; ms: number }[]
}

/** Idle time counts when it is this part of the whole, and gets this part of the line. */
const IDLE_MIN = 0.15
const IDLE_WIDTH = 0.04
const TICKS = 5
/** How far beyond the line a bar may begin or end. */
const BEYOND = 0.25
/** What lies before and after a span that was zoomed to. */
const MARGIN = 0.04
const ZOOM_MS_MIN = 1

type ScaleOptions = {
  /** Where a span that is under way ends for now. */
  nowMs: number
  collapsesIdle: boolean
  /** The span that the line is about; the whole run without one. */
  zoomed?: Span | undefined
}

export function scaleOf(spans: readonly Span[], { nowMs, collapsesIdle, zoomed }: ScaleOptions): Scale {
  const { fromMs, toMs } = zoomed ? zoomOf(zoomed, nowMs) : wholeOf(spans, nowMs)
  const beyond = zoomed ? BEYOND : 0
  const gaps = collapsesIdle ? idle(spans, { fromMs, toMs }, nowMs) : []
  const busyMs = toMs - fromMs - gaps.reduce((sum, gap) => sum + gap.toMs - gap.fromMs, 0)
  const busyWidth = 1 - gaps.length * IDLE_WIDTH
  const at = (ms: number): number => {
    let place = 0
    let lastMs = fromMs
    for (const gap of gaps) {
      if (ms <= gap.fromMs) break
      place += ((gap.fromMs - lastMs) / busyMs) * busyWidth
      if (ms < gap.toMs) return place + ((ms - gap.fromMs) / (gap.toMs - gap.fromMs)) * IDLE_WIDTH
      place += IDLE_WIDTH
      lastMs = gap.toMs
    }
    return Math.max(-beyond, Math.min(1 + beyond, place + ((ms - lastMs) / busyMs) * busyWidth))
  }
  return { fromMs, toMs, gaps, at, ticks: ticksOf({ fromMs, toMs, gaps, busyMs }) }
}

function wholeOf(spans: readonly Span[], nowMs: number): Reach {
  // By reduce: a call with a hundred thousand arguments is too much for a browser.
  const fromMs = spans.reduce((least, span) => Math.min(least, startOf(span)), Number.POSITIVE_INFINITY)
  return { fromMs, toMs: spans.reduce((most, span) => Math.max(most, endOf(span) ?? nowMs), fromMs + 1) }
}

function zoomOf(span: Span, nowMs: number): Reach {
  const fromMs = startOf(span)
  const toMs = Math.max(fromMs + ZOOM_MS_MIN, endOf(span) ?? nowMs)
  const marginMs = (toMs - fromMs) * MARGIN
  return { fromMs: fromMs - marginMs, toMs: toMs + marginMs }
}

/** Where nothing at the leaves is under way: an attempt that waits does nothing. */
function idle(spans: readonly Span[], { fromMs, toMs }: Reach, nowMs: number): Reach[] {
  const busy = spans
    .filter(({ kind }) => kind !== 'attempt' && kind !== 'question')
    .flatMap(({ segments }) => segments.filter(({ kind }) => kind === 'run'))
    .concat(
      spans
        .filter(({ kind }) => kind === 'attempt')
        .flatMap(({ segments }) => segments.filter(({ kind }) => kind === 'run')),
    )
    .filter((segment) => segment.fromMs < toMs)
    .map((segment) => ({ fromMs: segment.fromMs, toMs: segment.toMs ?? nowMs }))
    .sort((a, b) => a.fromMs - b.fromMs)
  const gaps: Reach[] = []
  let untilMs = fromMs
  for (const segment of [...busy, { fromMs: toMs, toMs }]) {
    if (segment.fromMs - untilMs > (toMs - fromMs) * IDLE_MIN) gaps.push({ fromMs: untilMs, toMs: segment.fromMs })
    untilMs = Math.max(untilMs, segment.toMs)
  }
  // Where nothing was done at all, there is nothing that idle time could squeeze.
  return gaps.length === 1 && gaps[0]!.toMs - gaps[0]!.fromMs === toMs - fromMs ? [] : gaps
}

/** Evenly spread over the time that is drawn to scale. */
function ticksOf({ fromMs, gaps, busyMs, toMs }: Reach & { gaps: readonly Reach[]; busyMs: number }): Scale['ticks'] {
  const busyWidth = 1 - gaps.length * IDLE_WIDTH
  return Array.from({ length: TICKS }, (_, index) => {
    const share = index / TICKS
    let ms = fromMs + share * busyMs
    let at = share * busyWidth
    for (const gap of gaps) {
      if (ms <= gap.fromMs) break
      ms += gap.toMs - gap.fromMs
      at += IDLE_WIDTH
    }
    return { at, ms: Math.min(ms, toMs) }
  })
}
