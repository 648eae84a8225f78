// Strait's jobs as they are said: what a client may send of one, and what it reads.
import { type Static, type TProperties, Type } from 'typebox'
import {
  DAY_SECS,
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
  YEAR_SECS,
} from '#contract/common.ts'
import { JOB_VERSION, QUEUE, RETRY_STRATEGIES } from '#contract/job.ts'
import { DEPENDENCY_CONDITIONS } from '#core/dependency.ts'
import { RUN_STATES } from '#core/run.ts'
import { HEALTH_BOUND, WINDOWS } from './jobs-health.ts'
import { ofProject } from './paging.ts'

const SECRET = nullable(text(4096, 'Signs what is sent to the endpoint. Never shown again.'))

/**
 * What only Strait itself does, with the values that ask for nothing of it. Everything else is refused by name: a rate
 * limit or a webhook that is accepted and never comes would be found out too late.
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
  name: text(255, 'Name for people.', { minLength: 1 }),
  slug: Type.String({ pattern: '^[a-z0-9][a-z0-9_-]{0,62}$', description: 'Short name, unique in the project.' }),
  description: text(2000, 'What the job is for.'),
  endpoint_url: nullable(text(2048, 'Where the payload is posted to; required in the mode http.')),
  execution_mode: oneOf(['http', 'worker', 'managed'], 'http by itself. managed: a worker of yours executes it.'),
  queue_name: QUEUE,
  cron: nullable(text(100, 'Cron expression that triggers the job.')),
  timezone: text(64, 'IANA time zone of the cron expression; UTC by itself.'),
  cron_overlap_policy: oneOf(['allow', 'skip', 'cancel_running'], 'What a tick does while a run is not over.'),
  payload_schema: nullable(jsonObject('JSON Schema that payloads must meet.', JSON_SCHEMA_BYTES_MAX)),
  result_schema: nullable(jsonObject('JSON Schema that results must meet.', JSON_SCHEMA_BYTES_MAX)),
  tags: tags('Tags of every run.'),
  default_run_metadata: metadata('Metadata that runs begin with.'),
  max_attempts: whole(1, 100, 'Attempts in all; 3 by itself.'),
  timeout_secs: whole(1, DAY_SECS, 'Seconds that one attempt may take; 300 by itself.'),
  run_ttl_secs: nullable(whole(0, YEAR_SECS, 'Seconds after which a run that waits expires; 0 and null: never.')),
  max_concurrency: whole(0, 100_000, 'Runs executing at once; 0 is unlimited.'),
  max_concurrency_per_key: whole(0, 100_000, 'The same for each concurrency_key.'),
  retry_strategy: oneOf(RETRY_STRATEGIES, 'How the delay between attempts grows; exponential by itself.'),
  retry_delays_secs: Type.Array(whole(0, DAY_SECS, 'Seconds.'), { maxItems: 100, description: 'For custom.' }),
  enabled: flag('A disabled job takes no runs.'),
}
const unshown = {
  ...ofProject,
  endpoint_signing_secret: optional(SECRET),
  webhook_secret: optional(SECRET),
}

/** Closed, so that a field that means nothing here is named and not passed over. */
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
    paused: flag('While it is paused it takes no runs, and none begins.'),
    paused_at: optional(time('Since when.')),
    pause_reason: optional(Type.String({ description: 'Why.' })),
    next_run_at: optional(time('When cron triggers it next.')),
    created_at: time('When it was created.'),
    updated_at: time('When it was changed last.'),
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
    created_at: time('When it was made.'),
    created_by: optional(Type.String({ description: 'Id of the actor who made it.' })),
  },
  { title: 'JobVersion' },
)
export type JobVersion = Static<typeof JobVersion>

export const JobDependency = Type.Object(
  {
    id: uuid('Id of the dependency.'),
    job_id: uuid('The job that waits.'),
    depends_on_job_id: uuid('The job that it waits for.'),
    condition: oneOf(DEPENDENCY_CONDITIONS, 'How the latest run of that one must have ended.'),
    created_at: time('When it was made.'),
  },
  { title: 'JobDependency' },
)

const COUNT = whole(0, Number.MAX_SAFE_INTEGER, 'Runs.')
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
    window: oneOf(WINDOWS, 'The span that is looked at.'),
    since: time('When it begins.'),
    total_runs: COUNT,
    completed_runs: COUNT,
    failed_runs: whole(0, Number.MAX_SAFE_INTEGER, 'Runs; dead letters are among them.'),
    timed_out_runs: COUNT,
    crashed_runs: COUNT,
    canceled_runs: COUNT,
    expired_runs: COUNT,
    success_rate: measure('Completed runs among all of these, in percent; 0 without any.'),
    avg_duration_secs: measure('Average of the latest attempts, in seconds.'),
    p95_duration_secs: measure('95 of 100 took no longer.'),
    p99_duration_secs: measure('99 of 100 took no longer.'),
    health_score: measure('0 to 100: seven tenths success, three tenths how even the durations are; -1 without runs.'),
    enabled: flag('Whether it takes runs.'),
    paused: flag('Whether it is paused.'),
    counts: RunCounts,
  },
  { title: 'JobHealth', description: `${HEALTH_BOUND} \`counts\` are of all runs that are kept.` },
)
