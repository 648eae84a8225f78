// The schemas of Strait's jobs: what a client may send, and what it gets.

import { type Static, type TProperties, Type } from 'typebox'
import {
  flag,
  JSON_SCHEMA_BYTES_MAX,
  jsonObject,
  metadata,
  nullable,
  oneOf,
  optional,
  tags,
  text,
  time,
  uuid,
  whole,
} from '#contract/common.ts'
import { JOB_VERSION, QUEUE, RETRY_STRATEGIES } from '#contract/job.ts'
import { DEPENDENCY_CONDITIONS } from '#core/dependency.ts'
import { DAY_SECS, YEAR_SECS } from '#core/durations.ts'
import { RUN_STATES } from '#core/run.ts'
import { HEALTH_BOUND, WINDOWS } from './jobs-health.ts'
import { ofProject } from './paging.ts'

const SECRET = nullable(text(4096, 'Secret that signs requests to the endpoint. Never shown again.'))

/**
 * Features that only Strait itself has, with the values that leave them unused. Any other value is refused by name: a rate
 * limit or webhook that was accepted but never applied would be noticed too late.
 */
export const NOT_HONOURED: Readonly<Record<string, readonly unknown[]>> = {
  webhook_url: [],
  fallback_endpoint_url: [],
  execution_window_cron: [],
  rate_limit_max: [],
  rate_limit_window_secs: [],
  dedup_window_secs: [],
  debounce_window_secs: [],
  batch_window_secs: [],
  batch_max_size: [],
  poison_pill_threshold: [],
  group_id: [],
  environment_id: [],
  retry_priority_boost: [1],
  version_policy: ['pin'],
}
const NOT_HONOURED_NAMES = `^(?:${Object.keys(NOT_HONOURED).join('|')}|on_complete_\\w+|on_failure_\\w+)$`

export const fields = {
  name: text(255, 'Display name.', { minLength: 1 }),
  slug: Type.String({ pattern: '^[a-z0-9][a-z0-9_-]{0,62}$', description: 'Short name, unique in the project.' }),
  description: text(2000, 'What the job is for.'),
  endpoint_url: nullable(text(2048, 'URL that Runyard posts the payload to; required in mode http.')),
  execution_mode: oneOf(
    ['http', 'worker', 'managed'],
    'Defaults to http. managed: a worker of yours executes the runs.',
  ),
  queue_name: QUEUE,
  cron: nullable(text(100, 'Cron expression that triggers the job.')),
  timezone: text(64, 'IANA time zone of the cron expression; defaults to UTC.'),
  cron_overlap_policy: oneOf(
    ['allow', 'skip', 'cancel_running'],
    'What a cron tick does while a run of the job has not ended: start another, skip the tick, or cancel the earlier run first.',
  ),
  payload_schema: nullable(jsonObject('JSON Schema that payloads must match.', JSON_SCHEMA_BYTES_MAX)),
  result_schema: nullable(jsonObject('JSON Schema that results must match.', JSON_SCHEMA_BYTES_MAX)),
  tags: tags('Tags of every run.'),
  default_run_metadata: metadata('Initial metadata of runs.'),
  max_attempts: whole(1, 100, 'Maximum number of attempts; defaults to 3.'),
  timeout_secs: whole(1, DAY_SECS, 'Timeout of one attempt, in seconds; defaults to 300.'),
  run_ttl_secs: nullable(
    whole(0, YEAR_SECS, 'A run that has not started expires after this many seconds; 0 or null: never.'),
  ),
  max_concurrency: whole(0, 100_000, 'Concurrency limit: how many runs of the job may execute at once; 0: no limit.'),
  max_concurrency_per_key: whole(0, 100_000, 'Concurrency limit per concurrency_key; 0: no limit.'),
  retry_strategy: oneOf(RETRY_STRATEGIES, 'How the retry delay grows; defaults to exponential.'),
  retry_delays_secs: Type.Array(whole(0, DAY_SECS, 'Delay in seconds.'), {
    maxItems: 100,
    description: 'For the custom strategy: the delay after each failed attempt.',
  }),
  enabled: flag('A disabled job accepts no runs.'),
}
const unshown = {
  ...ofProject,
  endpoint_signing_secret: optional(SECRET),
  webhook_secret: optional(SECRET),
}

