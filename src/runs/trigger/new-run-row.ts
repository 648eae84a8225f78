// A newly created run, as a reader would find it: everything is known, so it need not be read back.
import { queueOf } from '#core/queue.ts'
import type { JobRow } from '#jobs/jobs.sql.ts'
import type { InsertedRun, NewRun } from '#run-state/insert/insert-runs.sql.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'

export function newRunRow(
  job: JobRow,
  run: NewRun,
  { state, createdAt }: Extract<InsertedRun, { outcome: 'created' }>,
): RunRow {
  const dueAt = run.scheduledAt ?? (run.delayMs === undefined ? createdAt : new Date(createdAt.getTime() + run.delayMs))
  return {
    id: run.id,
    publicId: run.id,
    projectId: run.projectId,
    jobId: job.id,
    jobSlug: job.slug,
    jobVersion: job.version,
    jobVersionId: job.versionId,
    execution: job.definition.execution,
    queue: job.definition.execution === 'worker' ? (run.queue ?? job.definition.queue) : queueOf(job.definition),
    state,
    attempt: 1,
    maxAttempts: run.maxAttempts,
    timeoutSecs: run.timeoutSecs,
    ttlSecs: run.ttlSecs ?? null,
    rank: run.rank,
    triggeredBy: run.triggeredBy,
    createdByType: run.actor.type,
    createdById: run.actor.id,
    correlationId: run.correlationId ?? run.id,
    parentRunId: run.parentRunId ?? null,
    continuationOf: run.continuationOf ?? null,
    lineageDepth: run.lineageDepth ?? 0,
    replayedFrom: run.replayedFrom ?? null,
    batchId: run.batchId ?? null,
    idempotencyKey: run.idempotency?.key ?? null,
    concurrencyKey: run.concurrencyKey ?? '',
    agentId: run.agentId ?? null,
    tags: run.tags,
    metadata: run.metadata,
    overrides: (run.overrides as Record<string, unknown> | undefined) ?? null,
    debugMode: run.debugMode ?? false,
    detached: run.detached ?? false,
    preset: run.preset ?? null,
    environment: run.environment ?? null,
    createdAt,
    stateSince: createdAt,
    dueAt: state === 'delayed' ? dueAt : null,
    scheduledAt: run.scheduledAt ?? null,
    startedAt: null,
    finishedAt: null,
    expiresAt: run.ttlSecs === undefined ? null : new Date(dueAt.getTime() + run.ttlSecs * 1000),
    heartbeatAt: null,
    told: null,
    lastSequence: 1,
    lastCheckpoint: 0,
    queueWaitMs: null,
    error: null,
    errorCode: null,
  }
}
