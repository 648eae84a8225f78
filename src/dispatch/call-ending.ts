// What an HTTP outcome means for the attempt.

import { retryableStatus } from '#core/runs/retry.ts'
import { retryAfterMs } from '#core/runs/retry-after.ts'
import { answerProblem, cutText, storableAnswer, storableText } from '#core/storable.ts'
import type { Failure } from '#runs/attempts/end-attempts.ts'
import type { CallOutcome } from './http-call.ts'

export type CallEnding =
  | { kind: 'completed'; result?: unknown }
  /** 202: the handler finishes later, with its run token. */
  | { kind: 'handed_over' }
  /** The lease was taken away, or we are stopping: nothing of the attempt is decided here. */
  | { kind: 'aborted' }
  | (Failure & { kind: 'failed' | 'timed_out' })

const BODY_IN_ERROR_MAX = 500

export function callEnding(
  outcome: CallOutcome,
  { timeoutSecs, nowMs }: { timeoutSecs: number; nowMs: number },
): CallEnding {
  if (outcome.kind === 'failed') return faultEnding(outcome, timeoutSecs)
  const { status } = outcome
  if (status === 202) return { kind: 'handed_over' }
  if (status >= 200 && status < 300) return answered(outcome)
  const said = cutText(outcome.bodyText, BODY_IN_ERROR_MAX)
  const retryAfter = outcome.headers['retry-after']
  return {
    kind: 'failed',
    error: `the endpoint answered ${status}${said ? `: ${said}` : ''}`,
    errorCode: `http_${status}`,
    // Redirects are never followed; where they lead may be put right, so they are tried again.
    retryable: retryableStatus(status) || status < 400,
    retryAfterMs: retryAfterMs(Array.isArray(retryAfter) ? retryAfter[0] : retryAfter, nowMs),
  }
}

function answered({ bodyText, isJson, json }: Extract<CallOutcome, { kind: 'response' }>): CallEnding {
  if (bodyText.length === 0) return { kind: 'completed' }
  if (!isJson) return { kind: 'completed', result: storableText(bodyText) }
  const problem = answerProblem(bodyText, json)
  // The work is done: doing it again would bring the same answer.
  if (problem) return { kind: 'failed', error: `the result ${problem}`, errorCode: 'result_invalid', retryable: false }
  return { kind: 'completed', result: storableAnswer(bodyText, json) }
}

function faultEnding({ reason, message }: Extract<CallOutcome, { kind: 'failed' }>, timeoutSecs: number): CallEnding {
  if (reason === 'aborted') return { kind: 'aborted' }
  if (reason === 'timeout')
    return { kind: 'timed_out', error: `timed out after ${timeoutSecs} s`, errorCode: 'timeout', retryable: true }
  // A body that is too large, or a request that cannot be sent, will be so again.
  return {
    kind: 'failed',
    error: message,
    errorCode: reason,
    retryable: reason !== 'body_too_large' && reason !== 'malformed',
  }
}
