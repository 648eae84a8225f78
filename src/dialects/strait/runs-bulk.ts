// Strait's bulk operations on runs.

import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import { type Refusal, refuse, refuseField } from '#core/error.ts'
import { isOver, type RunState } from '#core/run.ts'
import { askedBy } from '#http/caller.ts'
import { implement } from '#http/implement.ts'
import { jobsOf } from '#jobs/job-cache.ts'
import { isUuid } from '#postgres/id.ts'
import { asMoved } from '#run-state/move/move-outcome.ts'
import { idsOf, type RunRow, readRuns } from '#run-state/read/read-runs.sql.ts'
import { cancelMatching } from '#runs/control/cancel-matching.ts'
import { cancelRuns } from '#runs/control/cancel-runs.ts'
import { redriveOldest, redriveRuns } from '#runs/control/redrive-runs.ts'
import { replayRuns } from '#runs/control/replay-runs.ts'
import { checkProjectOfBulk } from './paging.ts'
import { triggersShownAs } from './run-wire.ts'
import * as contract from './runs-control-contract.ts'
import { isReplayable } from './runs-controls.ts'
import { runsWithBodies } from './runs-reads.ts'
import { straitRefusal } from './wording.ts'

/** The error of runs that were canceled together. */
const error = 'canceled by user (bulk)'
const CANCEL_IDS_MAX = 100
const CANCEL_MATCHING_MAX = 10_000
/** Default number of dead letters to redrive. */
const REDRIVE_OLDEST = 100

export function straitBulkRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.cancelRuns, async ({ run_ids, ids }, caller) => {
    const given = run_ids ?? ids ?? []
    if (given.length === 0) throw refuseField('run_ids', 'must name at least one run')
    if (given.length > CANCEL_IDS_MAX)
      throw straitRefusal(400, `maximum ${CANCEL_IDS_MAX} run IDs per bulk cancel request`)
    const named = await readNamed(ctx, caller.projectId, given)
    const live = [...named].flatMap(([id, run]) => (run && !isOver(run.state) ? [id] : []))
    const canceled = await cancelRuns(ctx, { ...askedBy(caller), runIds: live, error })
    const results = canceled.map((it) => resultOf(it as Canceled))
    const others = [...named].flatMap(([id, run]) =>
      !run
        ? [{ id, status: 'failed', error: 'run not found' }]
        : isOver(run.state)
          ? [{ id, status: run.state, error: 'run already in terminal state' }]
          : [],
    )
    return summed([...others, ...results])
  })
  implement(app, contract.cancelMatching, async ({ project_id, job_id, batch_id, triggered_by, status }, caller) => {
    checkProjectOfBulk(project_id, caller)
    // Clients send all four, with "" for those that they do not mean.
    if (![job_id, batch_id, triggered_by, status].some(Boolean))
      throw straitRefusal(400, 'at least one filter is required')
    if (batch_id && !isUuid(batch_id)) throw refuseField('batch_id', 'must be a uuid')
    const job = job_id ? await jobsOf(ctx).find(caller.projectId, job_id) : undefined
    // A filter that nothing can match.
    if (job_id && !job) return summed([])
    const filter = {
      jobId: job?.id,
      batchId: batch_id || undefined,
      ...triggersShownAs(triggered_by || undefined),
      states: status ? [status] : undefined,
    }
    const done = await cancelMatching(ctx, { ...askedBy(caller), filter, max: CANCEL_MATCHING_MAX, error })
    return summed(done.map(resultOf))
  })
  implement(app, contract.replayRuns, async ({ run_ids }, caller) => {
    const named = await readNamed(ctx, caller.projectId, run_ids)
    const runIds = [...named].flatMap(([id, run]) => (run && isReplayable(run) ? [id] : []))
    const replayed = await replayRuns(ctx, { ...askedBy(caller), runIds })
    return rowsOf(
      ctx,
      caller.projectId,
      replayed.flatMap((it) => ('replay' in it && it.replay ? [it.replay] : [])),
    )
  })
  implement(app, contract.redriveRuns, async ({ run_ids, project_id, limit }, caller) => {
    // Clients send all three, with an empty list, an empty string or 0 for those that they do not mean.
    const ids = run_ids ?? []
    if (ids.length > 0 === Boolean(project_id)) throw straitRefusal(400, 'provide either run_ids or project_id')
    checkProjectOfBulk(project_id, caller)
    const asked = askedBy(caller)
    const done =
      ids.length > 0
        ? await redriveRuns(ctx, { ...asked, runIds: deadLettersOf(await readNamed(ctx, caller.projectId, ids)) })
        : await redriveOldest(ctx, { ...asked, limit: limit || REDRIVE_OLDEST })
    const moved = done.flatMap((it) =>
      it.problem ? [] : idsOf(caller.projectId, it.runId).map((id) => ({ id, state: 'queued' as const })),
    )
    if (moved.length === 0) throw straitRefusal(409, 'no dead_letter runs available for replay')
    const replayed = await rowsOf(ctx, caller.projectId, moved)
    return { replayed, count: replayed.length }
  })
}

type Moved = { id: string; state: RunState }

/** These runs, in this order, after the call. */
async function rowsOf(ctx: Ctx, projectId: string, moved: readonly Moved[]) {
  const found = await readRuns(
    ctx.sql,
    moved.map((it) => it.id),
  )
  // A string that looks like one of our ids may also be a client's own id of a run.
  const rows = new Map(found.filter((run) => run.projectId === projectId).map((run) => [run.id, run]))
  return runsWithBodies(
    ctx,
    moved.flatMap((it) => {
      const run = rows.get(it.id)
      return run ? [asMoved(run, it)] : []
    }),
  )
}

/** The runs with these ids, each once, in request order. */
async function readNamed(
  ctx: Ctx,
  projectId: string,
  ids: readonly string[],
): Promise<Map<string, RunRow | undefined>> {
  const rows = await readRuns(
    ctx.sql,
    ids.flatMap((id) => idsOf(projectId, id)),
  )
  const own = new Map(rows.filter((run) => run.projectId === projectId).map((run) => [run.id, run]))
  return new Map(ids.map((id) => [id, idsOf(projectId, id).flatMap((one) => own.get(one) ?? [])[0]]))
}

/** One unknown id refuses them all, before any of them moves; a run that is not a dead letter is omitted. */
function deadLettersOf(named: Map<string, RunRow | undefined>): string[] {
  for (const [runId, run] of named) if (!run) throw refuse('run_not_found', { runId })
  return [...named].flatMap(([id, run]) => (run!.state === 'dead_letter' ? [id] : []))
}

type Canceled = { runId: string; state: string; problem?: Refusal }

const resultOf = ({ runId, state, problem }: Canceled) => ({
  id: runId,
  status: state,
  ...(problem && { error: 'failed to cancel (status may have changed)' }),
})

function summed(results: readonly { id: string; status: string; error?: string }[]) {
  const failed = results.filter((it) => it.error !== undefined)
  const canceled = results.filter((it) => it.error === undefined)
  return {
    results: [...failed, ...canceled],
    total: results.length,
    canceled: canceled.length,
    failed: failed.length,
  }
}
