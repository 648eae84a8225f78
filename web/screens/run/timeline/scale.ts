// From times to places on the line. Time in which nothing was done is drawn short, or a night of waiting would squeeze
// what happened before and after it.
import type { Span } from './span.ts'
import { endOf, startOf } from './spans.ts'

export type Gap = { fromMs: number; toMs: number }
export type Scale = {
  fromMs: number
  toMs: number
  gaps: Gap[]
  /** Between 0 and 1. */
  at: (ms: number) => number
  ticks: { at: number; ms: number }[]
}

/** Idle time counts when it is this part of the whole, and gets this part of the line. */
const IDLE_MIN = 0.15
const IDLE_WIDTH = 0.04
const TICKS = 5

export function scaleOf(spans: readonly Span[], nowMs: number, collapsesIdle: boolean): Scale {
  // By reduce: a call with a hundred thousand arguments is too much for a browser.
  const fromMs = spans.reduce((least, span) => Math.min(least, startOf(span)), Number.POSITIVE_INFINITY)
  const toMs = spans.reduce((most, span) => Math.max(most, endOf(span) ?? nowMs), fromMs + 1)
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
    return Math.max(0, Math.min(1, place + (Math.max(0, ms - lastMs) / busyMs) * busyWidth))
  }
  return { fromMs, toMs, gaps, at, ticks: ticksOf({ fromMs, toMs, gaps, busyMs }) }
}

type Reach = { fromMs: number; toMs: number }

/** Where nothing at the leaves is under way: an attempt that waits does nothing. */
function idle(spans: readonly Span[], { fromMs, toMs }: Reach, nowMs: number): Gap[] {
  const busy = spans
    .filter(({ kind }) => kind !== 'attempt' && kind !== 'question')
    .flatMap(({ segments }) => segments.filter(({ kind }) => kind === 'run'))
    .concat(
      spans
        .filter(({ kind }) => kind === 'attempt')
        .flatMap(({ segments }) => segments.filter(({ kind }) => kind === 'run')),
    )
    .map((segment) => ({ fromMs: segment.fromMs, toMs: segment.toMs ?? nowMs }))
    .sort((a, b) => a.fromMs - b.fromMs)
  const gaps: Gap[] = []
  let untilMs = fromMs
  for (const segment of [...busy, { fromMs: toMs, toMs }]) {
    if (segment.fromMs - untilMs > (toMs - fromMs) * IDLE_MIN) gaps.push({ fromMs: untilMs, toMs: segment.fromMs })
    untilMs = Math.max(untilMs, segment.toMs)
  }
  return gaps
}

/** Evenly spread over the time that is drawn to scale. */
function ticksOf({ fromMs, gaps, busyMs, toMs }: Reach & { gaps: readonly Gap[]; busyMs: number }): Scale['ticks'] {
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
