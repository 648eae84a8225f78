// How attempts end: completed, failed, timed out, crashed, paused or given back. What follows a failure is decided
// in core from the run's retry policy; every end is fenced by the attempt's lease.

import { problemsUnder } from '#access/schema/json-schema.ts'
import type { Ctx } from '#bell/ctx.ts'
import { type Refusal, refuse, refuseField } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import { isOver, placeOf, type RunMove, type RunState } from '#core/run.ts'
import { afterFailure, type RetryPolicy } from '#core/runs/retry.ts'
import { cutText } from '#core/storable.ts'
import { jobsOf } from '#jobs/job-cache.ts'
import { isUnstorable } from '#postgres/group-commit.ts'
import { moveProblem } from '#run-state/move/move-outcome.ts'
import { moveRun } from '#run-state/move/move-run.ts'
import type { RunChange } from '#run-state/move/move-runs.sql.ts'
import { type RunJob, type RunRow, readRunJobs, readRuns } from '#run-state/read/read-runs.sql.ts'
import { cancelDescendants } from '../control/cancel-runs.ts'
import { attemptTimesOf } from './attempt-times.ts'
import { logEnding } from './log-ending.ts'
import { tellLosses } from './lost-lease.ts'

const EXECUTING: readonly RunState[] = ['executing']

/** Errors are kept for people: what is longer is cut. */
const ERROR_LENGTH_MAX = 8_192

export type Ending = {
  runId: string
  token: string
  actor: Actor
  trace?: object
  /** Only if the lease has run out by then: a heartbeat may have come in between. */
  onlyExpired?: true
  /** Said by the attempt itself, which may end its run while that waits; an executor's answer then ends nothing. */
  evenWaiting?: true
} & (
  | { kind: 'completed'; result?: unknown }
  | { kind: 'paused' | 'returned' }
  | (Failure & { kind: 'failed' | 'timed_out' | 'crashed' })
)

export type Failure = {
  error: string
  errorCode?: string | undefined
  retryable: boolean
  /** What the executor asked for in place of the policy's delay; counts up to its longest. */
  wantedDelayMs?: number | undefined
  /** What the endpoint asked for; makes the policy's delay longer, up to its longest. */
  retryAfterMs?: number | undefined
  /** An executor that says "failed, for good" ends the run; what merely cannot be retried is a dead letter. */
  forGood?: boolean
}

export type Ended = { state: RunState; attempt: number } | Error

/** Ends attempts, in batches as they come. A stale one gets its refusal and harms no other. */
export async function endAttempts(ctx: Ctx, endings: readonly Ending[]): Promise<Ended[]> {
  const [looked, jobs] = await Promise.all([lookAt(ctx, endings), jobsOfResults(ctx, endings)])
  const ended = await Promise.all(
    endings.map((ending) =>
      endOne(ctx, ending, { run: looked.get(ending.runId), job: jobs.get(ending.runId) }).catch(asError),
    ),
  )
  const times = attemptTimesOf(ctx)
  endings.forEach((ending, index) => {
    const end = ended[index]!
    // A refusal ended nothing, and whoever asked is told.
    if (end instanceof Error) return
    const run = looked.get(ending.runId)
    logEnding(ctx.log, ending, { ended: end, run })
    times.ended({ token: ending.token, jobId: run?.jobId ?? undefined, isRetried: isRetry(ending, end.state) })
  })
  return tellLosses(ctx.sql, ended)
}

/** It failed, and another attempt follows. */
const isRetry = ({ kind }: Ending, state: RunState): boolean =>
  (kind === 'failed' || kind === 'timed_out' || kind === 'crashed') && placeOf(state) === 'queue'

type Looked = { run: RunRow | undefined; job: RunJob | undefined }

/** A completion, the common case, needs no look at the run; at most at its job. */
async function lookAt(ctx: Ctx, endings: readonly Ending[]): Promise<Map<string, RunRow>> {
  const ids = endings.flatMap((it) => (it.kind === 'paused' || it.kind === 'completed' ? [] : [it.runId]))
  return new Map(ids.length === 0 ? [] : (await readRuns(ctx.sql, ids)).map((run) => [run.id, run]))
}

/** A job may say what its results look like. */
async function jobsOfResults(ctx: Ctx, endings: readonly Ending[]): Promise<Map<string, RunJob>> {
  const ids = endings.flatMap((it) => (it.kind === 'completed' && it.result !== undefined ? [it.runId] : []))
  return new Map(ids.length === 0 ? [] : (await readRunJobs(ctx.sql, ids)).map((run) => [run.id, run]))
}

/** What goes wrong with one is told beside the ends of the others. */
const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

