// Translates between Strait's jobs and ours.

import { refuseField } from '#core/error.ts'
import { type JobDefinition, PLAIN_JOB } from '#core/job.ts'
import { own } from '#core/own.ts'
import type { JobRow, JobVersionRow } from '#jobs/jobs.sql.ts'
import { instantText } from '#postgres/instant.ts'
import { type Job, type JobPatch, type JobVersion, NOT_HONOURED } from './jobs-schemas.ts'
import { numberedTime } from './paging.ts'
import { filled, wholeSecs } from './run-wire.ts'

/** The defaults of a Strait job. */
const NEW_JOB: Omit<JobDefinition, 'name'> = {
  // In Strait, a run expires after waiting for timeout_secs + 60. A backlog, or a long retry, would then lose runs
  // unintentionally; to have runs expire, set run_ttl_secs, or ttl_secs in a trigger.
  ...PLAIN_JOB,
  execution: 'http',
  // A trigger of a paused job is answered with 409.
  whenPaused: 'refuse',
  pauseGraceSecs: 5,
  signature: 'strait',
}

type Changes = { patch: Partial<JobDefinition>; signingSecret: string | undefined }

/** Translates the fields of a body; omitted fields are left out. */
export function changesOf(input: JobPatch): Changes {
  refuseNotHonoured(input)
  const signingSecret = signingSecretOf(input)
  const patch: { [Name in keyof JobDefinition]?: JobDefinition[Name] | undefined } = {
    name: input.name,
    description: input.description,
    execution: input.execution_mode === 'managed' ? 'worker' : input.execution_mode,
    queue: input.queue_name,
    endpointUrl: orNull(input.endpoint_url),
    payloadSchema: input.payload_schema,
    resultSchema: input.result_schema,
    maxAttempts: input.max_attempts,
    timeoutSecs: input.timeout_secs,
    runTtlSecs: orNull(input.run_ttl_secs),
    retryStrategy: input.retry_strategy,
    retryDelaysSecs: input.retry_delays_secs,
    tags: input.tags,
    metadata: input.default_run_metadata,
    maxConcurrency: input.max_concurrency,
    maxConcurrencyPerKey: input.max_concurrency_per_key,
    cron: orNull(input.cron),
    timezone: input.timezone === '' ? 'UTC' : input.timezone,
    cronOverlapPolicy: input.cron_overlap_policy,
    enabled: input.enabled,
    // A secret of Strait's kind implies its signature scheme, even on a job that was created natively.
    signature: signingSecret === undefined ? undefined : 'strait',
  }
  return { patch: given(patch) as Partial<JobDefinition>, signingSecret }
}

export const newJob = (patch: Partial<JobDefinition> & { name: string }): JobDefinition => ({ ...NEW_JOB, ...patch })

/** Clients send `""` and `0` for "none". */
const orNull = <T>(value: T): T | null => (value === '' || value === 0 ? null : value)

const given = <T extends object>(values: T): Partial<T> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>

const KNOWN_AS_NOTHING: readonly unknown[] = [null, 0, '', false]

function refuseNotHonoured(input: object): void {
  const asked = Object.entries(input).find(
    ([name, value]) =>
      (Object.hasOwn(NOT_HONOURED, name) || /^on_(?:complete|failure)_/.test(name)) &&
      ![...KNOWN_AS_NOTHING, ...(own(NOT_HONOURED, name) ?? [])].includes(value),
  )
  if (asked) throw refuseField(asked[0], 'is not supported by this installation; leave it out')
}

const SECRET_LENGTH_MIN = 16

/** Two names of one secret; `""` and null remove it. */
function signingSecretOf({ endpoint_signing_secret: one, webhook_secret: other }: JobPatch): string | undefined {
  if (one && other && one !== other) throw refuseField('webhook_secret', 'differs from endpoint_signing_secret')
  const secret = one || other
  if (secret && secret.length < SECRET_LENGTH_MIN) {
    const field = one ? 'endpoint_signing_secret' : 'webhook_secret'
    throw refuseField(field, `must have at least ${SECRET_LENGTH_MIN} characters`)
  }
  return one === undefined && other === undefined ? undefined : (secret ?? '')
}

const shownDefinition = (it: JobDefinition) => ({
  name: it.name,
  description: it.description,
  ...filled({
    endpoint_url: it.endpointUrl,
    cron: it.cron,
    payload_schema: it.payloadSchema,
    result_schema: it.resultSchema,
    run_ttl_secs: it.runTtlSecs,
  }),
  execution_mode: it.execution,
  queue_name: it.queue,
  timezone: it.timezone,
  cron_overlap_policy: it.cronOverlapPolicy,
  tags: it.tags,
  default_run_metadata: it.metadata,
  max_attempts: it.maxAttempts,
  timeout_secs: it.timeoutSecs,
  max_concurrency: it.maxConcurrency,
  max_concurrency_per_key: it.maxConcurrencyPerKey,
  retry_strategy: it.retryStrategy,
  retry_delays_secs: it.retryDelaysSecs.map(wholeSecs),
  enabled: it.enabled,
  version_policy: 'pin' as const,
})

export const jobWire = (job: JobRow): Job => ({
  id: job.id,
  project_id: job.projectId,
  slug: job.slug,
  version: job.version,
  version_id: job.versionId,
  ...shownDefinition(job.definition),
  paused: job.pausedAt !== null,
  ...filled({
    paused_at: job.pausedAt?.toISOString(),
    pause_reason: job.pauseReason,
    next_run_at: job.nextCronAt?.toISOString(),
  }),
  created_at: instantText(job.createdAt),
  updated_at: job.updatedAt.toISOString(),
})

export const versionWire = (version: JobVersionRow, job: JobRow): JobVersion => ({
  id: version.id,
  job_id: version.jobId,
  project_id: job.projectId,
  slug: job.slug,
  version: version.version,
  ...shownDefinition(version.definition),
  created_at: numberedTime(version.createdAt, version.version),
  ...filled({ created_by: version.createdBy }),
})
