// Metrics for Prometheus. Backlogs come from counters and one index probe per lane, whatever the size of the queue.

import type { FastifyInstance } from 'fastify'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { readLogLag } from '#log/server/lag.sql.ts'
import type { Sql } from '#postgres/sql.ts'
import { readOldestDue } from '#run-state/claim/queue-place.sql.ts'
import { OTHER_QUEUES, readQueueSizes } from '#run-state/read/queue-sizes.sql.ts'

const LANES_MAX = 1_000
/** Queues with their own series: clients name queues, and a scraper keeps every name. The others are summed. */
const QUEUES_MAX = 200
/** Several scrapers may come at once; values this fresh are shared by all. */
const FRESH_MS = 1_000

export type Metrics = {
  text: () => Promise<string>
  requestTook: (labels: { method: string; route: string; status: number }, seconds: number) => void
  queueWaited: (queue: string, seconds: number) => void
  dutyEnded: (duty: string, outcome: 'ok' | 'failed') => void
}

export function makeMetrics({
  sql,
  inFlight,
  streams,
}: {
  sql: Sql
  inFlight: () => number
  streams: () => number
}): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const requests = new Histogram({
    name: 'runyard_http_request_seconds',
    help: 'Time from a request to its answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2, 10, 60],
    registers,
  })
  const waits = new Histogram({
    name: 'runyard_queue_wait_seconds',
    help: 'Time from being due to being claimed, per queue, of the runs that this node handed out.',
    labelNames: ['queue'],
    buckets: [0.005, 0.025, 0.1, 0.5, 2, 10, 60, 600, 3600],
    registers,
  })
  const duties = new Counter({
    name: 'runyard_duty_ticks_total',
    help: 'Ticks of the background duties of this node.',
    labelNames: ['duty', 'outcome'],
    registers,
  })
  const runs = new Gauge({
    name: 'runyard_runs',
    help: 'Runs by queue and state.',
    labelNames: ['queue', 'state'],
    registers,
  })
  const oldest = new Gauge({
    name: 'runyard_queue_oldest_seconds',
    help: 'How long the run that waits longest has been due, per queue.',
    labelNames: ['queue'],
    registers,
  })
  const tailLag = new Gauge({
    name: 'runyard_log_tail_lag_seconds',
    help: 'Age of the oldest committed event that project feeds cannot tell yet, since an older transaction is open.',
    registers,
  })
  const sealLag = new Gauge({
    name: 'runyard_log_seal_lag_seconds',
    help: 'Age of the oldest event that is not sealed; above three minutes sealing stands still.',
    registers,
  })
  new Gauge({
    name: 'runyard_dispatches_in_flight',
    help: 'HTTP dispatches of this node under way.',
    registers,
    collect() {
      this.set(inFlight())
    },
  })
  new Gauge({
    name: 'runyard_streams',
    help: 'Streams that this node serves.',
    registers,
    collect() {
      this.set(streams())
    },
  })

  const waited = new Set<string>()
  let readAtMs = 0
  let reading: Promise<void> | undefined
  async function read(): Promise<void> {
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
    // A queue without runs is gone, and so are its series.
    for (const queue of waited) {
      if (named.has(queue) || queue === OTHER_QUEUES) continue
      waits.remove({ queue })
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
      return registry.metrics()
    },
    requestTook: ({ method, route, status }, seconds) =>
      requests.observe({ method, route, status: String(status) }, seconds),
    queueWaited(queue, seconds) {
      const label = waited.has(queue) || waited.size < QUEUES_MAX ? queue : OTHER_QUEUES
      waited.add(label)
      waits.observe({ queue: label }, seconds)
    },
    dutyEnded: (duty, outcome) => duties.inc({ duty, outcome }),
  }
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
