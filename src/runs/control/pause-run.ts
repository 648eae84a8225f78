// Pause: the executor is notified, and has the job's grace period to save a checkpoint and settle as paused. If it does
// not, the reaper revokes the lease; either way the run is paused and late writes are refused.

import type { Ctx } from '#bell/ctx.ts'
import { refuse } from '#core/error.ts'
import { isOver } from '#core/run.ts'
import { jobsOf } from '#jobs/job-cache.ts'
import { recordOfRun } from '#log/record.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'
import { readRuns } from '#run-state/read/read-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { tellPause } from '../attempts/leases.sql.ts'
import { checkIsOurs, type Target } from './move-by-hand.ts'

type Pause = Target & {
  reason?: string | undefined
  /** Wait for the run to leave its executor, at most this long; return immediately when omitted. */
  waitMs?: number
}

export async function pauseRun(ctx: Ctx, target: Pause): Promise<RunRow> {
  const run = await requireRun(ctx, target.projectId, target.runId)
  if (run.state === 'paused') return run
  checkIsOurs(run)
  if (run.state !== 'executing' || !run.jobId) {
    throw isOver(run.state)
      ? refuse('run_over', { runId: target.runId, state: run.state })
      : refuse('wrong_state', { runId: target.runId, state: run.state, needs: ['executing'] })
  }
  const { definition } = await jobsOf(ctx).version(run.jobId, run.jobVersion!)
  const event = {
    projectId: run.projectId,
    runId: run.id,
    type: 'run.pause_requested',
    actor: target.actor,
    causationId: target.causationId,
    message: target.reason,
    data: { grace_secs: definition.pauseGraceSecs },
  }
  await recordOfRun<boolean>(ctx, event, async (tx, _, rollBack) => {
    const told = await tellPause(tx, run.id, definition.pauseGraceSecs)
    // Already requested, or no longer executing: then nothing was requested either.
    if (!told) return rollBack(false)
    tx.rings.add('leases')
    return true
  })
  return untilLeft(ctx, run.id, target.waitMs ?? 0)
}

/** How often the run is checked when nobody rings. */
const LOOK_EVERY_MS = 500

async function untilLeft(ctx: Ctx, runId: string, waitMs: number): Promise<RunRow> {
  const endMs = performance.now() + waitMs
  for (;;) {
    const listening = ctx.listen([`run:${runId}`])
    try {
      const [now] = await readRuns(ctx.sql, [runId])
      const leftMs = endMs - performance.now()
      if (now!.state !== 'executing' || leftMs <= 0) return now!
      await listening.rung(Math.min(leftMs, LOOK_EVERY_MS))
    } finally {
      listening.close()
    }
  }
}
