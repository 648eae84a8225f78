// Cron schedules, in batches: the locks of the jobs, their runs, their events and their next ticks are one transaction,
// so that neither two nodes nor a crash can trigger a tick twice or lose it.

import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import { inSavepoint, type Tx, transact } from '#bell/transact.ts'
import { lockDueCrons } from '#jobs/due-crons.sql.ts'
import { type JobRow, readJobs } from '#jobs/jobs.sql.ts'
import { cancelRuns } from '../control/cancel-runs.ts'
import { nextCronInMs } from '../waits/timers.sql.ts'
import { readReplaced } from './cron-overlap.ts'
import { type Fired, fireCrons, putOff, scheduleOf, TICKS_MAX } from './fire-crons.ts'

/** Batches per tick and lane; then the loop checks whether it should stop. */
const BATCHES_MAX = 100
/** Concurrent batches once there is more than one: they wait for the database, which has more cores. */
const LANES = 2
/** Jobs whose runs are replaced concurrently. */
const REPLACED_AT_ONCE = 8
/** When others have locked everything that is due, they are processing it. */
const HELD_MS = 50

export const cron = (ctx: Ctx): Duty => {
  const lanes = Array.from({ length: LANES }, () => makeLane(ctx))
  const [first] = lanes
  return {
    name: 'cron',
    everyMs: 5_000,
    topics: ['timers'],
    async tick(signal) {
      const fired = await first!.fireBatch()
      if (fired >= TICKS_MAX) await Promise.all(lanes.map((lane) => lane.drain(signal)))
      else if (fired > 0) await first!.drain(signal)
      const inMs = await nextCronInMs(ctx.sql)
      if (inMs === undefined) return { inMs: undefined }
      return { inMs: Math.max(HELD_MS, inMs) }
    },
  }
}

/** Processes batches one after the other. Lanes, and nodes, never get the same job: locked rows are skipped. */
function makeLane(ctx: Ctx) {
  /** Where to continue with the projects that have not had their turn. */
  let after = ''
  /** Number of jobs that it locked. */
  async function fireBatch(): Promise<number> {
    let isWholePass = after === ''
    for (;;) {
      const batch = await transact(ctx, (tx) => fireDue(ctx, tx, after))
      after = batch.after
      await replaceRuns(ctx, batch)
      if (batch.locked > 0) return batch.locked
      // After the last project it wraps around to the first; nothing is due once all have been examined.
      if (after !== '') continue
      if (isWholePass) return 0
      isWholePass = true
    }
  }
  return {
    fireBatch,
    async drain(signal: AbortSignal): Promise<void> {
      for (let count = 0; count < BATCHES_MAX && !signal.aborted; count++) if ((await fireBatch()) === 0) return
    },
  }
}

type Batch = { locked: number; jobs: JobRow[]; replacing: JobRow[]; now: Date; after: string }

async function fireDue(ctx: Ctx, tx: Tx, after: string): Promise<Batch> {
  const due = await lockDueCrons(tx, after, TICKS_MAX)
  const { now, jobIds } = due
  const place = { now, locked: jobIds.length, after: due.after ?? '' }
  if (jobIds.length === 0) return { ...place, jobs: [], replacing: [] }
  // Read once they are locked: nobody changes them any more.
  const found = new Map((await readJobs(tx, jobIds)).map((job) => [job.id, job]))
  const jobs = jobIds.map((id) => found.get(id)!)
  return { ...place, ...(await fireAll(ctx, tx, jobs, now)) }
}

/**
 * Triggers these jobs together. If that fails, they are halved (bisection) until the failing job is found: no other job
 * loses its tick, or waits long because of it.
 */
async function fireAll(ctx: Ctx, tx: Tx, jobs: readonly JobRow[], now: Date): Promise<Fired> {
  try {
    // What was written until the failure is rolled back to a savepoint, and the locks are kept: nobody else tries
    // meanwhile.
    return await inSavepoint(tx, (inner) => fireCrons(inner, jobs, now))
  } catch (error) {
    if (jobs.length === 1) {
      ctx.log.error({ err: error, job: jobs[0]!.id }, 'a cron schedule could not be triggered')
      await putOff(tx, jobs[0]!, now)
      return { jobs: [...jobs], replacing: [] }
    }
    const half = Math.ceil(jobs.length / 2)
    const first = await fireAll(ctx, tx, jobs.slice(0, half), now)
    const second = await fireAll(ctx, tx, jobs.slice(half), now)
    return { jobs: [...first.jobs, ...second.jobs], replacing: [...first.replacing, ...second.replacing] }
  }
}

// After the commit: runs that a tick replaces are canceled once their successor is safe.
async function replaceRuns(ctx: Ctx, { replacing, now }: Batch): Promise<void> {
  for (let at = 0; at < replacing.length; at += REPLACED_AT_ONCE)
    await Promise.all(replacing.slice(at, at + REPLACED_AT_ONCE).map((job) => replaceRunsOf(ctx, job, now)))
}

async function replaceRunsOf(ctx: Ctx, job: JobRow, firedAt: Date): Promise<void> {
  const reason = 'replaced by the next tick'
  try {
    const runIds = await readReplaced(ctx.sql, job, firedAt)
    if (runIds.length === 0) return
    await cancelRuns(ctx, {
      projectId: job.projectId,
      actor: scheduleOf(job),
      runIds,
      reason,
      error: 'canceled by its schedule',
    })
  } catch (error) {
    // The next tick finds them still in progress and replaces them too; other jobs need not wait for that.
    ctx.log.error({ err: error, job: job.id }, 'the runs that a cron tick replaces could not be canceled')
  }
}
