// Cron expressions, evaluated in their job's time zone.
import { Cron } from 'croner'
import { LRUCache } from 'lru-cache'

/** Why an expression is not usable; undefined when it is. A cron that never fires is a mistake. */
export function cronProblem(
  expression: string,
  timezone: string,
  now: Date,
): { field: 'cron' | 'timezone'; message: string } | undefined {
  if (!isTimezone(timezone)) return { field: 'timezone', message: 'is not an IANA time zone' }
  try {
    if (nextTick(expression, timezone, now)) return undefined
    return { field: 'cron', message: 'never fires' }
  } catch (error) {
    return {
      field: 'cron',
      message: `is not a valid cron expression: ${error instanceof Error ? error.message : String(error)}`,
    }
  }
}

/** The first tick after `after`. */
export const nextTick = (expression: string, timezone: string, after: Date): Date | undefined =>
  scheduleOf(expression, timezone).nextRun(after) ?? undefined

/** The next `count` ticks after `after`. */
export const nextTicks = (
  expression: string,
  timezone: string,
  { after, count }: { after: Date; count: number },
): Date[] => scheduleOf(expression, timezone).nextRuns(count, after)

const SCHEDULES_MAX = 5_000
const schedules = new LRUCache<string, Cron>({ max: SCHEDULES_MAX })

/** Cached: parsing an expression takes longer than finding a tick. */
function scheduleOf(expression: string, timezone: string): Cron {
  const name = `${timezone} ${expression}`
  const known = schedules.get(name)
  if (known) return known
  const read = new Cron(expression, { timezone, paused: true })
  schedules.set(name, read)
  return read
}

const TICKS_MAX = 10_000
const ticksAfter = new LRUCache<string, number>({ max: TICKS_MAX })

/** The next tick. Jobs with the same expression are due at the same times, so it is computed once for all of them. */
export function tickAfter(expression: string, timezone: string, tick: Date): Date | undefined {
  const name = `${tick.getTime()} ${timezone} ${expression}`
  const known = ticksAfter.get(name)
  if (known !== undefined) return new Date(known)
  const next = nextTick(expression, timezone, tick)
  if (next) ticksAfter.set(name, next.getTime())
  return next
}

/** The ticks from `from` to `to`, both inclusive: the last `max` of them, at the cost of that many. */
export function ticksBetween(
  expression: string,
  timezone: string,
  { from, to, max }: { from: Date; to: Date; max: number },
): Date[] {
  const schedule = scheduleOf(expression, timezone)
  const ticks: Date[] = []
  // Backwards: a missed week of ticks every second is never walked through. A millisecond later than `to`, because
  // the previous tick is strictly before it.
  let [tick] = schedule.previousRuns(1, new Date(to.getTime() + 1))
  while (tick && tick >= from && ticks.length < max) {
    ticks.push(tick)
    ;[tick] = schedule.previousRuns(1, tick)
  }
  return ticks.reverse()
}

export function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}
