// One run in the hands of the handler: what it is given, and what its end means.
import { type Attempt, type Claimed, makeAttempt } from './attempt.ts'
import type { Client } from './client.ts'
import { AttemptFailed, type Lease, ReturnRun } from './lease.ts'
import type { Ending, Settler } from './settler.ts'

export type Handling<Payload> = {
  run: Claimed['run']
  payload: Payload
  /** The latest checkpoint, to begin from. */
  checkpoint: Claimed['checkpoint']
  /** What the attempt before this one failed with. */
  previousError: string | null
  attempt: Attempt
  /** Aborted with an AttemptStopped, whose `told` is stop, pause or drain; a handler that obeys throws it. */
  signal: AbortSignal
}

/** What it returns is the result of the run; what it throws, its failure. */
export type Handle<Payload> = (handling: Handling<Payload>) => Promise<unknown>

type Executor<Payload> = { client: Client; handle: Handle<Payload>; settler: Settler }

/** Resolves when the run is settled, or not ours any more. */
export async function executeRun<Payload>({ client, handle, settler }: Executor<Payload>, lease: Lease): Promise<void> {
  const { claimed, signal } = lease
  const { run, payload, checkpoint, previous_error } = claimed
  const attempt = makeAttempt(client, claimed, () => lease.tell('stop'))
  const handling = { run, payload: payload as Payload, checkpoint, previousError: previous_error, attempt, signal }
  const ending = await Promise.resolve(handling)
    .then(handle)
    .then((result): Ending => ({ outcome: 'completed', ...(result !== undefined && { result }) }))
    .catch((error: unknown) => endingOf(lease, error))
  // A run that was taken away, or given back in the meantime, is not ours to settle.
  if (lease.told === 'stop' || lease.settling) return
  lease.settling = true
  await settler.settle(lease, ending)
}

/** What the end of a handler by an error means for its run. */
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
