// A replay is a new run that names the old one; nothing of the old one changes.
import { refuse } from '#core/error.ts'
import { findCheckpoint } from '#storage/attempt-writes.ts'
import { findRunBody, type RunRow } from '#storage/read-runs.ts'
import type { Ctx } from './ctx.ts'
import { findRunOr404, isReplayable, type Target } from './move-run.ts'
import { type RunRequest, triggerRun } from './trigger-runs.ts'

/** Runs the payload of a run that is over again, or the state of one of its checkpoints, under the job's current version. */
export async function replayRun(ctx: Ctx, target: Target & { fromCheckpoint?: number | undefined }): Promise<RunRow> {
  const old = await findRunOr404(ctx, target.projectId, target.runId)
  if (!isReplayable(old)) {
    throw refuse('wrong_state', {
      runId: target.runId,
      state: old.state,
      needs: ['completed', 'canceled', 'failed', 'timed_out', 'crashed', 'system_failed', 'dead_letter', 'expired'],
    })
  }
  if (!old.jobId) throw refuse('job_external', { job: old.publicId })
  const payload =
    target.fromCheckpoint === undefined ? await payloadOf(ctx, old) : await stateAt(ctx, old, target.fromCheckpoint)
  const { run } = await triggerRun(
    ctx,
    old.jobId,
    {
      ...(old.overrides as RunRequest | null),
      payload: payload ?? undefined,
      priority: 0 - old.rank,
      tags: old.tags,
      metadata: old.metadata,
      concurrencyKey: old.concurrencyKey || undefined,
      agentId: old.agentId ?? undefined,
      debugMode: old.debugMode || target.fromCheckpoint !== undefined || undefined,
    },
    {
      projectId: old.projectId,
      actor: target.actor,
      ...(target.causationId && { causationId: target.causationId }),
      correlationId: old.correlationId,
      triggeredBy: 'replay',
      replayedFrom: old.id,
    },
  )
  return run
}

async function payloadOf(ctx: Ctx, run: RunRow): Promise<unknown> {
  const body = await findRunBody(ctx.sql, run.id)
  if (!body) throw refuse('payload_gone', { runId: run.publicId })
  return body.payload
}

async function stateAt(ctx: Ctx, run: RunRow, number: number): Promise<unknown> {
  const checkpoint = await findCheckpoint(ctx.sql, run.id, number)
  if (!checkpoint) throw refuse('checkpoint_not_found', { runId: run.publicId, number })
  return checkpoint.state
}
