// What the database knows of the whole installation: every node reports the same.
import {
  type InstallationCounts,
  type JobSize,
  readDatabaseBytes,
  readInstallationCounts,
  readJobSizes,
} from '#insight/installation.sql.ts'
import type { Sql } from '#postgres/sql.ts'
import type { MetricSeries } from './metric-series.ts'

/** Jobs with their own series: clients name jobs, and a scraper keeps every name. The others are summed. */
const JOBS_MAX = 100
/** The server asks its file system for every file of every table. */
const SIZE_FRESH_MS = 60_000

/** Reads on behalf of one node: it remembers the size of the database for a while. */
export function makeInstallationReader(sql: Sql, series: MetricSeries): () => Promise<void> {
  let measuredMs = Number.NEGATIVE_INFINITY
  return async () => {
    const isStale = performance.now() - measuredMs > SIZE_FRESH_MS
    const [jobs, counts, bytes] = await Promise.all([
      readJobSizes(sql, JOBS_MAX),
      readInstallationCounts(sql),
      isStale ? readDatabaseBytes(sql) : undefined,
    ])
    setJobs(series, jobs)
    setCounts(series, counts)
    if (bytes === undefined) return
    series.databaseBytes.set(bytes)
    measuredMs = performance.now()
  }
}

function setJobs({ jobRuns }: MetricSeries, jobs: readonly JobSize[]): void {
  jobRuns.reset()
  for (const { project, job, state, n } of jobs) jobRuns.set({ project, job, state }, n)
}

function setCounts(series: MetricSeries, counts: InstallationCounts): void {
  series.questions.set(counts.questions)
  series.spentToday.set(counts.spentTodayMicrousd / 1_000_000)
  series.webhooks.set({ status: 'active' }, counts.webhooksActive)
  series.webhooks.set({ status: 'paused' }, counts.webhooksPaused)
  series.webhooks.set({ status: 'disabled' }, counts.webhooksDisabled)
  series.webhooksFailing.set(counts.webhooksFailing)
  series.alertsFiring.set(counts.alertsFiring)
  series.messagesPending.set(counts.messagesPending)
}
