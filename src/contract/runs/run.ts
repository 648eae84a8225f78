// What a run is on the wire: what a trigger asks for, what a read shows, and why a run stands still.
import { type Static, Type } from 'typebox'
import { RUN_STATES, TRIGGERS } from '#core/run.ts'
import {
  Actor,
  anyJson,
  body,
  flag,
  INT_MAX,
  ItemError,
  jsonObject,
  listOf,
  metadata,
  nullable,
  oneOf,
  optional,
  RUN_ID,
  seconds,
  stringMap,
  tags,
  text,
  time,
  timeOrNull,
  uuid,
  whole,
  YEAR_SECS,
} from '../common.ts'
import { EXECUTION, PRIORITY, retryFields } from '../job.ts'

export const RUN_STATUS = oneOf(RUN_STATES, 'State of the run; docs/run-states.md has the moves between them.')
export const TRIGGERED_BY = oneOf(TRIGGERS, 'What triggered the run.')
export const IDEMPOTENCY_KEY = text(256, 'The same key with the same payload gives the first run again.', {
  minLength: 1,
})
export const CONCURRENCY_KEY = text(256, 'Runs with the same key share max_concurrency_per_key.', { minLength: 1 })
export const CORRELATION_ID = text(128, 'Shared by a whole chain of causes; made when left out.', { minLength: 1 })
export const AGENT_ID = text(128, 'The agent that the run acts for.', { minLength: 1 })

const ENVIRONMENT = { keysMax: 50, keyLengthMax: 128, valueLengthMax: 4096, description: 'Values by name.' }
const PRESET = text(63, 'Name of the settings that it is executed with; see /v1/presets.', { minLength: 1 })

export const RunInput = body(
  {
    payload: optional(anyJson('What the run works on: any JSON; null when left out.')),
    scheduled_at: optional(time('Begin at this time; a year ahead at most. Not together with delay_secs.')),
    delay_secs: optional(seconds(0, YEAR_SECS, 'Begin after this many seconds. Not together with scheduled_at.')),
    priority: optional(PRIORITY),
    tags: optional(tags("Laid over the job's tags.")),
    metadata: optional(metadata("Laid over the job's metadata.")),
    concurrency_key: optional(CONCURRENCY_KEY),
    idempotency_key: optional(IDEMPOTENCY_KEY),
    ttl_secs: optional(whole(1, YEAR_SECS, 'Seconds after which the run expires unless it has begun.')),
    max_attempts: optional(retryFields.max_attempts),
    timeout_secs: optional(retryFields.timeout_secs),
    retry_strategy: optional(retryFields.retry_strategy),
    retry_initial_delay_secs: optional(retryFields.retry_initial_delay_secs),
    retry_max_delay_secs: optional(retryFields.retry_max_delay_secs),
    retry_delays_secs: optional(retryFields.retry_delays_secs),
    parent_run_id: optional(RUN_ID),
    correlation_id: optional(CORRELATION_ID),
    causation_id: optional(uuid('Id of the event that directly caused this run.')),
    agent_id: optional(AGENT_ID),
    debug_mode: optional(flag('Keep debug logs, and what each dispatch sent and got.')),
    preset: optional(PRESET),
    detached: optional(flag('Go on when the parent is canceled or fails.')),
  },
  { title: 'RunInput', examples: [{ payload: { month: '2026-01' }, priority: 5, tags: { team: 'finance' } }] },
)
export type RunInput = Static<typeof RunInput>

const ms = (description: string) => nullable(Type.Number({ minimum: 0 }), `${description}, in milliseconds.`)

export const ExecutionTrace = Type.Object(
  {
    queue_wait_ms: ms('From being due to being claimed'),
    dequeue_ms: ms('From the claim to the start of the request'),
    connect_ms: ms('Name look-up, TCP and TLS'),
    ttfb_ms: ms('From the request sent to the first byte of the answer'),
    transfer_ms: ms('From the first byte to the last'),
    dispatch_ms: ms('connect, first byte and transfer together'),
    total_ms: ms('From being due to the last byte'),
  },
  { title: 'ExecutionTrace' },
)

export const RunOverrides = Type.Object(
  {
    max_attempts: optional(retryFields.max_attempts),
    timeout_secs: optional(retryFields.timeout_secs),
    retry_strategy: optional(retryFields.retry_strategy),
    retry_initial_delay_secs: optional(retryFields.retry_initial_delay_secs),
    retry_max_delay_secs: optional(retryFields.retry_max_delay_secs),
    retry_delays_secs: optional(retryFields.retry_delays_secs),
    ttl_secs: optional(whole(1, YEAR_SECS, 'Seconds after which the run expires unless it has begun.')),
  },
  { title: 'RunOverrides' },
)

