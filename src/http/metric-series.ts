// The series that a node exports for Prometheus: names, help and buckets.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

export type Counts = { inFlight: () => number; streams: () => number }
export type MetricSeries = ReturnType<typeof makeSeries>

export function makeSeries(counts: Counts) {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  addCounts(registry, counts)
  return { registry, ...seriesOfRequests([registry]), ...seriesOfQueues([registry]), ...seriesOfLog([registry]) }
}

const seriesOfRequests = (registers: Registry[]) => ({
  requests: new Histogram({
    name: 'runyard_http_request_seconds',
    help: 'Time from a request to its answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2, 10, 60],
    registers,
  }),
  duties: new Counter({
    name: 'runyard_duty_ticks_total',
    help: 'Ticks of the background duties of this node.',
    labelNames: ['duty', 'outcome'],
    registers,
  }),
})

const seriesOfQueues = (registers: Registry[]) => ({
  waits: new Histogram({
    name: 'runyard_queue_wait_seconds',
    help: 'Time from being due to being claimed, per queue, of the runs that this node handed out.',
    labelNames: ['queue'],
    buckets: [0.005, 0.025, 0.1, 0.5, 2, 10, 60, 600, 3600],
    registers,
  }),
  runs: new Gauge({
    name: 'runyard_runs',
    help: 'Runs by queue and state.',
    labelNames: ['queue', 'state'],
    registers,
  }),
  oldest: new Gauge({
    name: 'runyard_queue_oldest_seconds',
    help: 'How long the run that waits longest has been due, per queue.',
    labelNames: ['queue'],
    registers,
  }),
})

const seriesOfLog = (registers: Registry[]) => ({
  tailLag: new Gauge({
    name: 'runyard_log_tail_lag_seconds',
    help: 'Age of the oldest committed event that project feeds cannot tell yet, since an older transaction is open.',
    registers,
  }),
  sealLag: new Gauge({
    name: 'runyard_log_seal_lag_seconds',
    help: 'Age of the oldest event that is not sealed; above three minutes sealing stands still.',
    registers,
  }),
})

/** Asked for when somebody scrapes. */
function addCounts(registry: Registry, { inFlight, streams }: Counts): void {
  const registers = [registry]
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
}
