// Restart: the run is taken from its executor, if it has one, and starts from the beginning, without its checkpoints
// and optionally with a preset. The attempt number stays; late writes of the old executor are refused.

import type { Ctx } from '#bell/ctx.ts'
import { transact } from '#bell/transact.ts'
import { refuse } from '#core/error.ts'
import type { Preset } from '#core/preset.ts'
import { RUN_MOVES } from '#core/run.ts'
import { jobsOf } from '#jobs/job-cache.ts'
import { requirePreset, timesOf } from '#jobs/presets.ts'
import { asMoved, moveProblem } from '#run-state/move/move-outcome.ts'
import { moveRunsIn } from '#run-state/move/move-run.ts'
import { type RunRow, readRuns } from '#run-state/read/read-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { changeRunSettings, type RunSettings } from '#run-state/run-settings.sql.ts'
import { requeued } from '../waits/waits.ts'
import { checkIsOurs, checkJobIsThere, type Target } from './move-by-hand.ts'

/** Restarts an executing or paused run, optionally with the settings of a preset. */
export async function restartRun(ctx: Ctx, target: Target & { preset?: string | undefined }): Promise<RunRow> {
  const { projectId, actor, causationId } = target
  const run = await requireRun(ctx, projectId, target.runId)
  checkIsOurs(run)
  await checkJobIsThere(ctx, run)
  const preset = target.preset === undefined ? undefined : await requirePreset(ctx, projectId, target.preset)
  const settings = preset && (await settingsUnder(ctx, run, preset))
  await transact(ctx, async (tx) => {
    if (settings) await changeRunSettings(tx, run.id, settings)
    const [changed] = await moveRunsIn(tx, [
      {
        runId: run.id,
        move: 'restart',
        actor,
        ...(causationId && { causationId }),
        ...requeued(run),
        ...(preset && { data: { preset: preset.name } }),
      },
    ])
    // A queued run has nothing to restart, and its settings stay as they were.
    if (changed!.outcome === 'already')
      throw refuse('wrong_state', { runId: run.publicId, state: 'queued', needs: RUN_MOVES.restart.from })
    const problem = moveProblem(run.publicId, 'restart', changed!)
    if (problem) throw problem
  })
  const [now] = await readRuns(ctx.sql, [run.id])
  return asMoved(now!, { state: 'queued' })
}

/** What the preset does not set comes from the job, not from an earlier preset. */
async function settingsUnder(ctx: Ctx, run: RunRow, preset: Preset): Promise<RunSettings> {
  const { definition } = await jobsOf(ctx).version(run.jobId!, run.jobVersion!)
  const { timeoutSecs: _, maxAttempts: __, ...others } = run.overrides ?? {}
  const overrides = { ...others, ...timesOf(preset) }
  return {
    preset: preset.name,
    environment: preset.environment,
    // Runs that Runyard dispatches itself wait in one queue, whatever machine is behind their endpoint.
    queue: run.execution === 'worker' ? (preset.queue ?? definition.queue) : run.queue,
    timeoutSecs: preset.timeoutSecs ?? definition.timeoutSecs,
    maxAttempts: preset.maxAttempts ?? definition.maxAttempts,
    overrides: Object.keys(overrides).length > 0 ? overrides : null,
  }
}
