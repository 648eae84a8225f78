// Schedules: the row of a job is its timer. Whoever moves it forward fires it, in one transaction with the runs and
// the events, so that two nodes, or a crash, neither fire a tick twice nor lose it.
import type { TransactionSql } from 'postgres'
import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import type { Actor } from '#core/event.ts'
import { queueOf } from '#core/queue.ts'
import { ACTIVE_STATES } from '#core/run.ts'
import { type JobRow, lockDueCrons, setNextCron } from '#jobs/jobs.sql.ts'
import { nextTick, ticksBetween } from '#jobs/schedule.ts'
import { appendEvents } from '#log/append-events.sql.ts'
import type { Sql } from '#postgres/sql.ts'
import { insertRuns } from '#run-state/insert/insert-runs.sql.ts'
import { listRuns } from '#run-state/read/list-runs.sql.ts'
import { cancelRuns } from '../control/cancel-runs.ts'
import { nextCronInMs } from '../waits/timers.sql.ts'
import { prepareRun } from './prepare-run.ts'

const BATCH_MAX = 20
/** Ticks caught up with at most, under the policy `all`: the latest ones. */
const MISSED_MAX = 100
/** A tick that is later than this was missed: nobody was there to fire it. */
const LATE_MS = 60_000
/** When a job is looked at again whose expression cannot even be read. */
const UNREADABLE_MS = 3_600_000

export const cron = (ctx: Ctx): Duty => ({
  name: 'cron',
  everyMs: 5_000,
  topics: ['timers'],
  async tick(signal) {
    for (let count = 0; count < BATCH_MAX && !signal.aborted; count++) {
      // A transaction for each job: none waits for the ticks of another, or is lost with them.
      const fired = (await ctx.sql.begin((tx) => fireNext(ctx, tx))) as Fired | undefined
      if (!fired) return { inMs: await nextCronInMs(ctx.sql) }
      ctx.ring([`queue:${queueOf(fired.job.definition)}`, 'tail'])
      await cancelReplaced(ctx, fired)
    }
    return 'again'
  },
})

type Fired = { job: JobRow; replaced: string[] }

/** Fires the job that is due longest; undefined when none is. */
async function fireNext(ctx: Ctx, transaction: TransactionSql): Promise<Fired | undefined> {
  const tx = transaction as unknown as Sql
  const [job] = await lockDueCrons(tx, 1)
  if (!job) return undefined
  try {
    // What it wrote until it failed is undone, and the lock is kept: the job is put off before anybody tries again.
    return (await transaction.savepoint((inner) => fire(inner as unknown as Sql, job, job.now))) as Fired
  } catch (error) {
    ctx.log.error({ err: error, job: job.id }, 'a schedule could not be fired')
    await putOff(tx, job, job.now)
    return { job, replaced: [] }
  }
}

async function putOff(tx: Sql, job: JobRow, now: Date): Promise<void> {
  await setNextCron(tx, job.id, nextReadable(job, now))
  const data = { job: job.slug, tick: job.nextCronAt!.toISOString(), reason: 'internal' }
  await appendEvents(tx, [{ ...fact(job), type: 'schedule.failed', level: 'error', data }])
}

function nextReadable({ definition }: JobRow, now: Date): Date | undefined {
  try {
    return nextTick(definition.cron!, definition.timezone, now)
  } catch {
    return new Date(now.getTime() + UNREADABLE_MS)
  }
}

// After the commit: what a tick replaces is canceled once its successor is safe.
async function cancelReplaced(ctx: Ctx, { job, replaced }: Fired): Promise<void> {
  if (replaced.length === 0) return
  const reason = 'replaced by the next tick'
  try {
    await cancelRuns(ctx, { projectId: job.projectId, actor: actorOf(job), runIds: replaced, reason })
  } catch (error) {
    // The next tick finds them still under way and replaces them too; other jobs need not wait for that.
    ctx.log.error({ err: error, job: job.id }, 'the runs that a tick replaces could not be canceled')
  }
}

const actorOf = (job: JobRow): Actor => ({ type: 'schedule', id: job.id })

async function fire(tx: Sql, job: JobRow, now: Date): Promise<Fired> {
  const { cron: expression, timezone, cronOverlapPolicy, enabled } = job.definition
  if (!expression || !enabled) {
    await setNextCron(tx, job.id, undefined)
    return { job, replaced: [] }
  }
  const ticks = dueTicks(job, now)
  const live =
    cronOverlapPolicy === 'allow'
      ? []
      : await listRuns(tx, {
          projectId: job.projectId,
          jobId: job.id,
          states: ACTIVE_STATES,
          order: 'oldest',
          limit: 500,
        })
  const busy = cronOverlapPolicy === 'skip' && live.length > 0
  for (const at of ticks)
    await (busy || (cronOverlapPolicy === 'skip' && at !== ticks.at(-1)) ? skip(tx, job, at) : trigger(tx, job, at))
  await setNextCron(tx, job.id, nextTick(expression, timezone, now))
  return {
    job,
    replaced: cronOverlapPolicy === 'cancel_running' && ticks.length > 0 ? live.map((run) => run.publicId) : [],
  }
}

/** The ticks that are to be run now: the one that is due, and of those that were missed as many as the job wants. */
function dueTicks(job: JobRow, now: Date): Date[] {
  const { cron: expression, timezone, cronMissedPolicy } = job.definition
  const since = (from: Date, max: number) => ticksBetween(expression!, timezone, { from, to: now, max })
  const due = job.nextCronAt!
  if (cronMissedPolicy === 'all') return since(due, MISSED_MAX)
  const onTime = since(new Date(Math.max(due.getTime(), now.getTime() - LATE_MS)), MISSED_MAX)
  return onTime.length > 0 || cronMissedPolicy === 'skip' ? onTime : since(due, 1)
}

const fact = (job: JobRow) => ({
  projectId: job.projectId,
  actor: actorOf(job),
  resourceType: 'schedule',
  resourceId: job.id,
})

async function skip(tx: Sql, job: JobRow, at: Date): Promise<void> {
  await appendEvents(tx, [
    { ...fact(job), type: 'schedule.skipped', data: { job: job.slug, tick: at.toISOString(), reason: 'overlap' } },
  ])
}

async function trigger(tx: Sql, job: JobRow, at: Date): Promise<void> {
  const [fired] = await appendEvents(tx, [
    { ...fact(job), type: 'schedule.fired', data: { job: job.slug, tick: at.toISOString() } },
  ])
  if (fired!.outcome !== 'appended') throw new Error(`the tick of job ${job.id} was not logged`)
  const origin = {
    projectId: job.projectId,
    actor: actorOf(job),
    triggeredBy: 'cron' as const,
    correlationId: fired!.id,
    causationId: fired!.id,
  }
  const run = await prepareRun(tx, {
    job,
    request: { payload: job.definition.cronPayload ?? undefined, metadata: { tick: at.toISOString() } },
    origin,
    nowMs: at.getTime(),
  })
  const problem = run instanceof Error ? run.message : (await insertRuns(tx, [run]))[0]!.outcome
  // A paused job that refuses runs, or a payload that its schema refuses: the tick is told, and the next one may work.
  if (problem !== 'created') {
    await appendEvents(tx, [
      {
        ...fact(job),
        type: 'schedule.failed',
        level: 'error',
        correlationId: fired!.id,
        causationId: fired!.id,
        data: { job: job.slug, tick: at.toISOString(), reason: problem },
      },
    ])
  }
}
