// A span of time cut into whole months, days and hours of UTC, and what is left at its ends.

/** From inclusive, to exclusive; without one of them it is open at that end. */
export type Span = { from?: Date | undefined; to?: Date | undefined }
export type Unit = 'month' | 'day' | 'hour'
/** A run of whole units. */
export type Piece = Span & { unit: Unit }
/** A part of an hour, to be added (1) or taken away (-1). */
export type Part = { from: Date; to: Date; sign: 1 | -1 }

export const UNITS: readonly Unit[] = ['month', 'day', 'hour']
const HOUR_MS = 3_600_000

/**
 * The span, with both ends moved to the nearest hour, and the parts of hours that this made it too short or too long by:
 * half an hour each at most. Without whole hours the span is one part itself.
 */
export function roundToHours({ from, to }: Span): { whole: Span | undefined; parts: Part[] } {
  if (from && to && from >= to) return { whole: undefined, parts: [] }
  if (from && to && to.getTime() - from.getTime() < HOUR_MS) return { whole: undefined, parts: [{ from, to, sign: 1 }] }
  const whole = { from: from && nearestHour(from), to: to && nearestHour(to) }
  const parts: Part[] = []
  if (from && whole.from! < from) parts.push({ from: whole.from!, to: from, sign: -1 })
  if (from && whole.from! > from) parts.push({ from, to: whole.from!, sign: 1 })
  if (to && whole.to! < to) parts.push({ from: whole.to!, to, sign: 1 })
  if (to && whole.to! > to) parts.push({ from: to, to: whole.to!, sign: -1 })
  return { whole, parts }
}

const nearestHour = (at: Date): Date => beginOf(at, 'hour', at.getUTCMinutes() < 30 ? 'at or before' : 'at or after')

/** Pieces without overlap that together are the span, the coarsest that fit. It begins and ends with an hour. */
export function cutSpan(span: Span, units: readonly Unit[] = UNITS): Piece[] {
  const { from, to } = span
  if (from && to && from >= to) return []
  const [unit, ...finer] = units
  if (!unit) return []
  const first = from && beginOf(from, unit, 'at or after')
  const end = to && beginOf(to, unit, 'at or before')
  if (first && end && first >= end) return cutSpan(span, finer)
  return [
    { unit, from: first, to: end },
    ...(first ? cutSpan({ from, to: first }, finer) : []),
    ...(end ? cutSpan({ from: end, to }, finer) : []),
  ]
}

/** The nearest beginning of a unit. */
export function beginOf(at: Date, unit: Unit, where: 'at or before' | 'at or after'): Date {
  const begin = new Date(at)
  begin.setUTCMinutes(0, 0, 0)
  if (unit !== 'hour') begin.setUTCHours(0)
  if (unit === 'month') begin.setUTCDate(1)
  return where === 'at or before' || begin.getTime() === at.getTime() ? begin : endOf(begin, unit)
}

/** When the unit that begins then is over. */
export function endOf(begin: Date, unit: Unit): Date {
  const end = new Date(begin)
  if (unit === 'hour') end.setUTCHours(end.getUTCHours() + 1)
  if (unit === 'day') end.setUTCDate(end.getUTCDate() + 1)
  if (unit === 'month') end.setUTCMonth(end.getUTCMonth() + 1)
  return end
}

/** For PostgreSQL, as text: it would not read the name of the month after the last one of the year 9999. */
export const instant = (at: Date): string => (at.getUTCFullYear() > 9999 ? 'infinity' : at.toISOString())
