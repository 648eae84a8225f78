// A period cut into whole months, days and hours of UTC, and the remainders at its ends.

import { HOUR_MS } from './durations.ts'

/** From inclusive, to exclusive; a missing end is open. */
export type Span = { from?: Date | undefined; to?: Date | undefined }
export type Unit = 'month' | 'day' | 'hour'
/** Whether its count is added (1) or subtracted (-1). */
export type Sign = 1 | -1
/** A range of whole units. */
export type Piece = Span & { unit: Unit; sign: Sign }
/** Part of an hour. */
export type Part = { from: Date; to: Date; sign: Sign }

export const UNITS: readonly Unit[] = ['month', 'day', 'hour']

/** The period with both ends rounded to the nearest hour, and the corrections for that. */
export function roundToHours({ from, to }: Span): { whole: Span | undefined; parts: Part[] } {
  if (from && to && from >= to) return { whole: undefined, parts: [] }
  if (from && to && to.getTime() - from.getTime() < HOUR_MS) return { whole: undefined, parts: [{ from, to, sign: 1 }] }
  const { whole, rest } = rounded({ from, to }, 'hour')
  return { whole, parts: rest }
}

/**
 * Whole units, coarsest first, that together are a period which begins and ends on an hour. A period that ends late in
 * a unit is that whole unit minus the rest, which takes fewer pieces.
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

/** Rounds both ends to the nearest start of a unit. */
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

/** The nearest start of a unit in one direction. */
export function beginOf(at: Date, unit: Unit, where: 'at or before' | 'at or after'): Date {
  const begin = new Date(at)
  begin.setUTCMinutes(0, 0, 0)
  if (unit !== 'hour') begin.setUTCHours(0)
  if (unit === 'month') begin.setUTCDate(1)
  return where === 'at or before' || begin.getTime() === at.getTime() ? begin : endOf(begin, unit)
}

/** End of the unit that starts then. */
export function endOf(begin: Date, unit: Unit): Date {
  const end = new Date(begin)
  if (unit === 'hour') end.setUTCHours(end.getUTCHours() + 1)
  if (unit === 'day') end.setUTCDate(end.getUTCDate() + 1)
  if (unit === 'month') end.setUTCMonth(end.getUTCMonth() + 1)
  return end
}

/** For PostgreSQL, as text: it cannot read a month beyond December 9999. */
export const instant = (at: Date): string => (at.getUTCFullYear() > 9999 ? 'infinity' : at.toISOString())
