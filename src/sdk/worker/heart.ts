// Renews all leases of a worker with one call, and passes the signals in the reply to their handlers.
import type { Client } from '../client.ts'
import { RunyardError } from '../error.ts'
import type { Lease } from './lease.ts'

type HeartOptions = {
  client: Client
  workerId: string
  /** The held leases; read at every beat. */
  leases: () => Iterable<Lease>
  leaseMs: number
  onError: (error: unknown) => void
}

const LEASES_MAX = 2_000
/** A stop is noticed within a second, as long as few leases keep the beat cheap. */
const EVERY_MS = 1_000
const EVERY_MS_PER_LEASE = 10

export function startHeart({ client, workerId, leases, leaseMs, onError }: HeartOptions): { stop: () => void } {
  // At most a third: one beat may get lost, and the event loop may be blocked for as long again, before a lease
  // expires. A worker whose loop is blocked for longer must lose its leases: it may never come back.
  const everyMs = (count: number) => Math.min(leaseMs / 3, EVERY_MS + EVERY_MS_PER_LEASE * count)
  const retryMs = Math.min(1_000, leaseMs / 10)
  const stopping = new AbortController()
  let timer = setTimeout(beat, everyMs(0))

  async function beat(): Promise<void> {
    const sentAtMs = performance.now()
    const held = [...leases()]
    let pauseMs = retryMs
    try {
      for (let from = 0; from < held.length; from += LEASES_MAX) await beatSome(held.slice(from, from + LEASES_MAX))
      // From when it was sent: a slow reply must not delay the next beat.
      pauseMs = Math.max(0, everyMs(held.length) - (performance.now() - sentAtMs))
    } catch (error) {
      if (stopping.signal.aborted) return
      onError(error)
      // No contact for a whole lease: someone else may be working on these runs by now.
      for (const lease of held) if (performance.now() > lease.endsAtMs) lease.tell('stop')
    }
    if (!stopping.signal.aborted) timer = setTimeout(beat, pauseMs)
  }

  async function beatSome(held: readonly Lease[]): Promise<void> {
    const sentAtMs = performance.now()
    const { leases: answers } = await client.heartbeatWorker(
      {
        worker_id: workerId,
        leases: held.map(({ claimed }) => ({ run_id: claimed.run.id, lease_token: claimed.lease_token })),
      },
      { timeoutMs: Math.max(1_000, leaseMs / 3), retriesMax: 0, signal: stopping.signal },
    )
    held.forEach((lease, index) => {
      const answer = answers[index]
      if (!answer) throw new RunyardError({ status: 200, code: 'malformed_answer', message: 'a lease has no answer' })
      lease.endsAtMs = sentAtMs + answer.lease_expires_in_ms
      if (answer.told !== 'continue') lease.tell(answer.told)
    })
  }

  return {
    stop() {
      stopping.abort()
      clearTimeout(timer)
    },
  }
}
