// Triggers cron schedules: from due jobs to their runs, their events and their next ticks, together in a few
// statements. The caller holds the locks of the jobs.
import type { Tx } from '#bell/transact.ts'
import { HOUR_MS } from '#core/durations.ts'
import type { Actor } from '#core/event.ts'
import { type NextCron, setNextCrons } from '#jobs/due-crons.sql.ts'
import type { JobRow } from '#jobs/jobs.sql.ts'
import { nextTick, tickAfter, ticksBetween } from '#jobs/schedule.ts'
import { appendIn } from '#log/append-event.ts'
import type { NewEvent } from '#log/new-event.sql.ts'
import { newId } from '#postgres/id.ts'
import type { NewRun } from '#run-state/insert/insert-runs.sql.ts'
import { admitRuns } from './admit-runs.ts'
import { readBusyJobs } from './cron-overlap.ts'
import { prepareRun } from './prepare-run.ts'

/** Limit of runs, and of events of one kind, per call: what their statements accept. */
export const TICKS_MAX = 500
/** Maximum number of ticks caught up with under the policy `all`: the latest ones. */
const MISSED_MAX = 100
/** A tick later than this was missed: no node was running. */
const LATE_MS = 60_000
/** When to retry a job whose expression cannot even be parsed. */
const UNREADABLE_MS = HOUR_MS

export type Fired = {
  /** The jobs that were processed: the first ones, as many as fit. The others are unchanged. */
  jobs: JobRow[]
  /** Of those, the jobs whose active runs are replaced by the new ones. */
  replacing: JobRow[]
}

/** Triggers the first of these jobs, as many as fit in one call, at least one. */
export async function fireCrons(tx: Tx, jobs: readonly JobRow[], now: Date): Promise<Fired> {
  const due = firstThatFit(jobs, now)
  const busy = await readBusyJobs(
    tx,
    due.map(({ job }) => job),
    now,
  )
  const events: NewEvent[] = []
  const prepared: { job: JobRow; at: Date; firedId: string; run: NewRun | Error }[] = []
  for (const { job, ticks } of due) {
    const skips = job.definition.cronOverlapPolicy === 'skip'
    for (const at of ticks) {
      if (skips && (busy.has(job.id) || at !== ticks.at(-1))) {
        events.push({ ...fact(job, at, { reason: 'overlap' }), type: 'schedule.skipped' })
        continue
      }
      const firedId = newId()
      events.push({ ...fact(job, at), id: firedId, type: 'schedule.fired' })
      prepared.push({ job, at, firedId, run: await runOf(tx, job, at, firedId) })
    }
  }
  await appendAll(tx, events)
  const runs = prepared.flatMap(({ run }) => (run instanceof Error ? [] : [run]))
  const inserted = runs.length === 0 ? [] : await admitRuns(tx, runs)
  const outcomeOf = new Map(runs.map((run, index) => [run.id, inserted[index]!.outcome]))
  // A paused job that refuses runs, or a payload that does not match: the tick is logged, and the next one may work.
  const failed = prepared.flatMap(({ job, at, firedId, run }): NewEvent[] => {
    const reason = run instanceof Error ? run.message : outcomeOf.get(run.id)!
    if (reason === 'created' || reason === 'debounced') return []
    const cause = { correlationId: firedId, causationId: firedId, level: 'error' }
    return [{ ...fact(job, at, { reason }), ...cause, type: 'schedule.failed' }]
  })
  await appendAll(tx, failed)
  await setNextCrons(
    tx,
    due.map((it): NextCron => ({ jobId: it.job.id, at: it.next })),
  )
  const replaces = ({ job, ticks }: Due) =>
    job.definition.cronOverlapPolicy === 'cancel_running' && ticks.length > 0 && busy.has(job.id)
  return {
    jobs: due.map(({ job }) => job),
    replacing: due.filter(replaces).map(({ job }) => job),
  }
}

/** A job that cannot be triggered is due again at its next tick, and logs why. */
export async function putOff(tx: Tx, job: JobRow, now: Date): Promise<void> {
  await setNextCrons(tx, [{ jobId: job.id, at: nextReadable(job, now) }])
  await appendIn(tx, [
    { ...fact(job, job.nextCronAt!, { reason: 'internal' }), type: 'schedule.failed', level: 'error' },
  ])
}

function nextReadable({ definition }: JobRow, now: Date): Date | undefined {
  try {
    return nextTick(definition.cron!, definition.timezone, now)
  } catch {
    return new Date(now.getTime() + UNREADABLE_MS)
  }
}

type Due = { job: JobRow; ticks: Date[]; next: Date | undefined }

function firstThatFit(jobs: readonly JobRow[], now: Date): Due[] {
  const due: Due[] = []
  let count = 0
  for (const job of jobs) {
    const one = dueOf(job, now)
    count += one.ticks.length
    if (count > TICKS_MAX && due.length > 0) break
    due.push(one)
  }
  return due
}

/** The ticks to run now: the one that is due and, of the missed ones, as many as the job wants. */
function dueOf(job: JobRow, now: Date): Due {
  const { cron: expression, timezone, cronMissedPolicy, enabled } = job.definition
  if (!expression || !enabled) return { job, ticks: [], next: undefined }
  const due = job.nextCronAt!
  const next = tickAfter(expression, timezone, due)
  // Nearly always it is on time, and nothing was missed.
  if ((!next || next > now) && now.getTime() - due.getTime() <= LATE_MS) return { job, ticks: [due], next }
  const since = (from: Date, max: number) => ticksBetween(expression, timezone, { from, to: now, max })
  const after = nextTick(expression, timezone, now)
  if (cronMissedPolicy === 'all') return { job, ticks: since(due, MISSED_MAX), next: after }
  const onTime = since(new Date(Math.max(due.getTime(), now.getTime() - LATE_MS)), MISSED_MAX)
  const ticks = onTime.length > 0 || cronMissedPolicy === 'skip' ? onTime : since(due, 1)
  return { job, ticks, next: after }
}

export const scheduleOf = (job: JobRow): Actor => ({ type: 'schedule', id: job.id })

const fact = (job: JobRow, at: Date, more: { reason?: string } = {}) => ({
  projectId: job.projectId,
  actor: scheduleOf(job),
  resourceType: 'schedule',
  resourceId: job.id,
  data: { job: job.slug, tick: at.toISOString(), ...more },
})

const runOf = (tx: Tx, job: JobRow, at: Date, firedId: string): Promise<NewRun | Error> =>
  prepareRun(tx, {
    job,
    request: { payload: job.definition.cronPayload ?? undefined, metadata: { tick: at.toISOString() } },
    origin: {
      projectId: job.projectId,
      actor: scheduleOf(job),
      triggeredBy: 'cron',
      correlationId: firedId,
      causationId: firedId,
    },
    nowMs: at.getTime(),
  })

async function appendAll(tx: Tx, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return
  const appended = await appendIn(tx, events)
  if (appended.some(({ outcome }) => outcome !== 'appended')) throw new Error('a tick was not logged')
}
