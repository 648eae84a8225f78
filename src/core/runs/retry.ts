// What happens after an attempt has failed: a retry after a delay, or none.

export const RETRY_STRATEGIES = ['exponential', 'linear', 'fixed', 'custom'] as const
export type RetryStrategy = (typeof RETRY_STRATEGIES)[number]

export type RetryPolicy = {
  maxAttempts: number
  retryStrategy: RetryStrategy
  retryInitialDelaySecs: number
  retryMaxDelaySecs: number
  /** For `custom`: the delay after each failed attempt; the last one repeats. */
  retryDelaysSecs: number[]
}

export type AfterFailure =
  | { kind: 'retry'; delayMs: number }
  | { kind: 'giveUp'; reason: 'not_retryable' | 'attempts_exhausted' }

type Failure = {
  /** 1-based number of the failed attempt. */
  attempt: number
  retryable: boolean
  /** The delay that the executor asked for, instead of the policy's. */
  wantedDelayMs?: number | undefined
  /** The delay that the endpoint asked for (Retry-After). It can lengthen the policy's delay, never shorten it. */
  retryAfterMs?: number | undefined
}

/** Decides what follows a failure. `random` is in [0, 1). */
export function afterFailure(policy: RetryPolicy, failure: Failure, random: number): AfterFailure {
  if (!failure.retryable) return { kind: 'giveUp', reason: 'not_retryable' }
  if (failure.attempt >= policy.maxAttempts) return { kind: 'giveUp', reason: 'attempts_exhausted' }
  const ownMs = failure.wantedDelayMs ?? delayMs(policy, failure.attempt, random)
  const wantedMs = Math.max(ownMs, failure.retryAfterMs ?? 0)
  return { kind: 'retry', delayMs: Math.round(Math.min(policy.retryMaxDelaySecs * 1000, wantedMs)) }
}

function delayMs(policy: RetryPolicy, attempt: number, random: number): number {
  const initialMs = policy.retryInitialDelaySecs * 1000
  const maxMs = policy.retryMaxDelaySecs * 1000
  switch (policy.retryStrategy) {
    case 'fixed':
      return initialMs
    case 'linear':
      return initialMs * attempt
    case 'custom':
      return (
        (policy.retryDelaysSecs[attempt - 1] ?? policy.retryDelaysSecs.at(-1) ?? policy.retryInitialDelaySecs) * 1000
      )
    case 'exponential':
      // Full jitter: ten thousand runs that failed together must not retry together.
      return Math.min(maxMs, initialMs * 2 ** (attempt - 1)) * random
  }
}

/** Whether a retry may give a different HTTP status. */
export const retryableStatus = (status: number): boolean => status === 408 || status === 429 || status >= 500
