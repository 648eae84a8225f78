// PostgreSQL counts microseconds and a Date holds milliseconds. A place in a list is a time to the microsecond: cut to
// the millisecond, a cursor would pass over the rows that share one with the last row of a page.

/** What a Date cannot hold stands beside it. */
type Precise = Date & { micros?: number }

/** As long as a time of PostgreSQL's is that has milliseconds and no more. */
const MS_LENGTH = '2026-01-31 09:30:00.123+00'.length

/** Reads a time as PostgreSQL writes it. */
export function parseInstant(text: string): Date {
  const at = new Date(text) as Precise
  const digits = text.length > MS_LENGTH ? /\.\d{3}(\d{1,3})/.exec(text)?.[1] : undefined
  if (digits) at.micros = Number(digits.padEnd(3, '0'))
  return at
}

/** The whole time, as RFC 3339: with milliseconds, or with microseconds where there are any. */
export function instantText(at: Date): string {
  const { micros = 0 } = at as Precise
  const text = at.toISOString()
  return micros === 0 ? text : `${text.slice(0, -1)}${String(micros).padStart(3, '0')}Z`
}

/** Microseconds since 1970 of a time in RFC 3339; what is finer is cut off. */
export function microsOf(text: string): number {
  const micros = /\.\d{3}(\d{1,3})/.exec(text)?.[1] ?? ''
  return Date.parse(text) * 1000 + Number(micros.padEnd(3, '0'))
}
