// Times and amounts as people read them.
import { usageError } from './exit-codes.ts'

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  ['w', 604_800_000],
])
const DURATION = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d|w)$/

/** 90s, 15m, 2h, 7d; undefined when it is no duration. */
export function durationMs(text: string): number | undefined {
  const [, count, unit = ''] = DURATION.exec(text.trim()) ?? []
  return count === undefined ? undefined : Number(count) * UNIT_MS.get(unit)!
}

/** An ISO time, a date, or how long ago: `2h`, `7d`. */
export function timeOf(text: string, option: string, nowMs: number = Date.now()): string {
  const ago = durationMs(text)
  if (ago !== undefined) return new Date(nowMs - ago).toISOString()
  const atMs = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(atMs)) return new Date(atMs).toISOString()
  throw usageError(`${option} must be a time such as 2026-01-31T09:00:00Z or a duration such as 2h, not "${text}".`)
}

const STEPS: readonly [string, number][] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
]

/** The two largest units: 2h 5m, 3d 4h, 12s, 80ms. */
export function spanWords(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))}ms`
  const at = STEPS.findIndex(([, unitMs]) => ms >= unitMs)
  const [unit, unitMs] = STEPS[at]!
  const whole = Math.floor(ms / unitMs)
  const next = STEPS[at + 1]
  const rest = next ? Math.floor((ms - whole * unitMs) / next[1]) : 0
  return rest > 0 ? `${whole}${unit} ${rest}${next![0]}` : `${whole}${unit}`
}

/** How long ago, in one unit: 3m ago. */
export function agoWords(time: string | null | undefined, nowMs: number = Date.now()): string {
  if (!time) return '-'
  const ms = nowMs - Date.parse(time)
  if (ms < 0) return `in ${spanWords(-ms).split(' ')[0]}`
  return ms < 1000 ? 'just now' : `${spanWords(ms).split(' ')[0]} ago`
}

/** 12.34 dollars from millionths, with as many digits as a small amount needs. */
export function moneyWords(microusd: number): string {
  const dollars = microusd / 1_000_000
  const digits = dollars !== 0 && Math.abs(dollars) < 0.01 ? 6 : 2
  return `$${dollars.toFixed(digits)}`
}

export const countWords = (count: number): string => count.toLocaleString('en-US')

/** "1 run", "2 runs". */
export const plural = (count: number, noun: string): string => `${countWords(count)} ${noun}${count === 1 ? '' : 's'}`

/** The local time of day with its date, or UTC when asked for. */
export function clockWords(time: string, utc: boolean): string {
  if (utc) return `${time.slice(0, 10)} ${time.slice(11, 19)}Z`
  const at = new Date(time)
  const two = (part: number) => String(part).padStart(2, '0')
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${date} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}
