// How numbers, durations, money, ids and states are said.
import type { RunState } from '#core/run.ts'

const WHOLE = new Intl.NumberFormat('en')
export const count = (n: number): string => WHOLE.format(n)

/** "1 run", "2 runs". */
export const counted = (n: number, one: string, more = `${one}s`): string => `${count(n)} ${n === 1 ? one : more}`

export function duration(ms: number): string {
  if (ms < 1) return ms === 0 ? '0 ms' : `${ms.toFixed(2)} ms`
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`
  const secs = Math.floor(ms / 1000)
  if (secs < 60) return `${secs} s`
  if (secs < 3600) return `${Math.floor(secs / 60)} min ${secs % 60} s`
  if (secs < 86_400) return `${Math.floor(secs / 3600)} h ${Math.floor((secs % 3600) / 60)} min`
  return `${Math.floor(secs / 86_400)} d ${Math.floor((secs % 86_400) / 3600)} h`
}

/** Millionths of a dollar, with as many digits as say something. */
export function money(microusd: number): string {
  const usd = microusd / 1_000_000
  const digits = usd === 0 || usd >= 100 ? 2 : usd >= 0.01 ? 4 : 6
  return `$${usd.toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: digits })}`
}

export function bytes(n: number): string {
  if (n < 1024) return `${n} B`
  if (n < 1024 * 1024) return `${(n / 1024).toFixed(1)} KiB`
  return `${(n / 1024 / 1024).toFixed(1)} MiB`
}

/** An id shortened in the middle: the ends are what tells two apart. */
export const shortId = (id: string): string => (id.length <= 16 ? id : `${id.slice(0, 8)}…${id.slice(-4)}`)

export const sentenceCase = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1).replaceAll('_', ' ')

export const stateWord = (state: RunState | string): string => sentenceCase(state)
