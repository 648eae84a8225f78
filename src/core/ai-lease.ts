// What a lease on a key amounts to, for those who ask: who holds it may work, and nobody works on what is done.

/** As it is kept; `over`: its time has run out, of the right to work or, once it ended, of the answer. */
export type KeptLease = {
  state: 'held' | 'completed' | 'failed' | 'cancelled'
  over: boolean
  errorCode: string | null
}

export type LeaseStanding = { status: 'in_progress' | 'completed' | 'failed'; errorCode: string | null }

/**
 * Undefined when nothing is known of the key (any more). What was cancelled, or left by its holder, reads as failed:
 * clients wait on for any other word.
 */
export function standingOf({ state, over, errorCode }: KeptLease): LeaseStanding | undefined {
  if (state === 'held')
    return over ? { status: 'failed', errorCode: 'lease_expired' } : { status: 'in_progress', errorCode: null }
  if (over) return undefined
  return state === 'completed'
    ? { status: 'completed', errorCode: null }
    : { status: 'failed', errorCode: state === 'cancelled' ? 'cancelled' : errorCode }
}
