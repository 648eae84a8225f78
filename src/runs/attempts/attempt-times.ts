// What this node sees of attempts, by job: how long runs waited for them, how long they took, and how many were followed
// by another. Kept in memory alone, for metrics.
import { part } from '#bell/part.ts'
import { addHistograms, type HistogramReading, makeHistogram } from '#core/histogram.ts'

/** Of `jobId`; of all other jobs together where that is null. */
export type JobTimes = { jobId: string | null; waits: HistogramReading; attempts: HistogramReading; retries: number }

export type AttemptTimes = {
  claimed(run: { jobId: string; token: string; queueWaitMs: number }): void
  /** `jobId`: where whoever ends it knows. */
  ended(attempt: { token: string; jobId?: string | undefined; isRetried: boolean }): void
  read(): JobTimes[]
}

const SECONDS = [0.005, 0.025, 0.1, 0.5, 2, 10, 60, 600, 3600]
/** Jobs that are counted by themselves, and those of them that are shown so: clients name jobs. */
const JOBS_MAX = 1_000
const SHOWN_MAX = 100
/** Attempts under way whose beginning is remembered. */
const OPEN_MAX = 50_000

type Counted = ReturnType<typeof count>
const count = () => ({ waits: makeHistogram(SECONDS), attempts: makeHistogram(SECONDS), retries: 0 })

export const attemptTimesOf = part<AttemptTimes>(() => makeAttemptTimes())

export function makeAttemptTimes(nowMs: () => number = () => performance.now()): AttemptTimes {
  const jobs = new Map<string, Counted>()
  const others = count()
  /** Once shown by itself a job stays so: a counter must not go back. */
  const shown = new Set<string>()
  const open = new Map<string, { of: Counted; sinceMs: number }>()

  function of(jobId: string): Counted {
    const known = jobs.get(jobId)
    if (known || jobs.size >= JOBS_MAX) return known ?? others
    const counted = count()
    jobs.set(jobId, counted)
    return counted
  }

  function showLargest(): void {
    if (shown.size >= SHOWN_MAX || shown.size === jobs.size) return
    const hidden = [...jobs].filter(([jobId]) => !shown.has(jobId))
    const bySize = hidden.toSorted(([, one], [, other]) => other.waits.read().count - one.waits.read().count)
    for (const [jobId] of bySize.slice(0, SHOWN_MAX - shown.size)) shown.add(jobId)
  }

  return {
    claimed({ jobId, token, queueWaitMs }) {
      const counted = of(jobId)
      counted.waits.observe(queueWaitMs / 1_000)
      if (open.size >= OPEN_MAX) open.delete(open.keys().next().value!)
      open.set(token, { of: counted, sinceMs: nowMs() })
    },
    ended({ token, jobId, isRetried }) {
      const begun = open.get(token)
      open.delete(token)
      begun?.of.attempts.observe((nowMs() - begun.sinceMs) / 1_000)
      const counted = begun?.of ?? (jobId === undefined ? others : of(jobId))
      if (isRetried) counted.retries++
    },
    read() {
      showLargest()
      const named = [...shown].map((jobId) => ({ jobId, ...readingOf([jobs.get(jobId)!]) }))
      const rest = [others, ...[...jobs].filter(([jobId]) => !shown.has(jobId)).map(([, counted]) => counted)]
      const summed = readingOf(rest)
      const isEmpty = summed.waits.count + summed.attempts.count + summed.retries === 0
      return isEmpty ? named : [...named, { jobId: null, ...summed }]
    },
  }
}

const readingOf = (counted: readonly Counted[]) => ({
  waits: addHistograms(
    SECONDS,
    counted.map(({ waits }) => waits.read()),
  ),
  attempts: addHistograms(
    SECONDS,
    counted.map(({ attempts }) => attempts.read()),
  ),
  retries: counted.reduce((sum, { retries }) => sum + retries, 0),
})
