// The health of a job, as Strait calculates it.
import { HOUR_SECS } from '#core/durations.ts'
import { HEALTH_RUNS_MAX, type JobHealthRow } from '#insight/job-health.sql.ts'

/** The periods that Strait supports. */
export const WINDOWS = ['1h', '1d', '7d', '30d'] as const
export type Window = (typeof WINDOWS)[number]
export const WINDOW_SECS: Readonly<Record<Window, number>> = {
  '1h': HOUR_SECS,
  '1d': 24 * HOUR_SECS,
  '7d': 7 * 24 * HOUR_SECS,
  '30d': 30 * 24 * HOUR_SECS,
}

/** A job without ended runs. */
const UNKNOWN = -1

export function healthOf(it: JobHealthRow) {
  const total = it.completed + it.failed + it.timedOut + it.crashed + it.canceled + it.expired
  const rate = total === 0 ? 0 : (100 * it.completed) / total
  return {
    total_runs: total,
    completed_runs: it.completed,
    failed_runs: it.failed,
    timed_out_runs: it.timedOut,
    crashed_runs: it.crashed,
    canceled_runs: it.canceled,
    expired_runs: it.expired,
    success_rate: rate,
    avg_duration_secs: it.avgSecs,
    p95_duration_secs: it.p95Secs,
    p99_duration_secs: it.p99Secs,
    health_score: total === 0 ? UNKNOWN : 0.7 * rate + steadinessOf(it),
  }
}

const STEADY = 30

/** Up to 30 points: all while the p95 is at most twice the average, none from four times on. */
function steadinessOf({ avgSecs, p95Secs }: JobHealthRow): number {
  if (avgSecs === 0) return 0
  const ratio = p95Secs / avgSecs
  return Math.max(0, Math.min(STEADY, STEADY - (ratio - 2) * 15))
}

export const HEALTH_BOUND = `Of the latest ${HEALTH_RUNS_MAX} runs that were triggered in the window, those that are over.`
