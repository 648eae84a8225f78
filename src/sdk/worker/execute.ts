// One run in a handler: its input, and what its outcome means.

import type { Client } from '../client.ts'
import { RunyardError } from '../error.ts'
import { type Attempt, type Claimed, makeAttempt } from './attempt.ts'
import { AttemptFailed, type Lease, ReturnRun } from './lease.ts'
import type { Ending, Settler } from './settler.ts'

export type Handling<Payload> = {
  run: Claimed['run']
  payload: Payload
  /** The latest checkpoint, to continue from. */
  checkpoint: Claimed['checkpoint']
  /** The error of the previous attempt. */
  previousError: string | null
  /** The trace that the run belongs to, as the header of that name. */
  traceparent: string
  attempt: Attempt
  /** Aborted with an AttemptStopped, whose `told` is stop, pause or drain; a cooperative handler throws it. */
  signal: AbortSignal
}

/** Its return value is the result of the run; an error that it throws is the failure. */
export type Handle<Payload> = (handling: Handling<Payload>) => Promise<unknown>

type Executor<Payload> = { client: Client; handle: Handle<Payload>; settler: Settler }

/** Resolves when the run is settled, or no longer ours. */
export async function executeRun<Payload>({ client, handle, settler }: Executor<Payload>, lease: Lease): Promise<void> {
  const { claimed, signal } = lease
  const { run, payload, checkpoint, previous_error, traceparent } = claimed
  const attempt = makeAttempt(client, claimed, () => lease.tell('stop'))
  const previousError = previous_error
  const handling = { run, payload: payload as Payload, checkpoint, previousError, traceparent, attempt, signal }
  const ending = await Promise.resolve(handling)
    .then(handle)
    .then((result): Ending => ({ outcome: 'completed', ...(result !== undefined && { result }) }))
    .catch((error: unknown) => endingOf(lease, error))
  // A run that was taken away, or returned in the meantime, is not ours to settle.
  if (lease.told === 'stop' || lease.settling) return
  lease.settling = true
  await settler.settle(lease, ending)
}

/** What an error thrown by a handler means for its run. */
export function endingOf({ told }: Pick<Lease, 'told'>, error: unknown): Ending {
  if (told === 'pause' || codeOf(error) === 'pause_requested') return { outcome: 'paused' }
  if (told === 'drain' || error instanceof ReturnRun) return { outcome: 'returned' }
  const message = messageOf(error)
  if (!(error instanceof AttemptFailed)) return { outcome: 'failed', error: message }
  const { code, retryable, retryInSecs } = error
  return {
    outcome: 'failed',
    error: message,
    retryable,
    ...(code !== undefined && { error_code: code }),
    ...(retryInSecs !== undefined && { retry_in_secs: retryInSecs }),
  }
}

/** Asked for between two heartbeats, a pause is told by the call that it refuses. */
const codeOf = (error: unknown): string | undefined => (error instanceof RunyardError ? error.code : undefined)

const CAUSES_MAX = 5

/** The message, and those of its causes: what is at the bottom of a chain is what a person has to know. */
function messageOf(error: unknown): string {
  const told: string[] = []
  for (let cause = error; cause !== undefined && cause !== null && told.length <= CAUSES_MAX; ) {
    const message = cause instanceof Error ? cause.message || cause.name : textOf(cause)
    // Many libraries repeat the message of the cause in their own.
    if (!told.some((before) => before.includes(message))) told.push(message)
    cause = cause instanceof Error ? cause.cause : undefined
  }
  return told.join(': ') || 'The handler threw nothing'
}

/** Anything can be thrown. */
function textOf(thrown: unknown): string {
  if (typeof thrown !== 'object') return String(thrown)
  try {
    return JSON.stringify(thrown)
  } catch {
    return Object.prototype.toString.call(thrown)
  }
}
