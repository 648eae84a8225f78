// A claimed run as its worker gets it.
import { priorityOf } from '#core/job.ts'
import { formatTraceparent, traceOfRun } from '#core/runs/trace-context.ts'
import type { ClaimedRun } from '#run-state/claim/claim-runs.sql.ts'
import { toWire } from './words.ts'

type Claim = { slug: string; leaseSecs: number; runToken: string }

export function claimedWire(run: ClaimedRun, { slug, leaseSecs, runToken }: Claim) {
  const timeoutMs = run.timeoutSecs * 1000
  const { runId, attempt, token } = run
  return {
    run: {
      id: runId,
      job_id: run.jobId,
      job_slug: slug,
      job_version: run.jobVersion,
      attempt,
      queue: run.queue,
      priority: priorityOf(run.rank),
      correlation_id: run.correlationId,
      tags: run.tags,
      metadata: run.metadata,
      agent_id: run.agentId,
      timeout_secs: run.timeoutSecs,
      created_at: run.createdAt.toISOString(),
    },
    payload: run.payload,
    lease_token: token,
    lease_expires_in_ms: Math.min(leaseSecs * 1000, timeoutMs),
    timeout_in_ms: timeoutMs,
    run_token: runToken,
    checkpoint: run.checkpoint && toWire(run.checkpoint),
    previous_error: attempt > 1 ? run.previousError : null,
    traceparent: run.traceparent ?? formatTraceparent(traceOfRun(runId)),
    preset: run.preset,
    environment: run.environment ?? {},
  }
}
