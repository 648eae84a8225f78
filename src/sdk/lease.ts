// A lease that this worker holds, and how its handler is told to stop.
import type { Claimed } from './attempt.ts'

/**
 * stop: the lease is gone, drop the work. pause: checkpoint, then throw. drain: this worker is closing; what is not
 * finished in a moment goes back to the queue, and continues elsewhere from its checkpoint.
 */
export type Told = 'stop' | 'pause' | 'drain'

/** The reason of a handler's AbortSignal; a handler that obeys throws it. */
export class AttemptStopped extends Error {
  override readonly name = 'AttemptStopped'
  readonly told: Told
  constructor(told: Told) {
    super(`the attempt was told to ${told}`)
    this.told = told
  }
}

/** Thrown by a handler that cannot go on now: the run goes back to its queue, and no attempt is used up. */
export class ReturnRun extends Error {
  override readonly name = 'ReturnRun'
}

/** Thrown by a handler that knows more about its failure than a message. */
export class AttemptFailed extends Error {
  override readonly name = 'AttemptFailed'
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
  /** By this process's own clock, from before the request that renewed it: the server's end is never earlier. */
  endsAtMs: number
  told: Told | undefined
  /** Its handler has ended, and what came of it is being settled. */
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
      // A signal fires once, but a pause or a drain may still turn into a stop.
      if (lease.told === 'stop' || lease.told === told) return
      lease.told = told
      abort.abort(new AttemptStopped(told))
    },
  }
  return lease
}
