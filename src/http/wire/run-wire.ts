// A run as the native surface shows it.

import { maskValues } from '#access/mask.ts'
import type { Run, Why as WhyWire } from '#contract/runs/run.ts'
import { priorityOf } from '#core/job.ts'
import { isOver } from '#core/run.ts'
import type { Why } from '#insight/why.ts'
import type { RunBody, RunRow } from '#run-state/read/read-runs.sql.ts'
import { iso, toWire } from './words.ts'

/** What is shown of a body; `gone` when there is none any more. */
export type ShownBody = Partial<RunBody> & { gone?: boolean }

export function runWire(run: RunRow, body?: ShownBody): Run {
  const retrying = run.state === 'delayed' && run.attempt > 1
  return {
    id: run.publicId,
    job_id: run.jobId,
    job_slug: run.jobSlug,
    job_version: run.jobVersion,
    job_version_id: run.jobVersionId,
    project_id: run.projectId,
    status: run.state,
    execution: run.execution,
    queue: run.queue,
    attempt: run.attempt,
    max_attempts: run.maxAttempts,
    timeout_secs: run.timeoutSecs,
    priority: priorityOf(run.rank),
    triggered_by: run.triggeredBy,
    created_by: { type: run.createdByType, id: run.createdById } as Run['created_by'],
    correlation_id: run.correlationId,
    parent_run_id: run.parentRunId,
    continuation_of: run.continuationOf,
    lineage_depth: run.lineageDepth,
    replayed_from: run.replayedFrom,
    batch_id: run.batchId,
    idempotency_key: run.idempotencyKey,
    concurrency_key: run.concurrencyKey || null,
    agent_id: run.agentId,
    tags: run.tags,
    metadata: run.metadata,
    debug_mode: run.debugMode,
    preset: run.preset,
    // Executors are given the values; whoever may read runs need not have all of them.
    environment: run.environment && maskValues(run.environment),
    detached: run.detached,
    created_at: run.createdAt.toISOString(),
    scheduled_at: iso(run.scheduledAt),
    started_at: iso(run.startedAt),
    finished_at: iso(run.finishedAt),
    heartbeat_at: iso(run.heartbeatAt),
    next_retry_at: retrying ? iso(run.dueAt) : null,
    expires_at: iso(run.expiresAt),
    last_sequence: run.lastSequence,
    error: run.error,
    error_code: run.errorCode,
    execution_trace: traceWire(run, body?.trace ?? null),
    overrides: (run.overrides && toWire(run.overrides)) as Run['overrides'],
    ...(body && 'payload' in body && { payload: body.payload }),
    ...(body && 'result' in body && { result: body.result }),
    ...(body?.gone && { payload_gone: true }),
  }
}

export const whyWire = (run: RunRow, { reason, sentence, since, owner, until, ahead, details }: Why): WhyWire => ({
  run_id: run.publicId,
  status: run.state,
  sentence,
  reason,
  since: since.toISOString(),
  ...(owner !== null && { owner }),
  ...(until !== null && { until: until.toISOString() }),
  ...(ahead !== null && { position_hint: ahead }),
  details,
})

const UNMEASURED = {
  queue_wait_ms: null,
  dequeue_ms: null,
  connect_ms: null,
  ttfb_ms: null,
  transfer_ms: null,
  dispatch_ms: null,
  total_ms: null,
}

/** A trace as it is kept: what was not measured is null. */
export const executionTrace = (trace: Record<string, number>): NonNullable<Run['execution_trace']> => ({
  ...UNMEASURED,
  ...trace,
})

/** What is measured of every run: the wait for its turn; of dispatches also where the call's time went. */
function traceWire(run: RunRow, trace: RunBody['trace']): Run['execution_trace'] {
  if (run.queueWaitMs === null) return null
  const endedAt = isOver(run.state) ? run.finishedAt : null
  const totalMs = run.startedAt && endedAt ? run.queueWaitMs + (endedAt.getTime() - run.startedAt.getTime()) : undefined
  return {
    ...executionTrace({ queue_wait_ms: run.queueWaitMs, ...trace }),
    ...(totalMs !== undefined && { total_ms: totalMs }),
  }
}
