// A run created by another one: a child, or a continuation. Both are created in one transaction under the lock of the
// creating run: a cancel of it either comes first, and the call is refused, or comes later, and finds the new run.

import type { Ctx } from '#bell/ctx.ts'
import type { Tx } from '#bell/transact.ts'
import { refuse } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import { isOver } from '#core/run.ts'
import { jobsOf } from '#jobs/job-cache.ts'
import type { JobRow } from '#jobs/jobs.sql.ts'
import { recordOfRun } from '#log/record.ts'
import type { NewRun } from '#run-state/insert/insert-runs.sql.ts'
import { findRun, type RunRow } from '#run-state/read/read-runs.sql.ts'
import type { Admitted } from '../trigger/admission.ts'
import { admitRuns } from '../trigger/admit-runs.ts'
import { prepareRun } from '../trigger/prepare-run.ts'
import type { Origin, RunRequest } from '../trigger/run-request.ts'
import { outcomeOf, type Triggered } from '../trigger/trigger-runs.ts'

const TRIES_MAX = 5

export type RunFromRun = {
  /** The creating run, as it was just read. */
  above: RunRow
  /** Its lease, when its own attempt asks. */
  token?: string | undefined
  actor: Actor
  causationId?: string | undefined
  job: string
  request: RunRequest
  origin: Omit<Origin, 'actor' | 'projectId' | 'correlationId' | 'causationId'>
  /** The event of the creating run, which causes the new one. */
  event: { type: string; data: (created: NewRun, job: JobRow) => object }
  /** What else happens in the same transaction. */
  also?: (tx: Tx, created: NewRun) => Promise<void>
}

export async function createFromRun(ctx: Ctx, it: RunFromRun): Promise<Triggered> {
  const { projectId } = it.above
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const job = await jobsOf(ctx).find(projectId, it.job)
    if (!job) throw refuse('job_not_found', { job: it.job })
    const origin: Origin = { ...it.origin, projectId, actor: it.actor, correlationId: it.above.correlationId }
    const prepared = await prepareRun(ctx.sql, { job, request: it.request, origin, nowMs: ctx.nowMs() })
    if (prepared instanceof Error) throw prepared
    const inserted = await insertUnder(ctx, it, { prepared, job })
    // Only now: acquiring a second connection while the first one holds the lock above could exhaust the pool.
    const triggered = await outcomeOf(ctx, { job, jobName: it.job, run: prepared, inserted })
    if (triggered instanceof Error) throw triggered
    if (triggered) return triggered
    jobsOf(ctx).forget(projectId, it.job)
  }
  throw new Error(`job ${it.job} kept changing while a run of it was being created from ${it.above.publicId}`)
}

function insertUnder(
  ctx: Ctx,
  { above, token, actor, causationId, event, also }: RunFromRun,
  { prepared, job }: { prepared: NewRun; job: JobRow },
): Promise<Admitted> {
  const { projectId, publicId } = above
  const data = event.data(prepared, job)
  const asks = { projectId, runId: above.id, token, type: event.type, actor, causationId, data }
  return recordOfRun<Admitted>(ctx, asks, async (tx, appended, rollBack) => {
    if (appended.outcome !== 'appended') throw refuse('stale_lease', { runId: publicId })
    // We hold the lock now, so the run's state cannot change before the new one is committed.
    const now = await findRun(tx, projectId, publicId)
    if (isOver(now!.state)) throw refuse('run_over', { runId: publicId, state: now!.state })
    const [inserted] = await admitRuns(tx, [{ ...prepared, causationId: appended.id }])
    // Nothing was created: the event must not say so.
    if (inserted!.outcome !== 'created') return rollBack(inserted!)
    await also?.(tx, prepared)
    return inserted!
  })
}
