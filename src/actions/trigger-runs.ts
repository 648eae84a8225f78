// Triggering: one path for one run, for a batch, for cron, spawns and replays.
import { createHash } from 'node:crypto'
import { canonicalJson } from '#core/canonical.ts'
import { type Refusal, refuse, refuseField } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { type JobDefinition, rankOf } from '#core/job.ts'
import type { RetryPolicy } from '#core/retry.ts'
import type { Trigger } from '#core/run.ts'
import { problemsUnder } from '#governance/json-schema.ts'
import { newId } from '#storage/id.ts'
import type { InsertedRun, NewRun } from '#storage/insert-runs.ts'
import type { JobRow } from '#storage/jobs.ts'
import { type RunRow, readRuns } from '#storage/read-runs.ts'
import type { Ctx } from './ctx.ts'
import { newRunRow } from './new-run-row.ts'

/** How far ahead a run may be scheduled. */
export const SCHEDULE_AHEAD_MAX_MS = 366 * 86_400_000
/** How far the clock of a caller may be behind ours before "now" is "in the past". */
const CLOCK_SKEW_MS = 60_000

export type RunRequest = Partial<RetryPolicy> & {
  payload?: unknown
  scheduledAt?: Date | undefined
  delaySecs?: number | undefined
  priority?: number | undefined
  tags?: Record<string, string> | undefined
  metadata?: Record<string, string> | undefined
  concurrencyKey?: string | undefined
  idempotencyKey?: string | undefined
  ttlSecs?: number | undefined
  timeoutSecs?: number | undefined
  agentId?: string | undefined
  debugMode?: boolean | undefined
  traceparent?: string | undefined
}

/** Where a run comes from, besides the one who asks for it. */
export type Origin = Cause & {
  projectId: string
  triggeredBy: Trigger
  batchId?: string
  parentRunId?: string
  continuationOf?: string
  lineageDepth?: number
  replayedFrom?: string
}

export type Triggered = { run: RunRow; replayed: boolean }

/** Triggers one run of a job, named by id or slug. */
export async function triggerRun(ctx: Ctx, job: string, request: RunRequest, origin: Origin): Promise<Triggered> {
  const [triggered] = await triggerRuns(ctx, job, [request], origin)
  if (triggered instanceof Error) throw triggered
  return triggered!
}

/** Triggers up to 500 runs; one that is refused, or fails, harms no other. Throws only when there is no such job. */
export async function triggerRuns(
  ctx: Ctx,
  jobName: string,
  requests: readonly RunRequest[],
  origin: Origin,
): Promise<(Triggered | Error)[]> {
  const job = await ctx.jobs.find(origin.projectId, jobName)
  if (!job) throw refuse('job_not_found', { job: jobName })
  const results = await Promise.all(
    requests.map((request) => triggerOne(ctx, { job, jobName, request, origin }).catch(asError)),
  )
  const queues = new Set(
    results.flatMap((it) =>
      it instanceof Error || it.replayed || it.run.state !== 'queued' ? [] : [`queue:${it.run.queue}`],
    ),
  )
  if (results.some((it) => !(it instanceof Error) && it.run.state === 'delayed')) queues.add('timers')
  ctx.ring([...queues, 'tail'])
  return results
}

/** What goes wrong with one is told beside what was done with the others. */
const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

type One = { job: JobRow; jobName: string; request: RunRequest; origin: Origin }

async function triggerOne(ctx: Ctx, one: One): Promise<Triggered | Refusal> {
  const { jobName, request, origin } = one
  let { job } = one
  // A job may be changed between our look and the insert, and a key freed between the insert and our second look.
  for (let tries = 0; tries < 5; tries++) {
    const prepared = prepareRun(job, request, origin, Date.now())
    if (prepared instanceof Error) return prepared
    const inserted = await ctx.insertRun(prepared)
    const done = await outcomeOf(ctx, { job, jobName, run: prepared, inserted })
    if (done) return done
    ctx.jobs.forget(origin.projectId, jobName)
    const found = await ctx.jobs.find(origin.projectId, jobName)
    if (!found) return refuse('job_not_found', { job: jobName })
    job = found
  }
  throw new Error(`job ${jobName} kept changing while a run of it was being created`)
}

