// Pausing: the executor is told, and has the job's grace to checkpoint and settle as paused. If it does not, the
// reaper takes the lease; either way the run is paused and late writes are refused.
import { refuse } from '#core/error.ts'
import { isOver } from '#core/run.ts'
import { tellPause } from '#storage/leases.ts'
import type { RunRow } from '#storage/read-runs.ts'
import { readRuns } from '#storage/read-runs.ts'
import type { Ctx } from './ctx.ts'
import { findRunOr404, type Target } from './move-run.ts'

export async function pauseRun(ctx: Ctx, target: Target & { reason?: string | undefined }): Promise<RunRow> {
  const run = await findRunOr404(ctx, target.projectId, target.runId)
  if (run.state === 'paused') return run
  if (run.state !== 'executing' || !run.jobId) {
    throw isOver(run.state)
      ? refuse('run_over', { runId: target.runId, state: run.state })
      : refuse('wrong_state', { runId: target.runId, state: run.state, needs: ['executing'] })
  }
  const { definition } = await ctx.jobs.version(run.jobId, run.jobVersion!)
  const told = await tellPause(ctx.sql, run.id, definition.pauseGraceSecs)
  if (told) {
    await ctx.appendEvent({
      projectId: run.projectId,
      runId: run.id,
      type: 'run.pause_requested',
      actor: target.actor,
      causationId: target.causationId,
      message: target.reason,
      data: { grace_secs: definition.pauseGraceSecs },
    })
  }
  ctx.ring([`run:${run.id}`, 'leases', 'tail'])
  const [now] = await readRuns(ctx.sql, [run.id])
  return now!
}