const nullableText = (description: string) => nullable(Type.String(), description)
const runIdOrNull = (description: string) => nullableText(description)

export const Run = Type.Object(
  {
    id: RUN_ID,
    job_id: nullableText('Id of the job; null for an external run without one.'),
    job_slug: nullableText('Slug of the job.'),
    job_version: nullable(whole(1, INT_MAX, 'Version of the job.'), 'Version of the job that the run is bound to.'),
    job_version_id: nullableText('Id of that version.'),
    project_id: Type.String({ description: 'Project that the run belongs to.' }),
    status: RUN_STATUS,
    execution: EXECUTION,
    queue: Type.String({ description: 'Queue of the run.' }),
    attempt: whole(0, INT_MAX, 'Number of the current or the next attempt; the first is 1.'),
    max_attempts: retryFields.max_attempts,
    timeout_secs: retryFields.timeout_secs,
    priority: PRIORITY,
    triggered_by: TRIGGERED_BY,
    created_by: Actor,
    correlation_id: Type.String({ description: 'Shared by the whole chain of causes that the run is part of.' }),
    parent_run_id: runIdOrNull('The run that spawned this one.'),
    continuation_of: runIdOrNull('The run that this one continues.'),
    lineage_depth: whole(0, INT_MAX, 'How many parents or continuations stand before it.'),
    replayed_from: runIdOrNull('The run that this one repeats.'),
    batch_id: nullableText('The batch that it was triggered with.'),
    idempotency_key: nullableText('The key it was triggered with.'),
    concurrency_key: nullableText('Runs with the same key share max_concurrency_per_key.'),
    agent_id: nullableText('The agent that the run acts for.'),
    tags: tags('Tags of the run.'),
    metadata: metadata('Metadata of the run.'),
    debug_mode: flag('Whether debug logs, and what each dispatch sent and got, are kept.'),
    preset: nullableText('The preset that it is executed with.'),
    environment: nullable(stringMap(ENVIRONMENT), 'What its executor is given by the preset.'),
    detached: flag('Whether it goes on when its parent is canceled or fails.'),
    created_at: time('When the run was triggered.'),
    scheduled_at: timeOrNull('When it was to begin, if it was given a time.'),
    started_at: timeOrNull('When the latest attempt began.'),
    finished_at: timeOrNull('When the run was over.'),
    heartbeat_at: timeOrNull('When its executor was heard of last.'),
    next_retry_at: timeOrNull('When the next attempt is due.'),
    expires_at: timeOrNull('When it expires unless it has begun.'),
    last_sequence: whole(0, Number.MAX_SAFE_INTEGER, 'Sequence of its latest event.'),
    error: nullableText('What went wrong last.'),
    error_code: nullableText('Stable code of what went wrong last.'),
    execution_trace: nullable(ExecutionTrace, 'Where the time of the latest attempt went; http only.'),
    overrides: nullable(RunOverrides, 'What the trigger set itself instead of taking it from the job.'),
    payload: optional(anyJson('What the run works on; only where one run is read.')),
    result: optional(anyJson('What the run gave; only where one run is read.')),
    payload_gone: optional(
      flag(
        'True when payload and result are not kept any more, so that their nulls say nothing; only where one run is read.',
      ),
    ),
    replayed: optional(flag('Answer of a trigger only: true when the idempotency key gave back this earlier run.')),
  },
  { title: 'Run' },
)
export type Run = Static<typeof Run>

export const RunList = listOf(Run, 'RunList')

export const RUN_REASONS = [
  'over',
  'turn',
  'no_worker',
  'time',
  'retry',
  'lease',
  'wait',
  'paused',
  'job_paused',
  'concurrency',
  'agent_disabled',
  'external',
  'dead_letter',
] as const

export const Why = Type.Object(
  {
    run_id: RUN_ID,
    status: RUN_STATUS,
    sentence: Type.String({ description: 'Why the run stands where it stands, for a person.' }),
    reason: oneOf(RUN_REASONS, 'The same, for a program.'),
    since: time('Since when.'),
    owner: optional(Type.String({ description: 'Who holds it: the worker or node of its lease.' })),
    until: optional(time('When this ends by itself: due, expiry, or end of the lease.')),
    position_hint: optional(whole(0, Number.MAX_SAFE_INTEGER, 'About how many runs of its queue stand before it.')),
    details: jsonObject('What the reason is about, in fields.'),
  },
  { title: 'Why' },
)
export type Why = Static<typeof Why>

export const RunResult = Type.Object(
  {
    id: Type.String({ description: 'Id of the run, as it was given.' }),
    status: nullable(RUN_STATUS, 'Its state now; null when there is no such run.'),
    error: optional(ItemError),
  },
  { title: 'RunResult', description: 'What became of one run of a bulk call.' },
)
