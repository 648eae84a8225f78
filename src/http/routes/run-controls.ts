import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/runs/run-controls.ts'
import { type Refusal, refuseField } from '#core/error.ts'
import type { RunState } from '#core/run.ts'
import { endRun, endRuns } from '#runs/control/end-by-hand.ts'
import { debugRun, resetIdempotencyKey } from '#runs/control/mark-run.ts'
import { redriveRun, rescheduleRun, resumeRun } from '#runs/control/move-by-hand.ts'
import { pauseRun } from '#runs/control/pause-run.ts'
import { redriveRuns } from '#runs/control/redrive-runs.ts'
import { replayRun } from '#runs/control/replay-run.ts'
import { restartRun } from '#runs/control/restart-run.ts'
import { askedBy } from '../caller.ts'
import { implement } from '../implement.ts'
import { itemProblem } from '../problems.ts'
import { runRequest } from '../wire/run-request.ts'
import { runWire } from '../wire/run-wire.ts'

export function runControlRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.cancelRun, async ({ run_id, reason }, caller) =>
    runWire(await endRun(ctx, { ...askedBy(caller), runId: run_id, reason })),
  )
  implement(app, contract.rescheduleRun, async ({ run_id, scheduled_at, payload }, caller) =>
    runWire(
      await rescheduleRun(ctx, { ...askedBy(caller), runId: run_id, scheduledAt: new Date(scheduled_at), payload }),
    ),
  )
  implement(app, contract.pauseRun, async ({ run_id, reason }, caller) =>
    runWire(await pauseRun(ctx, { ...askedBy(caller), runId: run_id, reason })),
  )
  implement(app, contract.resumeRun, async ({ run_id }, caller) =>
    runWire(await resumeRun(ctx, { ...askedBy(caller), runId: run_id })),
  )
  implement(app, contract.restartRun, async ({ run_id, preset }, caller) =>
    runWire(await restartRun(ctx, { ...askedBy(caller), runId: run_id, preset })),
  )
  implement(app, contract.replayRun, async ({ run_id, from_checkpoint, ...changes }, caller) => {
    const target = { ...askedBy(caller), runId: run_id, fromCheckpoint: from_checkpoint }
    return runWire(await replayRun(ctx, { ...target, changes: runRequest(changes) }))
  })
  implement(app, contract.redriveRun, async ({ run_id }, caller) =>
    runWire(await redriveRun(ctx, { ...askedBy(caller), runId: run_id })),
  )
  implement(app, contract.resetIdempotencyKey, async ({ run_id }, caller) => {
    const run = await resetIdempotencyKey(ctx, { ...askedBy(caller), runId: run_id })
    return { status: 'reset' as const, run_id: run.publicId }
  })
  implement(app, contract.debugRun, async ({ run_id, debug_mode }, caller) =>
    runWire(await debugRun(ctx, { ...askedBy(caller), runId: run_id, debugMode: debug_mode })),
  )
  implement(app, contract.redriveRuns, async ({ run_ids, job, limit }, caller) => {
    if ((run_ids === undefined) === (job === undefined))
      throw refuseField('run_ids', 'or job must be given, and not both')
    if (run_ids !== undefined && limit !== undefined) throw refuseField('limit', 'goes with job only')
    const which = run_ids === undefined ? { job: job!, limit: limit ?? 100 } : { runIds: run_ids }
    const { results, total, failed } = summed(await redriveRuns(ctx, { ...askedBy(caller), ...which }))
    return { results, total, redriven: total - failed, failed }
  })
  implement(app, contract.cancelRuns, async ({ run_ids, reason }, caller) => {
    const { results, total, failed } = summed(await endRuns(ctx, { ...askedBy(caller), runIds: run_ids, reason }))
    const dismissed = results.filter((it) => it.status === 'failed' && !it.error).length
    return { results, total, canceled: total - failed - dismissed, dismissed, failed }
  })
}

type Done = { runId: string; state?: string; problem?: Refusal }

function summed(done: readonly Done[]) {
  const results = done.map(({ runId, state, problem }) => ({
    id: runId,
    status: (state ?? null) as RunState | null,
    ...(problem && { error: itemProblem(problem) }),
  }))
  return { results, total: done.length, failed: done.filter((it) => it.problem).length }
}
