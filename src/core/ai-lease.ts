// The status of a leased key as callers see it: the holder may work, and nobody works on what is done.

/**
 * The lease as stored. `over`: the right to work has expired or, once the work ended, the time that its outcome is
 * kept.
 */
export type KeptLease = {
  state: 'held' | 'completed' | 'failed' | 'cancelled'
  over: boolean
  errorCode: string | null
}

export type LeaseStanding = { status: 'in_progress' | 'completed' | 'failed'; errorCode: string | null }

/**
 * Undefined when the key is unknown (or no longer known). Work that was cancelled or abandoned has the status failed:
 * for any other status, clients would keep waiting.
 */
export function standingOf({ state, over, errorCode }: KeptLease): LeaseStanding | undefined {
  if (state === 'held')
    return over ? { status: 'failed', errorCode: 'lease_expired' } : { status: 'in_progress', errorCode: null }
  if (over) return undefined
  return state === 'completed'
    ? { status: 'completed', errorCode: null }
    : { status: 'failed', errorCode: state === 'cancelled' ? 'cancelled' : errorCode }
}
