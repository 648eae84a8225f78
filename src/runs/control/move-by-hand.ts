// The moves of an operator, one run at a time: reschedule, resume, redrive.

import type { Ctx } from '#bell/ctx.ts'
import { refuse } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { isOver, type RunMove } from '#core/run.ts'
import { jobsOf } from '#jobs/job-cache.ts'
import { readJobs } from '#jobs/jobs.sql.ts'
import { asMoved, moveProblem } from '#run-state/move/move-outcome.ts'
import { moveRun } from '#run-state/move/move-run.ts'
import type { RunChange } from '#run-state/move/move-runs.sql.ts'
import { type RunRow, readRuns } from '#run-state/read/read-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { payloadProblem, scheduleProblem } from '../trigger/prepare-run.ts'
import { waitOnDependencies } from '../waits/wait-on-dependencies.ts'

/** The run that a caller named, and the caller. */
export type Target = Cause & { projectId: string; runId: string }

/** A run of a deleted job would be queued forever: nobody claims it. */
export async function checkJobIsThere(ctx: Ctx, run: RunRow): Promise<void> {
  const [job] = run.jobId ? await readJobs(ctx.sql, [run.jobId]) : []
  if (job?.deletedAt) throw refuse('job_not_found', { job: job.slug })
}

/** A control that needs an executor here; an external run has none that we could notify. */
export function checkIsOurs({ execution, state, publicId: runId }: RunRow): void {
  if (execution !== 'external') return
  throw isOver(state) ? refuse('run_over', { runId, state }) : refuse('run_external', { runId })
}

/** Moves a run that was just read, and returns it as moved. */
export async function moveFound(
  ctx: Ctx,
  run: RunRow,
  move: RunMove,
  change: Omit<RunChange, 'runId' | 'move'>,
): Promise<RunRow> {
  await checkJobIsThere(ctx, run)
  const changed = await moveRun(ctx, { runId: run.id, move, ...change })
  const problem = moveProblem(run.publicId, move, changed)
  if (problem) throw problem
  const [now] = await readRuns(ctx.sql, [run.id])
  return changed.outcome === 'moved' ? asMoved(now!, changed) : now!
}

/**
 * Reschedules a run that has not started, and renews its time to live. `scheduledAt` at most a minute in the past means
 * now.
 */
export async function rescheduleRun(
  ctx: Ctx,
  target: Target & { scheduledAt: Date; payload?: unknown },
): Promise<RunRow> {
  const run = await requireRun(ctx, target.projectId, target.runId)
  const nowMs = ctx.nowMs()
  const problem = scheduleProblem(target, nowMs)
  if (problem) throw problem
  if (target.payload !== undefined && run.jobId) {
    const { definition } = await jobsOf(ctx).version(run.jobId, run.jobVersion!)
    const bad = await payloadProblem({ projectId: target.projectId, definition }, target.payload)
    if (bad) throw bad
  }
  const later = target.scheduledAt.getTime() > nowMs || (await dependsOnOthers(ctx, run))
  return moveFound(ctx, run, later ? 'reschedule' : 'rescheduleNow', {
    actor: target.actor,
    ...(target.causationId && { causationId: target.causationId }),
    // A time just passed means now; otherwise its time to live would begin in the past.
    scheduledAt: new Date(Math.max(target.scheduledAt.getTime(), nowMs)),
    ...(run.ttlSecs !== null && { ttlMs: run.ttlSecs * 1000 }),
    ...(target.payload !== undefined && { payload: target.payload }),
    data: { scheduled_at: target.scheduledAt.toISOString() },
  })
}

/** A run with dependencies is made due now, and finds out then what it has to wait for. */
async function dependsOnOthers(ctx: Ctx, run: RunRow): Promise<boolean> {
  if (!run.jobId || (await jobsOf(ctx).ofRun(run.jobId)).dependencies === 0) return false
  return (await waitOnDependencies(ctx.sql, { ...run, jobId: run.jobId })) !== undefined
}

/** Queues a paused run again, to continue from its latest checkpoint. */
export async function resumeRun(ctx: Ctx, target: Target): Promise<RunRow> {
  const run = await requireRun(ctx, target.projectId, target.runId)
  return moveFound(ctx, run, 'resume', requeueing(run, target))
}

/** The same run again: attempts counted from 1, time to live renewed. */
export async function redriveRun(ctx: Ctx, target: Target): Promise<RunRow> {
  const run = await requireRun(ctx, target.projectId, target.runId)
  return moveFound(ctx, run, 'redrive', redriving(run, target))
}

export const redriving = (run: RunRow, cause: Cause) => ({ ...requeueing(run, cause), nextAttempt: 1 })

const requeueing = (run: RunRow, { actor, causationId }: Cause) => ({
  actor,
  ...(causationId && { causationId }),
  dueInMs: 0,
  ...(run.ttlSecs !== null && { ttlMs: run.ttlSecs * 1000 }),
})
