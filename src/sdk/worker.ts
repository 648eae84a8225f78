// A worker: claims runs, keeps their leases, hands each to the handler, settles what came of it. Everything in
// batches: one poll, one heartbeat and one settlement serve all runs that it works on.
import { type Attempt, type Claimed, makeAttempt } from './attempt.ts'
import type { Client } from './client.ts'
import { RunyardError } from './error.ts'
import { startHeart } from './heart.ts'
import { AttemptFailed, type Lease, makeLease, ReturnRun } from './lease.ts'
import { type Ending, makeSettler } from './settler.ts'
import { atMost, backOffMs, sleep } from './sleep.ts'

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

export type WorkerOptions<Payload> = {
  client: Client
  /** Unique among the workers that run. */
  workerId: string
  queues: string[]
  /** Runs at once. */
  concurrency: number
  /** What it returns is the result of the run; what it throws, its failure. */
  handle: (handling: Handling<Payload>) => Promise<unknown>
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
const PAUSE_MS_MIN = 250
const GOODBYE_MS_MAX = 5_000

export function startWorker<Payload = unknown>(options: WorkerOptions<Payload>): Worker {
  const { client, workerId, queues, concurrency, handle, onError = () => {} } = options
  const { leaseSecs = 15, waitSecs = 20, graceMs = 500, closeOn = ['SIGTERM', 'SIGINT'] } = options
  const held = new Set<Lease>()
  const working = new Set<Promise<void>>()
  const stopping = new AbortController()
  const settler = makeSettler({ client, onError })
  const heart = startHeart({ client, workerId, leases: () => held, leaseMs: leaseSecs * 1000, onError })

  // Wakes the loop of claims when a run has ended, or the worker is to close.
  let wake = () => {}
  const changed = () =>
    new Promise<void>((resolve) => {
      wake = resolve
    })

  async function claimLoop(): Promise<void> {
    let failures = 0
    while (!stopping.signal.aborted) {
      const free = concurrency - working.size
      if (free <= 0) {
        await changed()
        continue
      }
      const askedAtMs = performance.now()
      try {
        const claimed = await claim(Math.min(free, 500))
        for (const one of claimed) take(one, askedAtMs)
        failures = 0
        // A server that is shutting down ends the poll early: asking again at once would be a busy loop.
        const early = performance.now() - askedAtMs < PAUSE_MS_MIN
        if (claimed.length === 0 && early) await sleep(PAUSE_MS_MIN, stopping.signal)
      } catch (error) {
        if (stopping.signal.aborted) return
        if (isHopeless(error)) throw error
        onError(error)
        await sleep(PAUSE_MS_MIN + backOffMs(failures++), stopping.signal).catch(() => {})
      }
    }
  }

  async function claim(limit: number): Promise<Claimed[]> {
    const { runs } = await client.claimRuns(
      { worker_id: workerId, queues, limit, wait_secs: waitSecs, lease_secs: leaseSecs },
      { signal: stopping.signal, timeoutMs: waitSecs * 1000 + CLAIM_MS_MORE, retriesMax: 0 },
    )
    return runs
  }

  function take(claimed: Claimed, askedAtMs: number): void {
    // The lease began when the server answered, which was not before it was asked, nor long before now.
    const lease = makeLease(claimed, Math.max(askedAtMs, performance.now() - 1_000) + claimed.lease_expires_in_ms)
    held.add(lease)
    if (stopping.signal.aborted) lease.tell('drain')
    const work = execute(lease).finally(() => {
      working.delete(work)
      wake()
    })
    working.add(work)
  }

  async function execute(lease: Lease): Promise<void> {
    const { claimed, signal } = lease
    const { run, payload, checkpoint, previous_error } = claimed
    const attempt = makeAttempt(client, claimed, () => lease.tell('stop'))
    const handling = { run, payload: payload as Payload, checkpoint, previousError: previous_error, attempt, signal }
    const ending = await Promise.resolve(handling)
      .then(handle)
      .then((result): Ending => ({ outcome: 'completed', ...(result !== undefined && { result }) }))
      .catch((error: unknown) => endingOf(lease, error))
    // A run that was given back in the meantime is not ours to settle.
    if (lease.told !== 'stop' && !lease.settling) {
      lease.settling = true
      await settler.settle(lease, ending)
    }
    held.delete(lease)
  }

  let closing: Promise<void> | undefined
  async function drain(): Promise<void> {
    stopping.abort()
    wake()
    for (const lease of held) lease.tell('drain')
    await atMost(graceMs, Promise.allSettled(working))
    for (const lease of held) {
      if (lease.told === 'stop' || lease.settling) continue
      lease.settling = true
      void settler.settle(lease, { outcome: 'returned' })
    }
    await atMost(GOODBYE_MS_MAX, settler.idle())
    held.clear()
    settler.giveUp()
    heart.stop()
  }
  const close = (): Promise<void> => {
    closing ??= drain().finally(() => {
      for (const signal of closeOn) process.off(signal, close)
    })
    return closing
  }
  for (const signal of closeOn) process.on(signal, close)

  const closed = claimLoop().then(close, async (error: unknown) => {
    await close()
    throw error
  })
  // Whoever only calls close() need not look at it.
  closed.catch(() => {})
  return { close, closed, size: () => working.size }
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

/** A key that is refused stays refused, and so does a request that is not understood. */
const isHopeless = (error: unknown): boolean =>
  !(error instanceof RunyardError) || (error.status >= 400 && error.status < 500 && error.status !== 429)
