// What a job is, apart from who keeps it. A run is bound to one version of it.
import type { RetryPolicy } from './retry.ts'

export type Execution = 'http' | 'worker' | 'external'

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
  /** How long a run may wait for its turn, each time that it waits. */
  runTtlSecs: number | null
  priority: number
  tags: Record<string, string>
  metadata: Record<string, string>
  /** 0 is unlimited. */
  maxConcurrency: number
  maxConcurrencyPerKey: number
  cron: string | null
  timezone: string
  cronPayload: unknown
  cronOverlapPolicy: 'allow' | 'skip' | 'cancel_running'
  cronMissedPolicy: 'skip' | 'one' | 'all'
  whenPaused: 'hold' | 'refuse'
  enabled: boolean
  /** How long an executor has to checkpoint and stop once it is told to pause. */
  pauseGraceSecs: number
  /** How requests to the endpoint are signed, and laid out; 'standard' when absent: see engine/dispatch-request.ts. */
  signature?: 'standard' | 'strait'
}

/** The queue's order ascends in every part, so it keeps minus the priority. */
export const rankOf = (priority: number): number => -priority
export const priorityOf = (rank: number): number => 0 - rank
