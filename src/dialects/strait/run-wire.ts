// A run as Strait shows it: empty fields are omitted, and what Strait has no word for is mapped to the nearest one.
import { type Static, Type } from 'typebox'
import { anyJson, flag, INT_MAX, metadata, oneOf, optional, RUN_ID, tags, time, whole } from '#contract/common.ts'
import { PRIORITY } from '#contract/job.ts'
import { RUN_STATES, type Trigger } from '#core/run.ts'
import { runWire, type ShownBody } from '#http/wire/run-wire.ts'
import { instantText } from '#postgres/instant.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'

/** Strait's names for what triggered a run; our replays are manual runs there. */
export const STRAIT_TRIGGERS = ['manual', 'cron', 'spawn', 'workflow', 'retry', 'event'] as const
export const TRIGGERED_BY = oneOf(STRAIT_TRIGGERS, 'What triggered the run.')
/** Strait's 13 states, and `paused`. */
export const STATUS = oneOf(RUN_STATES, 'State of the run.')

const word = (description: string) => Type.String({ description })
const count = (description: string) => whole(0, INT_MAX, description)

/** The response of operations that have nothing else to report. */
export const OK = Type.Object({ status: oneOf(['ok'], 'Done.') }, { title: 'OK' })

const ExecutionTrace = Type.Object(
  {
    queue_wait_ms: optional(count('From being due to the claim.')),
    dequeue_ms: optional(count('From the claim to the start of the request.')),
    connect_ms: optional(count('DNS lookup, TCP and TLS.')),
    ttfb_ms: optional(count('From the end of the request to the first byte of the response.')),
    transfer_ms: optional(count('From the first byte to the last.')),
    total_ms: optional(count('From being due to the last byte.')),
    dispatch_ms: optional(count('Sum of connect_ms, ttfb_ms and transfer_ms.')),
  },
  { title: 'ExecutionTrace', description: 'Whole milliseconds; unmeasured parts are omitted.' },
)

export const JobRun = Type.Object(
  {
    id: RUN_ID,
    job_id: word('Id of the job; empty for an external run.'),
    project_id: word('Project that the run belongs to.'),
    status: STATUS,
    attempt: count('Number of the current or the next attempt; the first is 1.'),
    payload: optional(anyJson('Payload of the run.')),
    result: optional(anyJson('Result of the run.')),
    payload_gone: optional(flag('True when payload and result have been deleted by retention.')),
    metadata: optional(metadata('Metadata of the run.')),
    error: optional(word('The latest error.')),
    triggered_by: TRIGGERED_BY,
    scheduled_at: optional(time('When it was scheduled to start, if a time was given.')),
    started_at: optional(time('When the latest attempt started.')),
    finished_at: optional(time('When the run ended.')),
    heartbeat_at: optional(time('When its executor last sent a heartbeat.')),
    next_retry_at: optional(time('When the next attempt is due.')),
    expires_at: optional(time('When it expires if it has not started.')),
    parent_run_id: optional(word('The run that spawned this one.')),
    priority: PRIORITY,
    idempotency_key: optional(word('The key that it was triggered with.')),
    job_version: count('Version of the job; the first is 1.'),
    workflow_step_run_id: optional(word('Never present: Runyard has no workflows.')),
    max_attempts_override: optional(count('Maximum number of attempts, if the trigger set it.')),
    timeout_secs_override: optional(count('Timeout of one attempt in seconds, if the trigger set it.')),
    retry_backoff: optional(word('Retry strategy, if the trigger set it.')),
    retry_initial_delay_secs: optional(count('First retry delay in seconds, if the trigger set it.')),
    retry_max_delay_secs: optional(count('Upper limit of the retry delay in seconds, if the trigger set it.')),
    execution_trace: optional(ExecutionTrace),
    debug_mode: flag('Whether the run is in debug mode.'),
    continuation_of: optional(word('The run that this one continues.')),
    lineage_depth: count('Number of parents and continuations before it.'),
    tags: optional(tags('Tags of the run.')),
    job_version_id: optional(word('Id of the version of the job.')),
    created_by: optional(word('Who triggered it.')),
    batch_id: optional(word('The batch that it was triggered with.')),
    concurrency_key: optional(word('Runs with the same key share max_concurrency_per_key.')),
    created_at: time('When the run was triggered.'),
  },
  { title: 'JobRun' },
)
export type JobRun = Static<typeof JobRun>

