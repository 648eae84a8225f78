// What a job is: what to run, how, how often, and how much of it at once. Every change creates a version.

import { type Static, Type } from 'typebox'
import { DAY_SECS, YEAR_SECS } from '#core/durations.ts'
import { PLAIN_JOB } from '#core/job.ts'
import {
  anyJson,
  body,
  flag,
  headerMap,
  INT_MAX,
  JSON_SCHEMA_BYTES_MAX,
  jsonObject,
  metadata,
  nullable,
  oneOf,
  optional,
  seconds,
  tags,
  text,
  time,
  timeOrNull,
  uuid,
  whole,
  withDefault,
} from './common.ts'

export const EXECUTIONS = ['http', 'worker', 'external'] as const
export const RETRY_STRATEGIES = ['exponential', 'linear', 'fixed', 'custom'] as const

export const EXECUTION = oneOf(
  EXECUTIONS,
  'http: Runyard posts to the endpoint. worker: a worker claims the run. external: another system executes it and reports events.',
)
export const QUEUE = Type.String({
  minLength: 1,
  maxLength: 63,
  pattern: '^[A-Za-z0-9_-]+$',
  description: 'The queue that workers claim from.',
})
export const PRIORITY = whole(0, 10, 'Runs with a higher priority are claimed first within their project and queue.')

/** The retry policy; a run may override its job's. */
export const retryFields = {
  max_attempts: whole(1, 100, 'Maximum number of attempts, including the first.'),
  retry_strategy: oneOf(
    RETRY_STRATEGIES,
    'How the retry delay grows: exponential uses full jitter, custom uses retry_delays_secs.',
  ),
  retry_initial_delay_secs: seconds(0, DAY_SECS, 'Delay before the second attempt, in seconds.'),
  retry_max_delay_secs: seconds(0, DAY_SECS, 'Upper limit of the retry delay, in seconds.'),
  retry_delays_secs: Type.Array(seconds(0, DAY_SECS, 'Delay in seconds.'), {
    maxItems: 100,
    description: 'For the custom strategy: the delay after each failed attempt, in seconds; the last one repeats.',
  }),
  timeout_secs: whole(1, DAY_SECS, 'Timeout of one attempt, in seconds.'),
}

const KEY_POINTER = nullable(
  text(
    512,
    'JSON Pointer (RFC 6901) into the payload, for example `/customer/id`: each text, number or boolean there is counted by itself, and a payload without one is refused. Null: all runs of the job are counted together.',
    { pattern: '^(?:/(?:[^~/]|~[01])*)+$' },
  ),
)
const LIMIT = whole(1, 10_000, 'How many within any period.')
const PERIOD = whole(1, DAY_SECS, 'Length of the period, in seconds.')

/** Limits over time; see docs/guides/flow-control.md. */
const flowFields = {
  rate_limit: nullable(
    body({ limit: LIMIT, period_secs: PERIOD, key: optional(KEY_POINTER) }),
    'Rate limit: at most `limit` triggers within any `period_secs`; those beyond it are refused with 429 and Retry-After. Batches, schedules, hooks and children count; replays, redrives and retries do not. A trigger may give `rate_limit_key` in place of the value at `key`. Null: none.',
  ),
  throttle: nullable(
    body({ limit: LIMIT, period_secs: PERIOD, key: optional(KEY_POINTER) }),
    'Throttle: at most `limit` starts within any `period_secs`; the other runs wait in the queue, first in, first out. Every start counts: first attempts, retries, and runs that go on after a wait or a pause. With a `key`, the concurrency_key of a run decides, or the value at `key` where a trigger gives none; that is then its concurrency_key. Null: none.',
  ),
  debounce: nullable(
    body({
      period_secs: whole(1, DAY_SECS, 'The run starts this many seconds after the last trigger.'),
      max_delay_secs: optional(
        nullable(
          whole(
            1,
            7 * DAY_SECS,
            'The run starts at most this many seconds after the first trigger, however often it is triggered again; at least period_secs. Null: 7 days.',
          ),
        ),
      ),
      key: optional(KEY_POINTER),
    }),
    'Debounce: triggers with the same key are one run until it starts, and the last payload is the one it gets; priority, tags and other settings are those of the first trigger. A trigger may give `debounce_key` in place of the value at `key`. Children, replays and redrives are not debounced. Null: none.',
  ),
}

