// What this node sees of attempts, by job.
import type { Registry } from 'prom-client'
import { OTHER_JOBS, readJobNames } from '#insight/installation.sql.ts'
import type { Sql } from '#postgres/sql.ts'
import type { AttemptTimes, JobTimes } from '#runs/attempts/attempt-times.ts'
import { addReadSeries, histogramValues, type Labels, type SeriesValue } from './read-series.ts'

const ATTEMPTS = 'runyard_job_attempt_seconds'
const WAITS = 'runyard_job_wait_seconds'
const WHICH = 'by job: the 100 jobs that this node met first or most, and all others as @other'

/** Answers what is to be called before each scrape: jobs are counted by id, and shown by name. */
export function addJobSeries(registry: Registry, sql: Sql, times: AttemptTimes): () => Promise<void> {
  let named: (JobTimes & { labels: Labels })[] = []
  const each = (valuesOf: (job: (typeof named)[number]) => SeriesValue[]) => () => named.flatMap(valuesOf)
  addReadSeries(registry, {
    name: ATTEMPTS,
    help: `Time from claim to end of the attempts that this node both handed out and was told the end of, ${WHICH}.`,
    type: 'histogram',
    read: each(({ labels, attempts }) => histogramValues(ATTEMPTS, labels, attempts)),
  })
  addReadSeries(registry, {
    name: WAITS,
    help: `Time from being due to being claimed, of the runs that this node handed out, ${WHICH}.`,
    type: 'histogram',
    read: each(({ labels, waits }) => histogramValues(WAITS, labels, waits)),
  })
  addReadSeries(registry, {
    name: 'runyard_job_retries_total',
    help: `Attempts that failed and are followed by another, of those that this node was told the end of, ${WHICH}.`,
    type: 'counter',
    read: each(({ labels, retries }) => [{ labels, value: retries }]),
  })
  return async () => {
    const all = times.read()
    const names = await readJobNames(
      sql,
      all.flatMap(({ jobId }) => jobId ?? []),
    )
    named = all.map((it) => ({ ...it, labels: labelsOf(it, names) }))
  }
}

function labelsOf({ jobId }: JobTimes, names: ReadonlyMap<string, Labels>): Labels {
  if (jobId === null) return { project: OTHER_JOBS, job: OTHER_JOBS }
  return names.get(jobId) ?? { project: '', job: jobId }
}
