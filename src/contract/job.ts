// What a job is: what is to be run, how, how often, and how much of it at once. Every change makes a version.
import { type Static, Type } from 'typebox'
import {
  anyJson,
  body,
  DAY_SECS,
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
  YEAR_SECS,
} from './common.ts'

export const EXECUTIONS = ['http', 'worker', 'external'] as const
export const RETRY_STRATEGIES = ['exponential', 'linear', 'fixed', 'custom'] as const

export const EXECUTION = oneOf(
  EXECUTIONS,
  'http: Runyard posts to the endpoint. worker: a worker claims the run. external: others execute it and report events.',
)
export const QUEUE = Type.String({
  minLength: 1,
  maxLength: 63,
  pattern: '^[A-Za-z0-9_-]+$',
  description: 'The queue that workers claim from.',
})
export const PRIORITY = whole(0, 10, 'Higher is claimed first, within a project and queue.')

/** How a failed attempt is tried again; a run may override the job's. */
export const retryFields = {
  max_attempts: whole(1, 100, 'Attempts in all, the first included.'),
  retry_strategy: oneOf(
    RETRY_STRATEGIES,
    'How the delay grows; exponential has full jitter, custom takes retry_delays_secs.',
  ),
  retry_initial_delay_secs: seconds(0, DAY_SECS, 'Delay before the second attempt, in seconds.'),
  retry_max_delay_secs: seconds(0, DAY_SECS, 'No delay is longer than this many seconds.'),
  retry_delays_secs: Type.Array(seconds(0, DAY_SECS, 'Seconds.'), {
    maxItems: 100,
    description: 'For custom: the delay after each failed attempt, in seconds; the last one repeats.',
  }),
  timeout_secs: whole(1, DAY_SECS, 'Seconds that one attempt may take.'),
}

// What a job consists of, without the values that stand in for what is left out.
const fields = {
  slug: Type.String({
    pattern: '^[a-z0-9][a-z0-9_-]{0,62}$',
    description: 'Short name, unique in the project; may be used wherever an id may.',
    examples: ['nightly-report'],
  }),
  name: text(255, 'Name for people.', { minLength: 1 }),
  description: text(2000, 'What the job is for.'),
  execution: EXECUTION,
  queue: QUEUE,
  endpoint_url: nullable(
    text(2048, 'Where Runyard posts the payload: required for http, refused for other executions.', { minLength: 1 }),
  ),
  endpoint_headers: headerMap(
    'Headers sent to the endpoint; those that Runyard sends itself, such as Content-Type, Webhook-Id and X-Run-Id, win over them. Values that look like secrets are masked in answers.',
  ),
  payload_schema: nullable(
    jsonObject('JSON Schema that payloads must meet; 64 KiB at most. Null for none.', JSON_SCHEMA_BYTES_MAX),
  ),
  result_schema: nullable(
    jsonObject('JSON Schema that results must meet; 64 KiB at most. Null for none.', JSON_SCHEMA_BYTES_MAX),
  ),
  ...retryFields,
  run_ttl_secs: nullable(whole(1, YEAR_SECS, 'Seconds after which a run that has not begun expires. Null: never.')),
  priority: PRIORITY,
  tags: tags('Tags of every run of this job; 20 at most.'),
  metadata: metadata('Metadata that runs begin with; 50 keys at most.'),
  max_concurrency: whole(0, 100_000, 'Runs executing at once; 0 is unlimited.'),
  max_concurrency_per_key: whole(0, 100_000, 'Runs executing at once per concurrency_key; 0 is unlimited.'),
  cron: nullable(text(100, 'Cron expression that triggers the job; null for none.', { minLength: 1 })),
  timezone: text(64, 'IANA time zone in which the cron expression is read.', { minLength: 1 }),
  cron_payload: anyJson('Payload of the runs that cron triggers.'),
  cron_overlap_policy: oneOf(
    ['allow', 'skip', 'cancel_running'],
    'What a tick does while a run of this job is not over: run beside it, be skipped, or cancel it first.',
  ),
  cron_missed_policy: oneOf(
    ['skip', 'one', 'all'],
    'What becomes of ticks that passed while nothing was running: none, one or all of them are run.',
  ),
  when_paused: oneOf(['hold', 'refuse'], 'While the job is paused, new runs wait (hold) or are refused.'),
  enabled: flag('A disabled job takes no runs, and its cron rests.'),
  pause_grace_secs: seconds(0, 600, 'Seconds that a paused attempt has to checkpoint before its lease is taken.'),
}

export const JobInput = body(
  {
    slug: fields.slug,
    name: optional(text(255, 'Name for people; the slug when left out.', { minLength: 1 })),
    description: withDefault(fields.description, ''),
    execution: fields.execution,
    queue: withDefault(fields.queue, 'default'),
    endpoint_url: withDefault(fields.endpoint_url, null),
    endpoint_headers: withDefault(fields.endpoint_headers, {}),
    payload_schema: withDefault(fields.payload_schema, null),
    result_schema: withDefault(fields.result_schema, null),
    max_attempts: withDefault(fields.max_attempts, 3),
    retry_strategy: withDefault(fields.retry_strategy, 'exponential'),
    retry_initial_delay_secs: withDefault(fields.retry_initial_delay_secs, 1),
    retry_max_delay_secs: withDefault(fields.retry_max_delay_secs, 3600),
    retry_delays_secs: withDefault(fields.retry_delays_secs, []),
    timeout_secs: withDefault(fields.timeout_secs, 300),
    run_ttl_secs: withDefault(fields.run_ttl_secs, null),
    priority: withDefault(fields.priority, 0),
    tags: withDefault(fields.tags, {}),
    metadata: withDefault(fields.metadata, {}),
    max_concurrency: withDefault(fields.max_concurrency, 0),
    max_concurrency_per_key: withDefault(fields.max_concurrency_per_key, 0),
    cron: withDefault(fields.cron, null),
    timezone: withDefault(fields.timezone, 'UTC'),
    cron_payload: withDefault(fields.cron_payload, null),
    cron_overlap_policy: withDefault(fields.cron_overlap_policy, 'allow'),
    cron_missed_policy: withDefault(fields.cron_missed_policy, 'one'),
    when_paused: withDefault(fields.when_paused, 'hold'),
    enabled: withDefault(fields.enabled, true),
    pause_grace_secs: withDefault(fields.pause_grace_secs, 10),
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

/** Any subset: what is left out stays as it is. */
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
    paused_at: timeOrNull('Since when the job is paused; null when it is not.'),
    pause_reason: nullable(Type.String(), 'Why it was paused.'),
    next_cron_at: timeOrNull('When cron triggers the job next; null without a cron.'),
    signing_secret: optional(
      Type.String({
        description: 'Secret (whsec_...) that signs requests to the endpoint. Shown once, in the answer of create.',
      }),
    ),
    created_at: time('When the job was created.'),
    updated_at: time('When the job was changed last.'),
  },
  { title: 'Job' },
)
export type Job = Static<typeof Job>

export const JobVersion = Type.Object(
  {
    id: uuid('Id of the version; a run names it as job_version_id.'),
    job_id: uuid('Id of the job.'),
    version: JOB_VERSION,
    definition: Type.Object(fields, { title: 'JobDefinition', description: 'The job as this version defines it.' }),
    created_at: time('When the version was made.'),
    created_by: nullable(Type.String(), 'Id of the actor who made it.'),
  },
  { title: 'JobVersion' },
)
export type JobVersion = Static<typeof JobVersion>
