// A lease that this worker holds, and how its handler is stopped.
import type { Claimed } from './attempt.ts'

/**
 * stop: the lease is lost, drop the work. pause: save a checkpoint, then throw. drain: this worker is closing; what is
 * not finished shortly returns to the queue, and continues elsewhere from its checkpoint.
 */
export type Told = 'stop' | 'pause' | 'drain'

/** The reason of a handler's AbortSignal; a cooperative handler throws it. */
export class AttemptStopped extends Error {
  override readonly name = 'AttemptStopped'
  readonly told: Told
  constructor(told: Told) {
    super(`the attempt was told to ${told}`)
    this.told = told
  }
}

/** Thrown by a handler that cannot continue now: the run returns to its queue, and no attempt is used up. */
export class ReturnRun extends Error {
  override readonly name = 'ReturnRun'
}

/** Thrown by a handler that knows more about its failure than a message. */
export class AttemptFailed extends Error {
  override readonly name: string = 'AttemptFailed'
  readonly code: string | undefined
  readonly retryable: boolean
  readonly retryInSecs: number | undefined
  constructor(message: string, { code, retryable = true, retryInSecs }: FailureOptions = {}) {
    super(message)
    this.code = code
    this.retryable = retryable
    this.retryInSecs = retryInSecs
  }
}
type FailureOptions = { code?: string; retryable?: boolean; retryInSecs?: number }

export type Lease = {
  claimed: Claimed
  /** By this process's clock, from before the request that renewed it: the server's expiry is never earlier. */
  endsAtMs: number
  told: Told | undefined
  /** Its handler has ended, and the outcome is being settled. */
  settling: boolean
  signal: AbortSignal
  tell: (told: Told) => void
}

export function makeLease(claimed: Claimed, endsAtMs: number): Lease {
  const abort = new AbortController()
  const lease: Lease = {
    claimed,
    endsAtMs,
    told: undefined,
    settling: false,
    signal: abort.signal,
    tell(told) {
      // A signal fires only once, but a pause or a drain may still become a stop.
      if (lease.told === 'stop' || lease.told === told) return
      lease.told = told
      abort.abort(new AttemptStopped(told))
    },
  }
  return lease
}
