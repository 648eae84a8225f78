// A span of time cut into whole months, days and hours of UTC, and what is left at its ends.

/** From inclusive, to exclusive; without one of them it is open at that end. */
export type Span = { from?: Date | undefined; to?: Date | undefined }
export type Unit = 'month' | 'day' | 'hour'
/** To be added to the count of a span (1), or taken away from it (-1). */
export type Sign = 1 | -1
/** A run of whole units. */
export type Piece = Span & { unit: Unit; sign: Sign }
/** A part of an hour. */
export type Part = { from: Date; to: Date; sign: Sign }

export const UNITS: readonly Unit[] = ['month', 'day', 'hour']
const HOUR_MS = 3_600_000

/** The span with both ends moved to the nearest hour, and what this made it too short or too long by. */
export function roundToHours({ from, to }: Span): { whole: Span | undefined; parts: Part[] } {
  if (from && to && from >= to) return { whole: undefined, parts: [] }
  if (from && to && to.getTime() - from.getTime() < HOUR_MS) return { whole: undefined, parts: [{ from, to, sign: 1 }] }
  const { whole, rest } = rounded({ from, to }, 'hour')
  return { whole, parts: rest }
}

/**
 * Whole units that together are a span which begins and ends with an hour, the coarsest first. A span that ends late in
 * a unit is the whole of it without what comes after, which is fewer pieces than all that comes before.
 */
export function cutSpan(span: Span, units: readonly Unit[] = UNITS, sign: Sign = 1): Piece[] {
  const { from, to } = span
  if (from && to && from >= to) return []
  const [unit, ...finer] = units
  if (!unit) return []
  const { whole, rest } = rounded(span, unit)
  if (whole.from && whole.to && whole.from >= whole.to) return cutSpan(span, finer, sign)
  return [{ unit, ...whole, sign }, ...rest.flatMap((part) => cutSpan(part, finer, (part.sign * sign) as Sign))]
}

/** Both ends moved to the nearest beginning of a unit. */
function rounded({ from, to }: Span, unit: Unit): { whole: Span; rest: Part[] } {
  const whole = { from: from && nearest(from, unit), to: to && nearest(to, unit) }
  const rest: Part[] = []
  if (from && whole.from! < from) rest.push({ from: whole.from!, to: from, sign: -1 })
  if (from && whole.from! > from) rest.push({ from, to: whole.from!, sign: 1 })
  if (to && whole.to! < to) rest.push({ from: whole.to!, to, sign: 1 })
  if (to && whole.to! > to) rest.push({ from: to, to: whole.to!, sign: -1 })
  return { whole, rest }
}

function nearest(at: Date, unit: Unit): Date {
  const [begin, end] = [beginOf(at, unit, 'at or before'), beginOf(at, unit, 'at or after')]
  return at.getTime() - begin.getTime() < end.getTime() - at.getTime() ? begin : end
}

/** The nearest beginning of a unit on one side. */
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
