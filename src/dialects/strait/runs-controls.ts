// Strait's controls of one run.

import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import { isOver, type RunState } from '#core/run.ts'
import { askedBy } from '#http/caller.ts'
import { implement } from '#http/implement.ts'
import { jobsOf } from '#jobs/job-cache.ts'
import { findRunBody, type RunRow } from '#run-state/read/read-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { cancelRun } from '#runs/control/cancel-runs.ts'
import { debugRun, resetIdempotencyKey } from '#runs/control/mark-run.ts'
import { redriveRun, rescheduleRun, resumeRun } from '#runs/control/move-by-hand.ts'
import { pauseRun } from '#runs/control/pause-run.ts'
import { replayRun } from '#runs/control/replay-run.ts'
import { restartRun } from '#runs/control/restart-run.ts'
import { straitRun } from './run-wire.ts'
import * as contract from './runs-control-contract.ts'
import { inWords, straitRefusal } from './wording.ts'

/** Strait replays only failures: a dead letter is redriven, and completed runs are not replayed. */
const REPLAYABLE: readonly RunState[] = ['failed', 'timed_out', 'crashed', 'system_failed']
export const isReplayable = ({ state, jobId }: RunRow): boolean => REPLAYABLE.includes(state) && jobId !== null

/**
 * How long an executor may take beyond its grace period until its lease is revoked, and how long a client is kept
 * waiting.
 */
const PAUSE_MARGIN_MS = 2_000
const PAUSE_WAIT_MAX_MS = 25_000

const NOT_RESETTABLE = [404, 'run not found or not eligible for idempotency reset'] as const
const NOT_RESCHEDULABLE = [404, 'run not found or not eligible for rescheduling'] as const
const NOT_DEAD = [409, 'run is not in dead_letter status'] as const
const NOT_EXECUTING = [400, 'run is not executing'] as const
const NOT_PAUSED = [400, 'run is not paused'] as const
const NOT_RESTARTABLE = [400, 'run is not executing or paused'] as const

export function straitControlRoutes(app: FastifyInstance, ctx: Ctx): void {
  const shown = async (run: RunRow) => straitRun(run, await findRunBody(ctx.sql, run.id))

  implement(app, contract.cancelRun, async ({ run_id }, caller) => {
    const run = await requireRun(ctx, caller.projectId, run_id)
    if (isOver(run.state)) throw straitRefusal(400, 'run already in terminal state')
    await inWords(cancelRun(ctx, { ...askedBy(caller), runId: run_id }), { run_over: [409, 'failed to cancel run'] })
    return undefined
  })
  implement(app, contract.replayRun, async ({ run_id, from_checkpoint }, caller) => {
    const run = await requireRun(ctx, caller.projectId, run_id)
    if (!REPLAYABLE.includes(run.state)) throw straitRefusal(400, 'run is not replayable')
    const replayed = await inWords(
      replayRun(ctx, { ...askedBy(caller), runId: run_id, fromCheckpoint: from_checkpoint }),
      {
        job_not_found: [400, 'job not found for run'],
        job_external: [400, 'job not found for run'],
      },
    )
    return shown(replayed)
  })
  implement(app, contract.redriveRun, async ({ run_id }, caller) => {
    const run = await requireRun(ctx, caller.projectId, run_id)
    if (run.state !== 'dead_letter') throw straitRefusal(...NOT_DEAD)
    const redriven = redriveRun(ctx, { ...askedBy(caller), runId: run_id })
    return shown(await inWords(redriven, { wrong_state: NOT_DEAD }))
  })
  implement(app, contract.resetIdempotencyKey, async ({ run_id }, caller) => {
    const reset = resetIdempotencyKey(ctx, { ...askedBy(caller), runId: run_id })
    const run = await inWords(reset, { run_not_found: NOT_RESETTABLE, wrong_state: NOT_RESETTABLE })
    return { status: 'reset' as const, run_id: run.publicId }
  })
  implement(app, contract.rescheduleRun, async ({ run_id, scheduled_at, payload }, caller) => {
    // Any past time means now; only native clients are told when theirs is in the past.
    const scheduledAt = new Date(Math.max(Date.parse(scheduled_at), ctx.nowMs()))
    const found = await inWords(requireRun(ctx, caller.projectId, run_id), { run_not_found: NOT_RESCHEDULABLE })
    // Natively, the time of the next attempt may be moved as well.
    if (found.startedAt || found.attempt > 1) throw straitRefusal(...NOT_RESCHEDULABLE)
    const moved = rescheduleRun(ctx, { ...askedBy(caller), runId: run_id, scheduledAt, payload })
    const run = await inWords(moved, {
      run_not_found: NOT_RESCHEDULABLE,
      run_over: NOT_RESCHEDULABLE,
      wrong_state: NOT_RESCHEDULABLE,
    })
    return shown(run)
  })
  implement(app, contract.pauseRun, async ({ run_id }, caller) => {
    const waitMs = await pauseWaitMs(ctx, await requireRun(ctx, caller.projectId, run_id))
    const paused = pauseRun(ctx, { ...askedBy(caller), runId: run_id, waitMs })
    const run = await inWords(paused, {
      run_over: NOT_EXECUTING,
      wrong_state: NOT_EXECUTING,
      run_external: NOT_EXECUTING,
    })
    // It ended, or was stopped by someone else, before it could be paused.
    if (run.state !== 'paused' && run.state !== 'executing') throw straitRefusal(409, 'failed to pause run')
    return shown(run)
  })
  implement(app, contract.resumeRun, async ({ run_id }, caller) => {
    const run = await requireRun(ctx, caller.projectId, run_id)
    if (run.state !== 'paused') throw straitRefusal(...NOT_PAUSED)
    const resumed = resumeRun(ctx, { ...askedBy(caller), runId: run_id })
    return shown(await inWords(resumed, { run_over: [409, 'failed to resume run'], wrong_state: NOT_PAUSED }))
  })
  implement(app, contract.restartRun, async ({ run_id, machine_preset }, caller) => {
    const restarted = restartRun(ctx, { ...askedBy(caller), runId: run_id, preset: machine_preset || undefined })
    const run = await inWords(restarted, {
      preset_not_found: [400, 'invalid machine_preset'],
      run_over: NOT_RESTARTABLE,
      run_external: NOT_RESTARTABLE,
      wrong_state: NOT_RESTARTABLE,
    })
    return shown(run)
  })
  implement(app, contract.debugRun, async ({ run_id, debug_mode }, caller) => {
    await debugRun(ctx, { ...askedBy(caller), runId: run_id, debugMode: debug_mode })
    return { status: 'ok' as const }
  })
}

async function pauseWaitMs(ctx: Ctx, run: RunRow): Promise<number> {
  if (!run.jobId || run.jobVersion === null) return 0
  const { definition } = await jobsOf(ctx).version(run.jobId, run.jobVersion)
  return Math.min(definition.pauseGraceSecs * 1000 + PAUSE_MARGIN_MS, PAUSE_WAIT_MAX_MS)
}