/** The settings that a trigger overrode, by the names under which they are stored. */
type Overrides = {
  maxAttempts?: number
  timeoutSecs?: number
  retryStrategy?: string
  retryInitialDelaySecs?: number
  retryMaxDelaySecs?: number
}

export function straitRun(run: RunRow, body?: ShownBody): JobRun {
  const it = runWire(run, body)
  const own = (run.overrides ?? {}) as Overrides
  return filled({
    id: it.id,
    job_id: it.job_id ?? '',
    project_id: it.project_id,
    status: it.status,
    attempt: it.attempt,
    payload: body?.payload,
    result: body?.result,
    payload_gone: body?.gone,
    // Names that begin with an underscore are the engine's own.
    metadata: perhapsMap({ ...it.metadata, ...(run.preset && { _preset_override: run.preset }) }),
    error: it.error,
    triggered_by: straitTrigger(run.triggeredBy),
    scheduled_at: it.scheduled_at,
    started_at: it.started_at,
    finished_at: it.finished_at,
    heartbeat_at: it.heartbeat_at,
    next_retry_at: it.next_retry_at,
    expires_at: it.expires_at,
    parent_run_id: it.parent_run_id,
    priority: it.priority,
    idempotency_key: it.idempotency_key,
    job_version: it.job_version ?? 0,
    max_attempts_override: own.maxAttempts,
    timeout_secs_override: own.timeoutSecs,
    retry_backoff: own.retryStrategy,
    retry_initial_delay_secs: wholeSecs(own.retryInitialDelaySecs),
    retry_max_delay_secs: wholeSecs(own.retryMaxDelaySecs),
    execution_trace: it.execution_trace && traceOf(it.execution_trace),
    debug_mode: it.debug_mode,
    continuation_of: it.continuation_of,
    lineage_depth: it.lineage_depth,
    tags: perhapsMap(it.tags),
    job_version_id: it.job_version_id,
    created_by: it.created_by.id ?? it.created_by.type,
    batch_id: it.batch_id,
    concurrency_key: it.concurrency_key,
    created_at: instantText(run.createdAt),
  }) as JobRun
}

/** Clients expect integers; a natively set fractional delay is rounded up. */
export const wholeSecs = <S extends number | undefined>(secs: S) => (secs === undefined ? secs : Math.ceil(secs)) as S

/** Omits empty fields: Strait sends no nulls. */
export const filled = <T extends object>(fields: T): { [K in keyof T]: NonNullable<T[K]> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined)) as {
    [K in keyof T]: NonNullable<T[K]>
  }

const perhapsMap = (map: Record<string, string>) => (Object.keys(map).length === 0 ? undefined : map)

const straitTrigger = (trigger: Trigger) => (trigger === 'replay' ? 'manual' : trigger)

/** A filter by Strait's trigger names. With one of ours an index can be used, with two it cannot. */
export const triggersShownAs = (trigger: Trigger | undefined) =>
  trigger === 'manual' ? { triggers: ['manual', 'replay'] as const } : { triggeredBy: trigger }

function traceOf(trace: Record<string, number | null>) {
  const whole: Record<string, number> = Object.fromEntries(
    Object.entries(trace).flatMap(([name, ms]) => (ms === null ? [] : [[name, Math.max(0, Math.round(ms))]])),
  )
  // Rounded individually, its parts would not always add up to it.
  const { connect_ms = 0, ttfb_ms = 0, transfer_ms = 0 } = whole
  return { ...whole, ...('dispatch_ms' in whole && { dispatch_ms: connect_ms + ttfb_ms + transfer_ms }) }
}