// The fields of a job, without their defaults.
const fields = {
  slug: Type.String({
    pattern: '^[a-z0-9][a-z0-9_-]{0,62}$',
    description: 'Short name, unique in the project; accepted wherever a job id is.',
    examples: ['nightly-report'],
  }),
  name: text(255, 'Display name.', { minLength: 1 }),
  description: text(2000, 'What the job is for.'),
  execution: EXECUTION,
  queue: QUEUE,
  endpoint_url: nullable(
    text(2048, 'URL that Runyard posts the payload to: required for http, refused for other executions.', {
      minLength: 1,
    }),
  ),
  endpoint_headers: headerMap(
    'Headers sent to the endpoint. Headers that Runyard sets itself, such as Content-Type, Webhook-Id and X-Run-Id, take precedence. Values that look like secrets are masked in responses.',
  ),
  payload_schema: nullable(
    jsonObject('JSON Schema that payloads must match, at most 64 KiB; null for none.', JSON_SCHEMA_BYTES_MAX),
  ),
  result_schema: nullable(
    jsonObject('JSON Schema that results must match, at most 64 KiB; null for none.', JSON_SCHEMA_BYTES_MAX),
  ),
  ...retryFields,
  run_ttl_secs: nullable(
    whole(1, YEAR_SECS, 'A run that has not started expires after this many seconds; null: never.'),
  ),
  priority: PRIORITY,
  tags: tags('Tags of every run of this job; at most 20.'),
  metadata: metadata('Initial metadata of runs; at most 50 keys.'),
  max_concurrency: whole(0, 100_000, 'Concurrency limit: how many runs of the job may execute at once; 0: no limit.'),
  max_concurrency_per_key: whole(0, 100_000, 'Concurrency limit per concurrency_key; 0: no limit.'),
  ...flowFields,
  cron: nullable(text(100, 'Cron expression that triggers the job; null for none.', { minLength: 1 })),
  timezone: text(64, 'IANA time zone of the cron expression.', { minLength: 1 }),
  cron_payload: anyJson('Payload of the runs that cron triggers.'),
  cron_overlap_policy: oneOf(
    ['allow', 'skip', 'cancel_running'],
    'What a cron tick does while a run of the job has not ended: start another, skip the tick, or cancel the earlier run first.',
  ),
  cron_missed_policy: oneOf(
    ['skip', 'one', 'all'],
    'What happens to cron ticks missed while Runyard was down: none, one or all of them are run.',
  ),
  when_paused: oneOf(['hold', 'refuse'], 'While the job is paused, new runs wait (hold) or are refused (refuse).'),
  enabled: flag('A disabled job accepts no runs, and its cron does not tick.'),
  pause_grace_secs: seconds(
    0,
    600,
    'Grace period: how many seconds an attempt has to save a checkpoint after a pause request, before its lease is revoked.',
  ),
}