async function endOne(ctx: Ctx, ending: Ending, looked: Looked): Promise<Ended> {
  const change = await changeFor(ctx, ending, looked)
  if (change instanceof Error) return change
  const changed = await moveRun(ctx, change).catch((error: unknown) => {
    // It will not be storable the next time either, so it has to be an answer, and not a failure that is tried again.
    if (change.result !== undefined && isUnstorable(error)) throw refuseField('result', 'cannot be stored')
    throw error
  })
  // Asking for an end that was reached is a success only under the same lease, and that is gone with the end.
  if (changed.outcome !== 'moved')
    return moveProblem(ending.runId, change.move, {
      ...changed,
      ...(changed.outcome === 'already' && { outcome: 'stale' }),
    } as typeof changed)!
  if (isOver(changed.state) && changed.state !== 'completed')
    await cancelDescendants(ctx, [ending.runId], { actor: ending.actor })
  return { state: changed.state, attempt: changed.attempt }
}

async function changeFor(ctx: Ctx, ending: Ending, { run, job }: Looked): Promise<RunChange | Refusal> {
  const { runId, token, actor, trace, onlyExpired } = ending
  const base = {
    runId,
    token,
    actor,
    ...(trace && { trace }),
    ...(onlyExpired && { onlyExpired }),
    ...(!ending.evenWaiting && ending.kind !== 'returned' && { from: EXECUTING }),
  }
  switch (ending.kind) {
    case 'completed':
      return completion(ctx, { ...base, result: ending.result }, job)
    case 'paused':
      return { ...base, move: 'pause' }
    case 'returned':
      if (run?.told === 'pause' && run.state === 'executing') return { ...base, move: 'pause' }
      // Its time to live begins anew: it had begun, and waits again through no fault of its own.
      return { ...base, move: 'giveBack', dueInMs: 0, ...(run?.ttlSecs != null && { ttlMs: run.ttlSecs * 1000 }) }
    default: {
      if (!run?.jobId) return refuse('run_not_found', { runId })
      const policy = await policyOf(ctx, run)
      return failure(base, { run, policy, ending, random: ctx.random() })
    }
  }
}

type Base = Pick<RunChange, 'runId' | 'token' | 'actor' | 'trace' | 'result' | 'onlyExpired' | 'from'>

async function completion(ctx: Ctx, base: Base, job: RunJob | undefined): Promise<RunChange | Refusal> {
  if (job) {
    const { definition } = await jobsOf(ctx).version(job.jobId, job.jobVersion)
    const { projectId } = job
    const { resultSchema: schema } = definition
    const fields = schema ? await problemsUnder({ projectId, schema, value: base.result, name: 'result' }) : []
    if (fields.length > 0) return refuse('invalid', { fields })
  }
  return { ...base, move: 'complete' }
}

type Failed = { run: RunRow; policy: RetryPolicy; ending: Extract<Ending, { error: string }>; random: number }

function failure(base: Base, { run, policy, ending, random }: Failed): RunChange {
  const { retryable, wantedDelayMs, retryAfterMs } = ending
  const after = afterFailure(policy, { attempt: run.attempt, retryable, wantedDelayMs, retryAfterMs }, random)
  const error = cutText(ending.error, ERROR_LENGTH_MAX)
  const about = { ...base, attempt: run.attempt, error, ...(ending.errorCode && { errorCode: ending.errorCode }) }
  const data = { error, ...(ending.errorCode && { error_code: ending.errorCode }) }
  // Whoever paused it wants it to stand still: the next attempt begins with the resume.
  if (after.kind === 'retry' && run.told === 'pause')
    return { ...about, move: 'pause', nextAttempt: run.attempt + 1, data: { ...data, failed_attempt: run.attempt } }
  if (after.kind === 'retry') {
    return {
      ...about,
      move: after.delayMs > 0 ? 'retryLater' : 'retryNow',
      nextAttempt: run.attempt + 1,
      dueInMs: after.delayMs,
      ...(run.ttlSecs !== null && { ttlMs: run.ttlSecs * 1000 }),
      data: { ...data, failed_attempt: run.attempt, retry_in_ms: after.delayMs },
    }
  }
  return { ...about, move: endMove(ending), data: { ...data, reason: after.reason } }
}

function endMove(ending: Extract<Ending, { error: string }>): RunMove {
  if (ending.kind === 'timed_out') return 'timeOut'
  if (ending.kind === 'crashed') return 'crash'
  return ending.forGood ? 'fail' : 'bury'
}

/** The job's policy at the run's version, with what the trigger asked for itself. */
async function policyOf(ctx: Ctx, run: RunRow): Promise<RetryPolicy> {
  const { definition } = await jobsOf(ctx).version(run.jobId!, run.jobVersion!)
  return { ...definition, ...run.overrides, maxAttempts: run.maxAttempts }
}
