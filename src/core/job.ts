// What a job is, independent of storage. A run is bound to one version of its job.
import type { RetryPolicy } from './runs/retry.ts'

export type Execution = 'http' | 'worker' | 'external'

/**
 * At most `limit` within any `periodSecs`. `key` is a JSON Pointer into the payload: each value there is counted by
 * itself. Null: all runs of the job are counted together.
 */
export type Rate = { limit: number; periodSecs: number; key: string | null }

/** Triggers of one key are one run, which starts `periodSecs` after the last of them, `maxDelaySecs` after the first. */
export type Debounce = { periodSecs: number; maxDelaySecs: number | null; key: string | null }

export type JobDefinition = RetryPolicy & {
  name: string
  description: string
  execution: Execution
  queue: string
  endpointUrl: string | null
  endpointHeaders: Record<string, string>
  payloadSchema: Record<string, unknown> | null
  resultSchema: Record<string, unknown> | null
  timeoutSecs: number
  /** The time to live of a run, which starts again each time it is queued. */
  runTtlSecs: number | null
  priority: number
  tags: Record<string, string>
  metadata: Record<string, string>
  /** 0: no limit. */
  maxConcurrency: number
  maxConcurrencyPerKey: number
  /** Of triggers; those beyond it are refused. */
  rateLimit: Rate | null
  /** Of starts; runs beyond it keep their place in the queue. */
  throttle: Rate | null
  debounce: Debounce | null
  cron: string | null
  timezone: string
  /** JSON as it was written. */
  cronPayload: unknown
  cronOverlapPolicy: 'allow' | 'skip' | 'cancel_running'
  cronMissedPolicy: 'skip' | 'one' | 'all'
  whenPaused: 'hold' | 'refuse'
  enabled: boolean
  /** Grace period: how long an executor has to save a checkpoint and stop after a pause request. */
  pauseGraceSecs: number
  /** How requests to the endpoint are signed, and laid out; 'standard' when absent: see dispatch/dispatch-request.ts. */
  signature?: 'standard' | 'strait'
}

/** The defaults of a job. */
export const PLAIN_JOB: Omit<JobDefinition, 'name'> = {
  description: '',
  execution: 'worker',
  queue: 'default',
  endpointUrl: null,
  endpointHeaders: {},
  payloadSchema: null,
  resultSchema: null,
  maxAttempts: 3,
  retryStrategy: 'exponential',
  retryInitialDelaySecs: 1,
  retryMaxDelaySecs: 3600,
  retryDelaysSecs: [],
  timeoutSecs: 300,
  runTtlSecs: null,
  priority: 0,
  tags: {},
  metadata: {},
  maxConcurrency: 0,
  maxConcurrencyPerKey: 0,
  rateLimit: null,
  throttle: null,
  debounce: null,
  cron: null,
  timezone: 'UTC',
  cronPayload: null,
  cronOverlapPolicy: 'allow',
  cronMissedPolicy: 'one',
  whenPaused: 'hold',
  enabled: true,
  pauseGraceSecs: 10,
}

/** The queue's index is ascending in every column, so it stores minus the priority. */
export const rankOf = (priority: number): number => -priority
export const priorityOf = (rank: number): number => 0 - rank
