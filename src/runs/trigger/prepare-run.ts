// From a trigger request to the run that is inserted: validated against its job, with all defaults filled in.

import { createHash } from 'node:crypto'
import { problemsUnder } from '#access/schema/json-schema.ts'
import { DEPENDENCY_KEY } from '#core/dependency.ts'
import { DAY_MS } from '#core/durations.ts'
import { type Refusal, refuse, refuseField } from '#core/error.ts'
import { type JobDefinition, rankOf } from '#core/job.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { parsedJson } from '#core/json/json.ts'
import type { JobRow } from '#jobs/jobs.sql.ts'
import { findPreset } from '#jobs/presets.sql.ts'
import { settingsOf, timesOf } from '#jobs/presets.ts'
import { newId } from '#postgres/id.ts'
import type { Db } from '#postgres/sql.ts'
import type { NewRun } from '#run-state/insert/insert-runs.sql.ts'
import { waitOnDependencies } from '../waits/wait-on-dependencies.ts'
import { flowOf } from './run-flow.ts'
import type { Origin, RunRequest } from './run-request.ts'

/** How far ahead a run may be scheduled. */
export const SCHEDULE_AHEAD_MAX_MS = 366 * DAY_MS
/** Tolerated clock skew of a caller before "now" counts as "in the past". */
const CLOCK_SKEW_MS = 60_000
/** Maximum length of metadata values. */
const DEPENDENCY_KEY_LENGTH_MAX = 1024

type Preparation = { job: JobRow; request: RunRequest; origin: Origin; nowMs: number }

/** Validates a request against its job, fills in defaults, and finds out what the run has to wait for. */
export async function prepareRun(sql: Db, it: Preparation): Promise<NewRun | Refusal> {
  const preset =
    it.request.preset === undefined ? undefined : await findPreset(sql, it.job.projectId, it.request.preset)
  if (it.request.preset !== undefined && !preset) return refuse('preset_not_found', { preset: it.request.preset })
  const run = await plainRun({ ...it, request: { ...timesOf(preset), ...it.request } })
  if (run instanceof Error) return run
  if (preset) Object.assign(run, settingsOf(preset))
  // A delayed run checks its dependencies when it is due.
  const delayed = run.scheduledAt !== undefined || (run.delayMs ?? 0) > 0
  if (it.job.dependencies === 0) return run
  const wait = delayed
    ? undefined
    : await waitOnDependencies(sql, {
        jobId: run.jobId,
        idempotencyKey: run.idempotency?.key,
        metadata: run.metadata,
        timeoutMs: run.ttlSecs === undefined ? undefined : run.ttlSecs * 1000,
      })
  return { ...run, dependencies: it.job.dependencies, wait }
}

async function plainRun({ job, request, origin, nowMs }: Preparation): Promise<NewRun | Refusal> {
  const { definition } = job
  if (definition.execution === 'external') return refuse('job_external', { job: job.slug })
  const problem = scheduleProblem(request, nowMs) ?? (await payloadProblem(job, request.payload))
  if (problem) return problem
  const flowing = flowOf(definition, request, origin.triggeredBy)
  if (flowing instanceof Error) return flowing
  const { flow, concurrencyKey } = flowing
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
    // A time that passed within the tolerated clock skew means now.
    scheduledAt: request.scheduledAt && request.scheduledAt.getTime() > nowMs ? request.scheduledAt : undefined,
    delayMs: flow?.debounce?.periodMs ?? (request.delaySecs === undefined ? undefined : request.delaySecs * 1000),
    rank: rankOf(request.priority ?? definition.priority),
    timeoutSecs: request.timeoutSecs ?? definition.timeoutSecs,
    maxAttempts: request.maxAttempts ?? definition.maxAttempts,
    ttlSecs,
    overrides,
    tags: { ...definition.tags, ...request.tags },
    metadata: { ...definition.metadata, ...dependencyKeyOf(request.payload), ...request.metadata },
    concurrencyKey,
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
    detached: request.detached || undefined,
    flow,
  }
}

/** A payload may contain the key that ties it to runs of other jobs. */
export function dependencyKeyOf(payload: unknown): Record<string, string> | undefined {
  const value = parsedJson(payload)
  const key = typeof value === 'object' && value !== null && (value as Record<string, unknown>)[DEPENDENCY_KEY]
  return typeof key === 'string' && key.length > 0 && isShort(key) ? { [DEPENDENCY_KEY]: key } : undefined
}

/** In code points, as metadata values are counted; a string's length counts a character outside the BMP twice. */
const isShort = (key: string): boolean =>
  key.length <= 2 * DEPENDENCY_KEY_LENGTH_MAX && [...key].length <= DEPENDENCY_KEY_LENGTH_MAX

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

export async function payloadProblem(
  { projectId, definition }: { projectId: string; definition: Pick<JobDefinition, 'payloadSchema'> },
  payload: unknown,
): Promise<Refusal | undefined> {
  const { payloadSchema: schema } = definition
  if (!schema) return undefined
  const fields = await problemsUnder({ projectId, schema, value: payload ?? null, name: 'payload' })
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

/** What a repeated idempotency key is compared by, whatever the order of the keys in the payload. */
const fingerprintOf = ({ comparedBy, payload = null }: RunRequest): string =>
  createHash('sha256')
    .update(canonicalJson(comparedBy === undefined ? payload : comparedBy))
    .digest('hex')
