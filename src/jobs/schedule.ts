// Cron expressions, read in their job's time zone.
import { Cron } from 'croner'

/** Why an expression is not usable; undefined when it is. A cron that never fires is a mistake, not a schedule. */
export function cronProblem(
  expression: string,
  timezone: string,
  now: Date,
): { field: 'cron' | 'timezone'; message: string } | undefined {
  if (!isTimezone(timezone)) return { field: 'timezone', message: 'is no IANA time zone' }
  try {
    if (nextTick(expression, timezone, now)) return undefined
    return { field: 'cron', message: 'never fires' }
  } catch (error) {
    return {
      field: 'cron',
      message: `is no cron expression: ${error instanceof Error ? error.message : String(error)}`,
    }
  }
}

/** The first tick after `after`. */
export const nextTick = (expression: string, timezone: string, after: Date): Date | undefined =>
  new Cron(expression, { timezone, paused: true }).nextRun(after) ?? undefined

/** The ticks from `from` to `to`, both inclusive; the last `max` of them, at the cost of that many. */
export function ticksBetween(
  expression: string,
  timezone: string,
  { from, to, max }: { from: Date; to: Date; max: number },
): Date[] {
  const schedule = new Cron(expression, { timezone, paused: true })
  const ticks: Date[] = []
  // Backwards: a week of seconds that nobody was there for is never walked through. A millisecond later than `to`, as
  // what comes before a tick is not the tick itself.
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
