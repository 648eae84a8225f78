// One run in a handler: its input, and what its outcome means.
import { type Attempt, type Claimed, makeAttempt } from './attempt.ts'
import type { Client } from './client.ts'
import { AttemptFailed, type Lease, ReturnRun } from './lease.ts'
import type { Ending, Settler } from './settler.ts'

export type Handling<Payload> = {
  run: Claimed['run']
  payload: Payload
  /** The latest checkpoint, to continue from. */
  checkpoint: Claimed['checkpoint']
  /** The error of the previous attempt. */
  previousError: string | null
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
  const { run, payload, checkpoint, previous_error } = claimed
  const attempt = makeAttempt(client, claimed, () => lease.tell('stop'))
  const handling = { run, payload: payload as Payload, checkpoint, previousError: previous_error, attempt, signal }
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
function endingOf({ told }: Lease, error: unknown): Ending {
  if (told === 'pause') return { outcome: 'paused' }
  if (told === 'drain' || error instanceof ReturnRun) return { outcome: 'returned' }
  const message = error instanceof Error ? error.message || error.name : String(error)
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
