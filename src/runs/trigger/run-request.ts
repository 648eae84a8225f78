// What a trigger asks for, and where it comes from.
import type { Cause } from '#core/event.ts'
import type { RetryPolicy } from '#core/retry.ts'
import type { Trigger } from '#core/run.ts'

export type RunRequest = Partial<RetryPolicy> & {
  payload?: unknown
  scheduledAt?: Date | undefined
  delaySecs?: number | undefined
  priority?: number | undefined
  tags?: Record<string, string> | undefined
  metadata?: Record<string, string> | undefined
  concurrencyKey?: string | undefined
  idempotencyKey?: string | undefined
  /** What a second use of the key is compared by, where the payload differs each time. By default the payload. */
  comparedBy?: unknown
  ttlSecs?: number | undefined
  timeoutSecs?: number | undefined
  agentId?: string | undefined
  debugMode?: boolean | undefined
  /** Goes on when its parent is canceled or fails. */
  detached?: boolean | undefined
  /** Name of the settings that it is executed with. */
  preset?: string | undefined
  traceparent?: string | undefined
}

/** Where a run comes from, besides the one who asks for it. */
export type Origin = Cause & {
  projectId: string
  triggeredBy: Trigger
  batchId?: string
  parentRunId?: string
  continuationOf?: string
  lineageDepth?: number
  replayedFrom?: string
}
