// What the tests of the HTTP caller share: a caller that ends with its test, a plain request, and the two ways a
// call can end.

import { onTestFinished } from 'vitest'
import { type Caller, type CallerOptions, type CallOutcome, type CallRequest, makeCaller } from '#dispatch/http-call.ts'

export function caller(options: Partial<CallerOptions> = {}): Caller {
  const made = makeCaller({ egress: 'any', ...options })
  onTestFinished(() => made.close())
  return made
}

export const post = (url: string, more: Partial<CallRequest> = {}): CallRequest => ({
  url,
  headers: { 'content-type': 'application/json' },
  body: '{}',
  timeoutMs: 10_000,
  resultBytesMax: 1_048_576,
  ...more,
})

export function response(outcome: CallOutcome): Extract<CallOutcome, { kind: 'response' }> {
  if (outcome.kind !== 'response') throw new Error(`expected a response, got ${outcome.reason}: ${outcome.message}`)
  return outcome
}

export function fault(outcome: CallOutcome): Extract<CallOutcome, { kind: 'failed' }> {
  if (outcome.kind !== 'failed') throw new Error(`expected a fault, got status ${outcome.status}`)
  return outcome
}
