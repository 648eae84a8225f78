import type { FastifyInstance } from 'fastify'
import { countPendingOfProject } from '#agents/input-requests.sql.ts'
import * as contract from '#contract/operations.ts'
import { RUN_STATES, type RunState } from '#core/run.ts'
import type { Sql } from '#postgres/sql.ts'
import { readOldestDueOf } from '#run-state/claim/queue-place.sql.ts'
import { readRunCounts } from '#run-state/read/read-runs.sql.ts'
import { implement } from '../implement.ts'
import type { Metrics } from '../metrics/metrics.ts'

export type Check = { name: string; ok: boolean; age_ms: number | null; advisory?: boolean; reason?: string }
export type OperationsParts = {
  sql: Sql
  nowMs: () => number
  metrics: Metrics
  checks: () => Promise<Check[]>
}

/** Whether every required check is ok. */
export const isReady = (checks: readonly Check[]): boolean => checks.every((check) => check.ok || check.advisory)

const LANES_MAX = 1_000

export function operationsRoutes(app: FastifyInstance, { sql, nowMs, metrics, checks }: OperationsParts): void {
  implement(app, contract.getLive, () => ({ status: 'ok' as const }))
  implement(app, contract.getReady, async () => {
    const all = await checks()
    return isReady(all)
      ? ({ status: 200, body: { status: 'ready', checks: all } } as const)
      : ({ status: 503, body: { status: 'not_ready', checks: all } } as const)
  })
  implement(app, contract.getMetrics, () => metrics.text())
  implement(app, contract.getStats, async (_, { projectId }) => {
    const [counts, ages, pending] = await Promise.all([
      readRunCounts(sql, projectId),
      readOldestDueOf(sql, { projectId, lanesMax: LANES_MAX }),
      countPendingOfProject(sql, projectId),
    ])
    const runs = Object.fromEntries(RUN_STATES.map((state) => [state, 0])) as Record<RunState, number>
    const queues = new Map<string, Partial<Record<RunState, number>>>()
    for (const { queue, state, n } of counts) {
      runs[state] += n
      const of = queues.get(queue) ?? {}
      queues.set(queue, { ...of, [state]: (of[state] ?? 0) + n })
    }
    const ageOf = new Map(ages.map(({ queue, oldestAgeMs }) => [queue, oldestAgeMs]))
    return {
      as_of: new Date(nowMs()).toISOString(),
      runs,
      pending_input_requests: pending,
      queues: [...queues].map(([queue, of]) => ({
        queue,
        queued: of.queued ?? 0,
        delayed: of.delayed ?? 0,
        executing: (of.executing ?? 0) + (of.dequeued ?? 0),
        oldest_age_ms: ageOf.has(queue) ? Math.round(ageOf.get(queue) ?? 0) : null,
      })),
    }
  })
}