export const JobInput = body(
  {
    slug: fields.slug,
    name: optional(text(255, 'Display name; defaults to the slug.', { minLength: 1 })),
    description: withDefault(fields.description, PLAIN_JOB.description),
    execution: fields.execution,
    queue: withDefault(fields.queue, PLAIN_JOB.queue),
    endpoint_url: withDefault(fields.endpoint_url, PLAIN_JOB.endpointUrl),
    endpoint_headers: withDefault(fields.endpoint_headers, PLAIN_JOB.endpointHeaders),
    payload_schema: withDefault(fields.payload_schema, PLAIN_JOB.payloadSchema),
    result_schema: withDefault(fields.result_schema, PLAIN_JOB.resultSchema),
    max_attempts: withDefault(fields.max_attempts, PLAIN_JOB.maxAttempts),
    retry_strategy: withDefault(fields.retry_strategy, PLAIN_JOB.retryStrategy),
    retry_initial_delay_secs: withDefault(fields.retry_initial_delay_secs, PLAIN_JOB.retryInitialDelaySecs),
    retry_max_delay_secs: withDefault(fields.retry_max_delay_secs, PLAIN_JOB.retryMaxDelaySecs),
    retry_delays_secs: withDefault(fields.retry_delays_secs, PLAIN_JOB.retryDelaysSecs),
    timeout_secs: withDefault(fields.timeout_secs, PLAIN_JOB.timeoutSecs),
    run_ttl_secs: withDefault(fields.run_ttl_secs, PLAIN_JOB.runTtlSecs),
    priority: withDefault(fields.priority, PLAIN_JOB.priority),
    tags: withDefault(fields.tags, PLAIN_JOB.tags),
    metadata: withDefault(fields.metadata, PLAIN_JOB.metadata),
    max_concurrency: withDefault(fields.max_concurrency, PLAIN_JOB.maxConcurrency),
    max_concurrency_per_key: withDefault(fields.max_concurrency_per_key, PLAIN_JOB.maxConcurrencyPerKey),
    rate_limit: withDefault(fields.rate_limit, null),
    throttle: withDefault(fields.throttle, null),
    debounce: withDefault(fields.debounce, null),
    cron: withDefault(fields.cron, PLAIN_JOB.cron),
    timezone: withDefault(fields.timezone, PLAIN_JOB.timezone),
    cron_payload: withDefault(fields.cron_payload, PLAIN_JOB.cronPayload),
    cron_overlap_policy: withDefault(fields.cron_overlap_policy, PLAIN_JOB.cronOverlapPolicy),
    cron_missed_policy: withDefault(fields.cron_missed_policy, PLAIN_JOB.cronMissedPolicy),
    when_paused: withDefault(fields.when_paused, PLAIN_JOB.whenPaused),
    enabled: withDefault(fields.enabled, PLAIN_JOB.enabled),
    pause_grace_secs: withDefault(fields.pause_grace_secs, PLAIN_JOB.pauseGraceSecs),
  },
  {
    title: 'JobInput',
    examples: [
      { slug: 'nightly-report', execution: 'worker', queue: 'reports', cron: '0 3 * * *', timezone: 'Europe/Berlin' },
      { slug: 'charge-card', execution: 'http', endpoint_url: 'https://example.com/charge', max_attempts: 5 },
    ],
  },
)
export type JobInput = Static<typeof JobInput>

/** Any subset of the fields; the others keep their values. */
export const JobPatch = Type.Partial(body(fields), {
  title: 'JobPatch',
  minProperties: 1,
  additionalProperties: false,
})
export type JobPatch = Static<typeof JobPatch>

export const JOB_VERSION = whole(1, INT_MAX, 'Version of the job; the first is 1.')

export const Job = Type.Object(
  {
    id: uuid('Id of the job.'),
    project_id: Type.String({ description: 'Project that the job belongs to.' }),
    version: JOB_VERSION,
    version_id: uuid('Id of this version.'),
    ...fields,
    paused_at: timeOrNull('When the job was paused; null when it is not paused.'),
    pause_reason: nullable(Type.String(), 'Why it was paused.'),
    next_cron_at: timeOrNull('When cron next triggers the job; null without a cron expression.'),
    signing_secret: optional(
      Type.String({
        description:
          'Secret (whsec_...) that signs requests to the endpoint. Shown only once, in the response that creates the job.',
      }),
    ),
    created_at: time('When the job was created.'),
    updated_at: time('When the job was last changed.'),
  },
  { title: 'Job' },
)
export type Job = Static<typeof Job>

export const JobVersion = Type.Object(
  {
    id: uuid('Id of the version; a run names it as job_version_id.'),
    job_id: uuid('Id of the job.'),
    version: JOB_VERSION,
    definition: Type.Object(fields, { title: 'JobDefinition', description: 'The job as defined by this version.' }),
    created_at: time('When the version was created.'),
    created_by: nullable(Type.String(), 'Id of the actor who created it.'),
  },
  { title: 'JobVersion' },
)
export type JobVersion = Static<typeof JobVersion>
