// Small changes to one run: debug mode, and releasing its idempotency key.

import type { Ctx } from '#bell/ctx.ts'
import { refuse } from '#core/error.ts'
import { statesIn } from '#core/run.ts'
import { record } from '#log/record.ts'
import { type RunRow, readRuns } from '#run-state/read/read-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { freeIdempotencyKey, setDebugMode } from '#run-state/run-marks.sql.ts'
import type { Target } from './move-by-hand.ts'

/** Turns debug mode on or off. */
export async function debugRun(ctx: Ctx, target: Target & { debugMode: boolean }): Promise<RunRow> {
  const run = await requireRun(ctx, target.projectId, target.runId)
  const event = { ...about(run, target), type: 'run.debug_changed', data: { debug_mode: target.debugMode } }
  await record(ctx, async (tx) => {
    const changed = await setDebugMode(tx, run.id, target.debugMode)
    return { result: changed, events: changed ? [event] : [] }
  })
  const [now] = await readRuns(ctx.sql, [run.id])
  return now!
}

const HELD_BY_EXECUTION = statesIn('lease', 'wait')

/** Releases the idempotency key of a run, if any, so that a new request with it creates a new run. */
export async function resetIdempotencyKey(ctx: Ctx, target: Target): Promise<RunRow> {
  const run = await requireRun(ctx, target.projectId, target.runId)
  if (HELD_BY_EXECUTION.includes(run.state)) {
    throw refuse('wrong_state', {
      runId: target.runId,
      state: run.state,
      needs: ['delayed', 'queued', 'paused', 'over'],
    })
  }
  const event = { ...about(run, target), type: 'run.idempotency_key_reset', data: { key: run.idempotencyKey } }
  await record(ctx, async (tx) => {
    const freed = await freeIdempotencyKey(tx, run.id)
    return { result: freed, events: freed ? [event] : [] }
  })
  return run
}

const about = (run: RunRow, target: Target) => ({
  projectId: run.projectId,
  runId: run.id,
  actor: target.actor,
  causationId: target.causationId,
})
