// A worker: claims runs, keeps their leases, hands each to the handler, settles what came of it. Everything in
// batches: one poll, one heartbeat and one settlement serve all runs that it works on.
import type { Claimed } from './attempt.ts'
import { claimUntilStopped } from './claims.ts'
import type { Client } from './client.ts'
import { executeRun, type Handle } from './execute.ts'
import { startHeart } from './heart.ts'
import { type Lease, makeLease } from './lease.ts'
import { makeSettler } from './settler.ts'
import { atMost, sleep } from './sleep.ts'

export type WorkerOptions<Payload> = {
  client: Client
  /** Unique among the workers that run. */
  workerId: string
  queues: string[]
  /** Runs at once. */
  concurrency: number
  handle: Handle<Payload>
  leaseSecs?: number
  /** How long the server holds a claim open when there is nothing to claim. */
  waitSecs?: number
  /** How long handlers may go on after close() before their runs go back. */
  graceMs?: number
  /** Signals that close the worker; none in a test or in a process that sees to them itself. */
  closeOn?: NodeJS.Signals[]
  /** Trouble that the worker itself deals with, such as a server that is away. */
  onError?: (error: unknown) => void
}

export type Worker = {
  /** Claims no more, tells the handlers to drain, gives back what they do not finish. */
  close: () => Promise<void>
  /** Resolves when it is closed; rejects when it cannot work at all, such as with a key that is refused. */
  closed: Promise<void>
  /** Runs under way. */
  size: () => number
}

const CLAIM_MS_MORE = 10_000
/** On a busy queue a claim is answered by then; on an idle one hardly a run comes in just this moment. */
const HANG_UP_MS = 100
const GOODBYE_MS_MAX = 5_000

export function startWorker<Payload = unknown>(options: WorkerOptions<Payload>): Worker {
  const { client, workerId, queues, concurrency, handle, onError = () => {} } = options
  const { leaseSecs = 15, waitSecs = 20, graceMs = 500, closeOn = ['SIGTERM', 'SIGINT'] } = options
  const held = new Set<Lease>()
  const working = new Set<Promise<void>>()
  const stopping = new AbortController()
  const hangUp = new AbortController()
  const settler = makeSettler({ client, onError })
  const heart = startHeart({ client, workerId, leases: () => held, leaseMs: leaseSecs * 1000, onError })

  // Wakes the loop of claims when a run has ended, or the worker is to close.
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
    // The lease began when the server answered, which was not before it was asked, nor long before now.
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
  const claiming = claimUntilStopped({ claim, room, changed, take, signal: stopping.signal, onError })

  async function drain(): Promise<void> {
    stopping.abort()
    wake()
    // First of all no more runs, or it would claim the very ones that it gives back. A claim that is just being
    // answered is waited for: its runs would be lost with the connection, until their leases end.
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
  // Whoever only calls close() need not look at it.
  closed.catch(() => {})
  return { close, closed, size: () => working.size }
}
