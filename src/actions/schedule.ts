// Cron expressions, read in their job's time zone.
import { Cron } from 'croner'

/** Why an expression is not usable; undefined when it is. A cron that never fires is a mistake, not a schedule. */
export function cronProblem(
  expression: string,
  timezone: string,
  now: Date,
): { field: 'cron' | 'timezone'; message: string } | undefined {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone })
  } catch {
    return { field: 'timezone', message: 'is no IANA time zone' }
  }
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

/** The ticks from `from`, inclusive, to `to`; the last `max` of them. */
export function ticksBetween(
  expression: string,
  timezone: string,
  { from, to, max }: { from: Date; to: Date; max: number },
): Date[] {
  const ticks: Date[] = []
  let tick: Date | undefined = from
  while (tick && tick <= to) {
    ticks.push(tick)
    if (ticks.length > max) ticks.shift()
    tick = nextTick(expression, timezone, tick)
  }
  return ticks
}
