// A trigger request, and its origin.
import type { Cause } from '#core/event.ts'
import type { Trigger } from '#core/run.ts'
import type { RetryPolicy } from '#core/runs/retry.ts'

export type RunRequest = Partial<RetryPolicy> & {
  payload?: unknown
  scheduledAt?: Date | undefined
  delaySecs?: number | undefined
  priority?: number | undefined
  tags?: Record<string, string> | undefined
  metadata?: Record<string, string> | undefined
  concurrencyKey?: string | undefined
  /** Instead of the key in the payload that the job counts, or debounces, by. */
  rateLimitKey?: string | undefined
  debounceKey?: string | undefined
  idempotencyKey?: string | undefined
  /** What a repeated key is compared by, where the payload differs each time. Defaults to the payload; null: by nothing. */
  comparedBy?: unknown
  ttlSecs?: number | undefined
  timeoutSecs?: number | undefined
  agentId?: string | undefined
  debugMode?: boolean | undefined
  /** Continues when its parent is canceled or fails. */
  detached?: boolean | undefined
  /** Name of its preset. */
  preset?: string | undefined
  traceparent?: string | undefined
}

/** What triggered the run, besides the actor who asked for it. */
export type Origin = Cause & {
  projectId: string
  triggeredBy: Trigger
  batchId?: string
  parentRunId?: string
  continuationOf?: string
  lineageDepth?: number
  replayedFrom?: string
}
