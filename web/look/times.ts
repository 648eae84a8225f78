// How times are told: relative, in the browser's zone or in UTC, with the zone always said.
import type { Clock } from './preferences.ts'

const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'narrow' })
const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const

export function relative(atMs: number, nowMs: number): string {
  const ms = atMs - nowMs
  for (const [unit, length] of UNITS) if (Math.abs(ms) >= length) return RELATIVE.format(Math.trunc(ms / length), unit)
  return 'now'
}

const FORMAT = {
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
} as const
const LOCAL = new Intl.DateTimeFormat('sv', FORMAT)
const UTC = new Intl.DateTimeFormat('sv', { ...FORMAT, timeZone: 'UTC' })
const ZONE = new Intl.DateTimeFormat('en', { timeZoneName: 'shortOffset' })

/** The browser's zone at a time, such as GMT+1. */
export const zoneAt = (at: Date): string =>
  ZONE.formatToParts(at).find((part) => part.type === 'timeZoneName')?.value ?? 'local'

export const zoneName = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone

export const inUtc = (at: Date): string => `${UTC.format(at)} UTC`
export const inLocal = (at: Date): string => `${LOCAL.format(at)} ${zoneAt(at)}`

export const absolute = (at: Date, clock: Clock): string => (clock === 'utc' ? inUtc(at) : inLocal(at))

/** The time of day alone, where the day is said beside it. */
export const timeOfDay = (at: Date, clock: Clock): string => (clock === 'utc' ? UTC : LOCAL).format(at).slice(11)
