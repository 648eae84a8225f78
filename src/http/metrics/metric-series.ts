// The series that a node exports for Prometheus: names, help and buckets.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Loss } from '#log/server/witness.ts'
import type { Where } from '#postgres/hosts/hosts.ts'
import manifest from '../../../package.json' with { type: 'json' }

export type Counts = {
  inFlight: () => number
  streams: () => number
  where: () => Where
  loss: () => Loss | undefined
}
export type MetricSeries = ReturnType<typeof makeSeries>

export function makeSeries(counts: Counts) {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  addCounts(registry, counts)
  return {
    registry,
    ...seriesOfRequests([registry]),
    ...seriesOfQueues([registry]),
    ...seriesOfLog([registry]),
    ...seriesOfInstallation([registry]),
  }
}

const seriesOfRequests = (registers: Registry[]) => ({
  requests: new Histogram({
    name: 'runyard_http_request_seconds',
    help: 'Time from a request to its answer, of this node.',
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
    help: 'Runs by queue and state, of the whole installation.',
    labelNames: ['queue', 'state'],
    registers,
  }),
  oldest: new Gauge({
    name: 'runyard_queue_oldest_seconds',
    help: 'How long the run that waits longest has been due, per queue of the whole installation.',
    labelNames: ['queue'],
    registers,
  }),
})

const seriesOfLog = (registers: Registry[]) => ({
  tailLag: new Gauge({
    name: 'runyard_log_tail_lag_seconds',
    help: 'Age of the oldest committed event of the whole installation that feeds cannot tell yet, since a transaction is open.',
    registers,
  }),
  sealLag: new Gauge({
    name: 'runyard_log_seal_lag_seconds',
    help: 'Age of the oldest event of the whole installation that is not sealed; above three minutes sealing stands still.',
    registers,
  }),
})

/** Every node reports the same: dashboards take the maximum over nodes, not the sum. */
const seriesOfInstallation = (registers: Registry[]) => ({
  jobRuns: new Gauge({
    name: 'runyard_job_runs',
    help: 'Runs by job and state, of the whole installation: the 100 largest jobs, and all others as @other.',
    labelNames: ['project', 'job', 'state'],
    registers,
  }),
  questions: new Gauge({
    name: 'runyard_input_requests_pending',
    help: 'Questions and approvals that wait for a person, of the whole installation.',
    registers,
  }),
  spentToday: new Gauge({
    name: 'runyard_spend_today_usd',
    help: 'What tools and models cost since midnight UTC, of the whole installation, in US dollars.',
    registers,
  }),
  webhooks: new Gauge({
    name: 'runyard_webhooks',
    help: 'Webhooks by status, of the whole installation.',
    labelNames: ['status'],
    registers,
  }),
  webhooksFailing: new Gauge({
    name: 'runyard_webhooks_failing',
    help: 'Active webhooks whose latest delivery failed, of the whole installation.',
    registers,
  }),
  alertsFiring: new Gauge({
    name: 'runyard_alerts_firing',
    help: 'Alerts that fire, of the whole installation.',
    registers,
  }),
  messagesPending: new Gauge({
    name: 'runyard_alert_messages_pending',
    help: 'Messages of alerts that wait to be sent, of the whole installation.',
    registers,
  }),
  databaseBytes: new Gauge({
    name: 'runyard_database_bytes',
    help: 'Size of the database of the whole installation with its indexes, in bytes; read once a minute.',
    registers,
  }),
})

/** Asked for when somebody scrapes. */
function addCounts(registry: Registry, { inFlight, streams, where, loss }: Counts): void {
  const registers = [registry]
  new Gauge({
    name: 'runyard_build_info',
    help: 'Always 1; its labels are the versions of Runyard and Node.js of this node.',
    labelNames: ['version', 'node_version'],
    registers,
  }).set({ version: manifest.version, node_version: process.version }, 1)
  addWhere(registers, where, loss)
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

function addWhere(registers: Registry[], where: Counts['where'], loss: Counts['loss']): void {
  new Gauge({
    name: 'runyard_database_host',
    help: 'Always 1; its label is the host of DATABASE_URL on which this node found the database.',
    labelNames: ['host'],
    registers,
    collect() {
      const { host } = where()
      this.reset()
      if (host !== undefined) this.set({ host }, 1)
    },
  })
  new Counter({
    name: 'runyard_database_moves_total',
    help: 'How often this node found the database on another server than before, as after a failover.',
    registers,
    collect() {
      this.reset()
      this.inc(where().moves)
    },
  })
  new Counter({
    name: 'runyard_failover_losses_total',
    help: 'How often this node found a standby that took over without all that this node had seen acknowledged.',
    registers,
    collect() {
      this.reset()
      this.inc(loss()?.times ?? 0)
    },
  })
}
