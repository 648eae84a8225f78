// A child of a run. Parent and child are tied in one transaction under the parent's lock: a cancel of the parent
// comes before it, and the spawn is refused, or after it, and finds the child.
import { refuse } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { isOver } from '#core/run.ts'
import { appendEvents } from '#storage/append-events.ts'
import { type InsertedRun, insertRuns } from '#storage/insert-runs.ts'
import { countAncestors, findRun } from '#storage/read-runs.ts'
import type { Sql } from '#storage/sql.ts'
import type { Ctx } from './ctx.ts'
import { outcomeOf, prepareRun, type RunRequest, type Triggered } from './trigger-runs.ts'

/** Runs nest so deep and no deeper: beyond it is a loop that nobody meant. */
const DEPTH_MAX = 100

type Parent = Cause & {
  projectId: string
  /** Public id of the parent. */
  parentRunId: string
  /** The parent's lease, when it is the parent itself that asks. */
  token?: string | undefined
}

/** Triggers a run of `jobName` as a child of a run that is not over. */
export async function spawnRun(ctx: Ctx, jobName: string, request: RunRequest, parent: Parent): Promise<Triggered> {
  const { projectId, parentRunId } = parent
  const above = await findRun(ctx.sql, projectId, parentRunId)
  if (!above) throw refuse('run_not_found', { runId: parentRunId })
  if ((await countAncestors(ctx.sql, above.id, DEPTH_MAX)) >= DEPTH_MAX)
    throw refuse('depth_exceeded', { depthMax: DEPTH_MAX })
  for (let tries = 0; tries < 5; tries++) {
    const job = await ctx.jobs.find(projectId, jobName)
    if (!job) throw refuse('job_not_found', { job: jobName })
    const origin = {
      projectId,
      actor: parent.actor,
      triggeredBy: 'spawn' as const,
      correlationId: above.correlationId,
      parentRunId: above.id,
    }
    const prepared = prepareRun(job, request, origin, Date.now())
    if (prepared instanceof Error) throw prepared
    const inserted = await ctx.sql
      .begin(async (transaction) => {
        const tx = transaction as unknown as Sql
        const [asked] = await appendEvents(tx, [
          {
            projectId,
            runId: above.id,
            token: parent.token,
            type: 'run.child_spawned',
            actor: parent.actor,
            causationId: parent.causationId,
            data: { child_run_id: prepared.id, job: job.slug },
          },
        ])
        if (asked!.outcome !== 'appended') throw refuse('stale_lease', { runId: parentRunId })
        // The lock is ours now, so what the run is cannot change before the child is committed.
        const now = await findRun(tx, projectId, parentRunId)
        if (isOver(now!.state)) throw refuse('run_over', { runId: parentRunId, state: now!.state })
        const [inserted] = await insertRuns(tx, [{ ...prepared, causationId: asked!.id }])
        // Nothing was created: the event must not say so.
        if (inserted!.outcome !== 'created') throw new NotCreated(inserted!)
        return inserted!
      })
      .catch((error: unknown) => {
        if (error instanceof NotCreated) return error.inserted
        throw error
      })
    // Only now: a second connection, asked for while the first one holds the parent, can be one too many.
    const triggered = await outcomeOf(ctx, { job, jobName, run: prepared, inserted: inserted as InsertedRun })
    if (triggered instanceof Error) throw triggered
    if (triggered) {
      ctx.ring([
        `run:${above.id}`,
        triggered.run.state === 'queued' ? `queue:${triggered.run.queue}` : 'timers',
        'tail',
      ])
      return triggered
    }
    ctx.jobs.forget(projectId, jobName)
  }
  throw new Error(`job ${jobName} kept changing while a child of ${parentRunId} was being created`)
}

/** Rolls the transaction back, and tells what stood in the way of the child. */
class NotCreated extends Error {
  readonly inserted: InsertedRun
  constructor(inserted: InsertedRun) {
    super('no child was created')
    this.inserted = inserted
  }
}
