import { expect, test } from 'vitest'
import { afterFailure, type RetryPolicy } from './retry.ts'

const POLICY: RetryPolicy = {
  maxAttempts: 5,
  retryStrategy: 'fixed',
  retryInitialDelaySecs: 10,
  retryMaxDelaySecs: 60,
  retryDelaysSecs: [],
}

test.each([
  ['nothing asked for: the delay of the policy', {}, 10_000],
  ['Retry-After of nothing, or in the past', { retryAfterMs: 0 }, 10_000],
  ['a shorter Retry-After', { retryAfterMs: 1_000 }, 10_000],
  ['a longer Retry-After', { retryAfterMs: 30_000 }, 30_000],
  ['a Retry-After beyond the longest delay', { retryAfterMs: 3_600_000 }, 60_000],
  ['a shorter delay that the executor wants', { wantedDelayMs: 0 }, 0],
  ['a delay that the executor wants beyond the longest', { wantedDelayMs: 3_600_000 }, 60_000],
])('%s', (_what, asked, delayMs) => {
  const after = afterFailure(POLICY, { attempt: 1, retryable: true, ...asked }, 0.5)
  expect(after).toEqual({ kind: 'retry', delayMs })
})
