// The engine of a worker: claims runs, renews their leases, passes each to the handler, and settles the outcome. All in
// batches: one poll, one heartbeat and one settlement serve all of its runs.

import type { Client } from '../client.ts'
import { atMost, sleep } from '../sleep.ts'
import type { Claimed } from './attempt.ts'
import { claimUntilStopped, prepareUntilDone } from './claims.ts'
import { executeRun, type Handle } from './execute.ts'
import { startHeart } from './heart.ts'
import { type Lease, makeLease } from './lease.ts'
import { makeSettler } from './settler.ts'

export type RunLoopOptions<Payload> = {
  client: Client
  /** Unique among running workers. */
  workerId: string
  queues: string[]
  /** Concurrent runs. */
  concurrency: number
  handle: Handle<Payload>
  /** Done before the first claim. */
  prepare?: () => Promise<void>
  leaseSecs?: number
  /** Long polling: how long the server holds a claim open when nothing is ready. */
  waitSecs?: number
  /** Grace period: how long handlers may continue after close() before their runs are returned. */
  graceMs?: number
  /** Signals that close the worker; none in a test or in a process that handles them itself. */
  closeOn?: NodeJS.Signals[]
  /** Errors that the worker itself handles, such as an unreachable server. */
  onError?: (error: unknown) => void
}

/** A worker that was started. */
export type Worker = {
  /** Claims no more, signals the handlers to drain, and returns what they do not finish. */
  close: () => Promise<void>
  /** Resolves when it is prepared and claims runs; rejects like `closed`. */
  ready: Promise<void>
  /** Resolves when it is closed; rejects when it cannot work at all, for example with a refused key. */
  closed: Promise<void>
  /** Runs in progress. */
  size: () => number
}

const CLAIM_MS_MORE = 10_000
/** On a busy queue a claim is answered by then; on an idle one, hardly any run arrives in just this moment. */
const HANG_UP_MS = 100
const GOODBYE_MS_MAX = 5_000

export function startRunLoop<Payload = unknown>(options: RunLoopOptions<Payload>): Worker {
  const { client, workerId, queues, concurrency, handle, prepare, onError = () => {} } = options
  const { leaseSecs = 15, waitSecs = 20, graceMs = 500, closeOn = ['SIGTERM', 'SIGINT'] } = options
  const held = new Set<Lease>()
  const working = new Set<Promise<void>>()
  const stopping = new AbortController()
  const hangUp = new AbortController()
  const settler = makeSettler({ client, onError })
  const heart = startHeart({ client, workerId, leases: () => held, leaseMs: leaseSecs * 1000, onError })

  // Wakes the claim loop when a run has ended, or the worker is closing.
  let wake = () => {}
  const changed = () =>
    new Promise<void>((resolve) => {
      wake = resolve
    })

  async function claim(limit: number): Promise<Claimed[]> {
    const { runs } = await client.claimRuns(
      { worker_id: workerId, queues, limit, wait_secs: waitSecs, lease_secs: leaseSecs },
      { signal: hangUp.signal, timeoutMs: waitSecs * 1000 + CLAIM_MS_MORE, retriesMax: 0 },
    )
    return runs
  }

  function take(claimed: Claimed, askedAtMs: number): void {
    // The lease began when the server answered: not before the request, and not long before now.
    const lease = makeLease(claimed, Math.max(askedAtMs, performance.now() - 1_000) + claimed.lease_expires_in_ms)
    held.add(lease)
    if (stopping.signal.aborted) {
      giveBack(lease)
      return
    }
    const work = executeRun({ client, handle, settler }, lease).finally(() => {
      held.delete(lease)
      working.delete(work)
      wake()
    })
    working.add(work)
  }

  function giveBack(lease: Lease): void {
    lease.settling = true
    void settler.settle(lease, { outcome: 'returned' })
  }

  const room = () => concurrency - working.size
  const claims = { claim, room, changed, take, signal: stopping.signal, onError }
  const ready = prepareUntilDone({ prepare, ...claims })
  const claiming = ready.then(() => claimUntilStopped(claims))

  async function drain(): Promise<void> {
    stopping.abort()
    wake()
    // Stop claiming first; otherwise it would claim the very runs that it returns. A claim that is being
    // answered is waited for: its runs would be stuck until their leases expire.
    await Promise.race([claiming.catch(() => {}), sleep(HANG_UP_MS)])
    hangUp.abort()
    for (const lease of held) lease.tell('drain')
    await atMost(graceMs, Promise.allSettled(working))
    for (const lease of held) if (lease.told !== 'stop' && !lease.settling) giveBack(lease)
    await atMost(GOODBYE_MS_MAX, settler.idle())
    held.clear()
    settler.giveUp()
    heart.stop()
  }

  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= drain().finally(() => {
      for (const signal of closeOn) process.off(signal, close)
    })
    return closing
  }
  for (const signal of closeOn) process.on(signal, close)

  const closed = claiming.then(close, async (error: unknown) => {
    await close()
    throw error
  })
  // Callers that only call close() need not handle it.
  closed.catch(() => {})
  return { close, ready, closed, size: () => working.size }
}