type Outcome = { job: JobRow; jobName: string; run: NewRun; inserted: InsertedRun }

/** Undefined: look again. */
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
    case 'job_disabled':
      return refuse('job_disabled', { job: jobName })
    case 'job_paused':
      return refuse('job_paused', { job: jobName })
    case 'job_changed':
    case 'job_missing':
      return undefined
  }
}

/** Checks a request against its job, and fills in what it leaves open. */
export function prepareRun(job: JobRow, request: RunRequest, origin: Origin, nowMs: number): NewRun | Refusal {
  const { definition } = job
  if (definition.execution === 'external') return refuse('job_external', { job: job.slug })
  const problem = scheduleProblem(request, nowMs) ?? payloadProblem(definition, request.payload)
  if (problem) return problem
  const overrides = overridesOf(request)
  const ttlSecs = request.ttlSecs ?? definition.runTtlSecs ?? undefined
  return {
    id: newId(),
    projectId: job.projectId,
    jobId: job.id,
    jobVersion: job.version,
    actor: origin.actor,
    causationId: origin.causationId,
    correlationId: origin.correlationId,
    triggeredBy: origin.triggeredBy,
    payload: request.payload,
    // A moment that has passed by no more than a clock may be wrong is now.
    scheduledAt: request.scheduledAt && request.scheduledAt.getTime() > nowMs ? request.scheduledAt : undefined,
    delayMs: request.delaySecs === undefined ? undefined : request.delaySecs * 1000,
    rank: rankOf(request.priority ?? definition.priority),
    timeoutSecs: request.timeoutSecs ?? definition.timeoutSecs,
    maxAttempts: request.maxAttempts ?? definition.maxAttempts,
    ttlSecs,
    overrides,
    tags: { ...definition.tags, ...request.tags },
    metadata: { ...definition.metadata, ...request.metadata },
    concurrencyKey: request.concurrencyKey,
    idempotency:
      request.idempotencyKey === undefined
        ? undefined
        : { key: request.idempotencyKey, fingerprint: fingerprintOf(request) },
    batchId: origin.batchId,
    agentId: request.agentId,
    debugMode: request.debugMode,
    traceparent: request.traceparent,
    parentRunId: origin.parentRunId,
    continuationOf: origin.continuationOf,
    lineageDepth: origin.lineageDepth,
    replayedFrom: origin.replayedFrom,
  }
}

export function scheduleProblem(
  request: Pick<RunRequest, 'scheduledAt' | 'delaySecs'>,
  nowMs: number,
): Refusal | undefined {
  if (!request.scheduledAt) return undefined
  if (request.delaySecs !== undefined) return refuseField('delay_secs', 'may not be given together with scheduled_at')
  const aheadMs = request.scheduledAt.getTime() - nowMs
  if (aheadMs < -CLOCK_SKEW_MS) return refuseField('scheduled_at', 'is in the past')
  if (aheadMs > SCHEDULE_AHEAD_MAX_MS) return refuseField('scheduled_at', 'is more than a year ahead')
  return undefined
}

export function payloadProblem(definition: JobDefinition, payload: unknown): Refusal | undefined {
  if (!definition.payloadSchema) return undefined
  const fields = problemsUnder(definition.payloadSchema, payload ?? null, 'payload')
  return fields.length > 0 ? refuse('invalid', { fields }) : undefined
}

const OVERRIDABLE = [
  'maxAttempts',
  'timeoutSecs',
  'retryStrategy',
  'retryInitialDelaySecs',
  'retryMaxDelaySecs',
  'retryDelaysSecs',
  'ttlSecs',
] as const satisfies (keyof RunRequest)[]

function overridesOf(request: RunRequest): object | undefined {
  const given = OVERRIDABLE.filter((name) => request[name] !== undefined)
  return given.length > 0 ? Object.fromEntries(given.map((name) => [name, request[name]])) : undefined
}

/** What a second use of an idempotency key is compared by: the payload, whatever the order of its keys. */
const fingerprintOf = (request: RunRequest): string =>
  createHash('sha256')
    .update(canonicalJson(request.payload ?? null))
    .digest('hex')