/** Closed, so that a field without meaning here is refused by name instead of being silently ignored. */
const jobBody = <P extends TProperties>(properties: P, more: { title: string; minProperties?: number }) =>
  Type.Object(properties, {
    ...more,
    additionalProperties: false,
    patternProperties: { [NOT_HONOURED_NAMES]: {} },
  })

const { name, slug, ...others } = fields
export const JobInput = jobBody(
  { ...unshown, name, slug, ...Type.Partial(Type.Object(others)).properties },
  { title: 'JobInput' },
)
export const JobPatch = jobBody(
  { ...unshown, ...Type.Partial(Type.Object(fields)).properties },
  { title: 'JobPatch', minProperties: 1 },
)
export type JobPatch = Static<typeof JobPatch>

const { endpoint_url, cron, payload_schema, result_schema, run_ttl_secs, execution_mode: _, ...always } = fields
const shownFields = {
  ...always,
  endpoint_url: optional(endpoint_url),
  cron: optional(cron),
  payload_schema: optional(payload_schema),
  result_schema: optional(result_schema),
  run_ttl_secs: optional(run_ttl_secs),
  execution_mode: oneOf(['http', 'worker', 'external'], 'Who executes it.'),
  version_policy: oneOf(['pin'], 'Runs keep the version that they were triggered with.'),
}
const PROJECT = Type.String({ description: 'Project of the job.' })

export const Job = Type.Object(
  {
    id: uuid('Id of the job.'),
    project_id: PROJECT,
    version: JOB_VERSION,
    version_id: uuid('Id of this version.'),
    ...shownFields,
    paused: flag('True while the job is paused: it accepts no runs, and none start.'),
    paused_at: optional(time('When it was paused.')),
    pause_reason: optional(Type.String({ description: 'Why it was paused.' })),
    next_run_at: optional(time('When cron next triggers the job.')),
    created_at: time('When it was created.'),
    updated_at: time('When it was last changed.'),
  },
  { title: 'Job' },
)
export type Job = Static<typeof Job>

export const JobVersion = Type.Object(
  {
    id: uuid('Id of the version.'),
    job_id: uuid('Id of the job.'),
    project_id: PROJECT,
    version: JOB_VERSION,
    ...shownFields,
    created_at: time('When it was created.'),
    created_by: optional(Type.String({ description: 'Id of the actor who created it.' })),
  },
  { title: 'JobVersion' },
)
export type JobVersion = Static<typeof JobVersion>

export const JobDependency = Type.Object(
  {
    id: uuid('Id of the dependency.'),
    job_id: uuid('The job that waits.'),
    depends_on_job_id: uuid('The job that it waits for.'),
    condition: oneOf(DEPENDENCY_CONDITIONS, 'How the latest run of that job must have ended.'),
    created_at: time('When it was created.'),
  },
  { title: 'JobDependency' },
)

const COUNT = whole(0, Number.MAX_SAFE_INTEGER, 'Number of runs.')
export const RunCounts = Type.Object(
  Object.fromEntries(
    RUN_STATES.map((state) => [state, whole(0, Number.MAX_SAFE_INTEGER, `Runs that are ${state}.`)]),
  ) as {
    [State in (typeof RUN_STATES)[number]]: typeof COUNT
  },
  { title: 'RunCounts', description: 'Runs by state.' },
)

const measure = (description: string) => Type.Number({ description })
export const JobHealth = Type.Object(
  {
    job_id: uuid('Id of the job.'),
    window: oneOf(WINDOWS, 'Period of the figures.'),
    since: time('Start of the period.'),
    total_runs: COUNT,
    completed_runs: COUNT,
    failed_runs: whole(0, Number.MAX_SAFE_INTEGER, 'Number of failed runs, including dead letters.'),
    timed_out_runs: COUNT,
    crashed_runs: COUNT,
    canceled_runs: COUNT,
    expired_runs: COUNT,
    success_rate: measure('Percentage of these runs that completed; 0 without runs.'),
    avg_duration_secs: measure("Average duration of the runs' latest attempts, in seconds."),
    p95_duration_secs: measure('95th percentile of the durations, in seconds.'),
    p99_duration_secs: measure('99th percentile of the durations, in seconds.'),
    health_score: measure('0 to 100: 70% success rate, 30% evenness of the durations; -1 without runs.'),
    enabled: flag('Whether the job accepts runs.'),
    paused: flag('Whether the job is paused.'),
    counts: RunCounts,
  },
  { title: 'JobHealth', description: `${HEALTH_BOUND} \`counts\` are of all runs that are kept.` },
)
