// Keeps all leases of a worker alive by one call, and tells their handlers what the answer says.
import type { Client } from './client.ts'
import { RunyardError } from './error.ts'
import type { Lease } from './lease.ts'

type HeartOptions = {
  client: Client
  workerId: string
  /** Those held now; looked at with every beat. */
  leases: () => Iterable<Lease>
  leaseMs: number
  onError: (error: unknown) => void
}

const LEASES_MAX = 2_000
/** A word to stop is heard within a second, as long as few leases make the beat cheap. */
const EVERY_MS = 1_000
const EVERY_MS_PER_LEASE = 10

export function startHeart({ client, workerId, leases, leaseMs, onError }: HeartOptions): { stop: () => void } {
  // A third at most: one beat may get lost, and the event loop may be blocked for as long again, before a lease ends.
  // A loop blocked for longer than that shall lose its leases: it may never come back.
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
      // From when it was sent: an answer that took long must not put the next beat off.
      pauseMs = Math.max(0, everyMs(held.length) - (performance.now() - sentAtMs))
    } catch (error) {
      if (stopping.signal.aborted) return
      onError(error)
      // Out of touch for the whole of a lease: somebody else may be at work on these by now.
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
