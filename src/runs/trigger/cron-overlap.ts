// What a cron tick does about runs of its job that are still in progress. A run scheduled for later has not
// started, and does not count.
import { ACTIVE_STATES } from '#core/run.ts'
import type { JobRow } from '#jobs/jobs.sql.ts'
import { instantText } from '#postgres/instant.ts'
import type { Db, Sql } from '#postgres/sql.ts'
import { listRuns } from '#run-state/read/list-runs.sql.ts'
import { readLiveCounts } from '#run-state/read/live-counts.sql.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'

/** Active runs of a job that one tick examines, oldest first: any beyond that are replaced by the next tick. */
const LOOKED_MAX = 500

/** Scheduled for a time, given as a time or as a delay. A run between two attempts has started: it is in progress. */
const isPlanned = (run: RunRow, now: Date): boolean =>
  run.state === 'delayed' && run.attempt === 1 && run.dueAt !== null && run.dueAt > now

/** Of these jobs, those with a run in progress, including runs between two attempts. */
export async function readBusyJobs(tx: Db, jobs: readonly JobRow[], now: Date): Promise<ReadonlySet<string>> {
  const asked = new Map(
    jobs.filter((job) => job.definition.cronOverlapPolicy !== 'allow').map((job) => [job.id, job] as const),
  )
  const busy = new Set<string>()
  if (asked.size === 0) return busy
  for (const { jobId, underWay, delayed } of await readLiveCounts(tx, [...asked.keys()])) {
    const { projectId } = asked.get(jobId)!
    if (underWay > 0 || (delayed > 0 && (await isRetrying(tx, { projectId, jobId }, now)))) busy.add(jobId)
  }
  return busy
}

async function isRetrying(tx: Db, job: { projectId: string; jobId: string }, now: Date): Promise<boolean> {
  const waiting = await listRuns(tx, { ...job, states: ['delayed'], order: 'oldest', limit: LOOKED_MAX })
  return waiting.some((run) => !isPlanned(run, now))
}

/** The runs that a tick at `firedAt` replaces. */
export async function readReplaced(sql: Sql, { projectId, id }: JobRow, firedAt: Date): Promise<string[]> {
  const createdTo = instantText(firedAt)
  const live = await listRuns(sql, {
    projectId,
    jobId: id,
    states: ACTIVE_STATES,
    createdTo,
    order: 'oldest',
    limit: LOOKED_MAX,
  })
  return live.filter((run) => !isPlanned(run, firedAt)).map((run) => run.publicId)
}
