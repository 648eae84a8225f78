// Triggering: one path for single runs, batches, cron, spawns and replays.

import type { Ctx } from '#bell/ctx.ts'
import { type Refusal, refuse } from '#core/error.ts'
import { jobsOf } from '#jobs/job-cache.ts'
import type { JobRow } from '#jobs/jobs.sql.ts'
import { insertRun } from '#run-state/insert/insert-run.ts'
import type { NewRun } from '#run-state/insert/insert-runs.sql.ts'
import { type RunRow, readRuns } from '#run-state/read/read-runs.sql.ts'
import type { Admitted } from './admission.ts'
import { admitRun } from './admit-runs.ts'
import { newRunRow } from './new-run-row.ts'
import { prepareRun } from './prepare-run.ts'
import type { Origin, RunRequest } from './run-request.ts'

/** `debounced`: it was merged into this run, which an earlier trigger made. */
export type Triggered = { run: RunRow; replayed: boolean; debounced?: true }

/** Triggers one run of a job, named by id or slug. */
export async function triggerRun(ctx: Ctx, job: string, request: RunRequest, origin: Origin): Promise<Triggered> {
  const [triggered] = await triggerRuns(ctx, job, [request], origin)
  if (triggered instanceof Error) throw triggered
  return triggered!
}

/**
 * Triggers up to 500 runs; one that is refused, or fails, does not affect the others. Throws only when the job is not
 * found.
 */
export async function triggerRuns(
  ctx: Ctx,
  jobName: string,
  requests: readonly RunRequest[],
  origin: Origin,
): Promise<(Triggered | Error)[]> {
  const job = await jobsOf(ctx).find(origin.projectId, jobName)
  if (!job) throw refuse('job_not_found', { job: jobName })
  const trigger = (request: RunRequest) => triggerOne(ctx, { job, jobName, request, origin }).catch(asError)
  // Of several with one key, the first is created.
  const latest = new Map<string, Promise<unknown>>()
  return Promise.all(
    requests.map((request) => {
      const { idempotencyKey: key } = request
      if (key === undefined) return trigger(request)
      const one = (latest.get(key) ?? Promise.resolve()).then(() => trigger(request))
      latest.set(key, one)
      return one
    }),
  )
}

/** An error of one item is returned beside the results of the others. */
const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

type One = { job: JobRow; jobName: string; request: RunRequest; origin: Origin }

async function triggerOne(ctx: Ctx, one: One): Promise<Triggered | Refusal> {
  const { jobName, request, origin } = one
  let { job } = one
  // A job may change between our read and the insert, and a key may be freed between the insert and our second read.
  for (let tries = 0; tries < 5; tries++) {
    const prepared = await prepareRun(ctx.sql, { job, request, origin, nowMs: ctx.nowMs() })
    if (prepared instanceof Error) return prepared
    const inserted = await (prepared.flow ? admitRun : insertRun)(ctx, prepared)
    const done = await outcomeOf(ctx, { job, jobName, run: prepared, inserted })
    if (done) return done
    jobsOf(ctx).forget(origin.projectId, jobName)
    const found = await jobsOf(ctx).find(origin.projectId, jobName)
    if (!found) return refuse('job_not_found', { job: jobName })
    job = found
  }
  throw new Error(`job ${jobName} kept changing while a run of it was being created`)
}

type Outcome = { job: JobRow; jobName: string; run: NewRun; inserted: Admitted }

/** Undefined: read again. */
export async function outcomeOf(
  ctx: Ctx,
  { job, jobName, run, inserted }: Outcome,
): Promise<Triggered | Refusal | undefined> {
  switch (inserted.outcome) {
    case 'created':
      return { run: newRunRow(job, run, inserted), replayed: false }
    case 'key_taken': {
      if (inserted.fingerprint !== run.idempotency!.fingerprint)
        return refuse('idempotency_mismatch', { key: run.idempotency!.key })
      const [first] = await readRuns(ctx.sql, [inserted.runId])
      return first && { run: first, replayed: true }
    }
    case 'debounced': {
      const [merged] = await readRuns(ctx.sql, [inserted.runId])
      return merged && { run: merged, replayed: false, debounced: true }
    }
    case 'rate_limited': {
      const { outcome: _, ...refused } = inserted
      return refuse('job_rate_limited', { job: job.slug, ...refused })
    }
    case 'job_disabled':
      return refuse('job_disabled', { job: jobName })
    case 'job_paused':
      return refuse('job_paused', { job: jobName })
    case 'job_changed':
    case 'job_missing':
      return undefined
  }
}
