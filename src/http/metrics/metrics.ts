// Metrics for Prometheus: their values (names and help texts are in metric-series.ts). Backlogs come from counters and one index
// probe per lane, whatever the size of the queue.

import type { FastifyInstance } from 'fastify'
import { readLogLag } from '#log/server/lag.sql.ts'
import type { Sql } from '#postgres/sql.ts'
import type { ClaimedRun } from '#run-state/claim/claim-runs.sql.ts'
import { readOldestDue } from '#run-state/claim/queue-place.sql.ts'
import { OTHER_QUEUES, readQueueSizes } from '#run-state/read/queue-sizes.sql.ts'
import type { AttemptTimes } from '#runs/attempts/attempt-times.ts'
import { addDiskSeries } from './disk-metrics.ts'
import { makeInstallationReader } from './installation-metrics.ts'
import { addJobSeries } from './job-metrics.ts'
import { type Counts, type MetricSeries, makeSeries } from './metric-series.ts'
import { addPoolSeries, type NamedPools } from './pool-metrics.ts'

const LANES_MAX = 1_000
/** Queues with their own series: clients name queues, and a scraper keeps every name. The others are summed. */
const QUEUES_MAX = 200
/** Several scrapers may come at once; values this fresh are shared by all. */
const FRESH_MS = 1_000

export type Metrics = {
  text: () => Promise<string>
  requestTook: (labels: { method: string; route: string; status: number }, seconds: number) => void
  runClaimed: (run: ClaimedRun) => void
  dutyEnded: (duty: string, outcome: 'ok' | 'failed') => void
}

type Sources = Counts & { sql: Sql; pools: NamedPools; times: AttemptTimes; databaseFolder: string | undefined }

export function makeMetrics({ sql, pools, times, databaseFolder, ...counts }: Sources): Metrics {
  const series = makeSeries(counts)
  addPoolSeries(series.registry, pools)
  const readJobs = addJobSeries(series.registry, sql, times)
  const readInstallation = makeInstallationReader(sql, series)
  const readDisks = databaseFolder === undefined ? undefined : addDiskSeries(series.registry, databaseFolder)
  /** Queues that have a series of waits. */
  const waited = new Set<string>()
  let readAtMs = 0
  let reading: Promise<void> | undefined
  async function read(): Promise<void> {
    const [queues] = await Promise.all([readBacklog(sql, series), readInstallation(), readJobs(), readDisks?.()])
    // A queue without runs is gone, and so are its series.
    for (const queue of waited) {
      if (queues.has(queue) || queue === OTHER_QUEUES) continue
      series.waits.remove({ queue })
      waited.delete(queue)
    }
    readAtMs = performance.now()
  }

  return {
    async text() {
      if (performance.now() - readAtMs > FRESH_MS || readAtMs === 0) {
        reading ??= read().finally(() => {
          reading = undefined
        })
        await reading
      }
      return series.registry.metrics()
    },
    requestTook: ({ method, route, status }, seconds) =>
      series.requests.observe({ method, route, status: String(status) }, seconds),
    runClaimed(run) {
      const { queue, queueWaitMs } = run
      const label = waited.has(queue) || waited.size < QUEUES_MAX ? queue : OTHER_QUEUES
      waited.add(label)
      series.waits.observe({ queue: label }, queueWaitMs / 1000)
      times.claimed(run)
    },
    dutyEnded: (duty, outcome) => series.duties.inc({ duty, outcome }),
  }
}

/** Sets what the database knows; answers the queues that have series of their own. */
async function readBacklog(sql: Sql, { runs, oldest, tailLag, sealLag }: MetricSeries): Promise<ReadonlySet<string>> {
  const [sizes, ages, lag] = await Promise.all([
    readQueueSizes(sql, QUEUES_MAX),
    readOldestDue(sql, { lanesMax: LANES_MAX }),
    readLogLag(sql),
  ])
  tailLag.set(lag.tailMs / 1000)
  sealLag.set(lag.sealsMs / 1000)
  const named = new Set(sizes.map(({ queue }) => queue))
  runs.reset()
  for (const { queue, state, n } of sizes) runs.set({ queue, state }, n)
  const secondsOf = new Map([...named].map((queue) => [queue, 0]))
  for (const { queue, oldestAgeMs } of ages) {
    const label = named.has(queue) ? queue : OTHER_QUEUES
    secondsOf.set(label, Math.max(secondsOf.get(label) ?? 0, (oldestAgeMs ?? 0) / 1000))
  }
  oldest.reset()
  for (const [queue, seconds] of secondsOf) oldest.set({ queue }, seconds)
  return named
}

/** Measures every response except streams and long polls, which last as long as their clients want. */
export function watchRequests(app: FastifyInstance, metrics: Metrics): void {
  app.addHook('onResponse', async (request, reply) => {
    const { route } = request.routeOptions.config
    if (route?.stream || route?.mayWait) return
    metrics.requestTook(
      { method: request.method, route: (route && request.routeOptions.url) ?? 'other', status: reply.statusCode },
      reply.elapsedTime / 1000,
    )
  })
}
