// Settles attempts. The first outcome is sent immediately; those that arrive while a call is in progress are batched.
import type { Input } from '#contract/route.ts'
import type { settleRuns } from '#contract/runs/workers.ts'
import type { Client } from '../client.ts'
import { isHopeless, RunyardError } from '../error.ts'
import { backOffMs, sleep } from '../sleep.ts'
import type { Lease } from './lease.ts'

type Settlement = Input<typeof settleRuns>['settlements'][number]
export type Ending = Omit<Settlement, 'run_id' | 'lease_token'>

type Waiting = { lease: Lease; ending: Ending; done: () => void; givenUpAtMs: number }

type SettlerOptions = { client: Client; onError: (error: unknown) => void }

const SETTLEMENTS_MAX = 500
/** A restarting server is back by then; later, the lease has expired anyway. */
const SETTLE_MS_MAX = 30_000

export type Settler = {
  /** Resolves when it is settled, or can no longer be; only the log of the run tells which. */
  settle: (lease: Lease, ending: Ending) => Promise<void>
  /** Resolves when nothing is waiting. */
  idle: () => Promise<void>
  /** Nothing is retried after this. */
  giveUp: () => void
}

export function makeSettler({ client, onError }: SettlerOptions): Settler {
  const tooLate = new AbortController()
  const waiting: Waiting[] = []
  let flushing: Promise<void> | undefined

  async function flush(): Promise<void> {
    while (waiting.length > 0) await send(waiting.splice(0, SETTLEMENTS_MAX))
    flushing = undefined
  }

  /** Safe to retry: an accepted settlement has ended its lease, so a second one is refused. */
  async function send(batch: Waiting[]): Promise<void> {
    for (let tries = 0; batch.length > 0; tries++) {
      try {
        const { results } = await client.settleRuns({ settlements: batch.map(settlementOf) }, { retriesMax: 0 })
        batch.forEach((one, index) => void take(one, results[index]?.error))
        return
      } catch (error) {
        if (isTooLarge(error) && batch.length > 1) {
          const half = Math.ceil(batch.length / 2)
          await send(batch.slice(0, half))
          return send(batch.slice(half))
        }
        onError(error)
        if (tooLate.signal.aborted || isHopeless(error)) return batch.forEach((one) => void one.done())
        batch = batch.filter((one) => performance.now() < one.givenUpAtMs || void one.done())
        await sleep(backOffMs(tries), tooLate.signal).catch(() => {})
      }
    }
  }

  function take({ lease, ending, done }: Waiting, problem: { code: string; message: string } | undefined): void {
    if (problem && ending.outcome === 'completed' && !GONE.has(problem.code)) {
      // The result itself was refused: too large, or not valid for the job's schema. Another attempt would not help.
      const { code, message } = problem
      void settle(lease, { outcome: 'failed', error: message, error_code: code, retryable: false }).then(done)
      return
    }
    if (problem && lease.told !== 'stop') onError(new RunyardError({ status: 200, ...problem }))
    done()
  }

  function settle(lease: Lease, ending: Ending): Promise<void> {
    return new Promise((resolve) => {
      waiting.push({ lease, ending, done: resolve, givenUpAtMs: performance.now() + SETTLE_MS_MAX })
      // In a microtask, so that outcomes of the same moment share the first call.
      flushing ??= Promise.resolve().then(flush)
    })
  }

  return {
    settle,
    async idle() {
      while (flushing) await flushing
    },
    giveUp: () => tooLate.abort(),
  }
}

/** The lease has ended, for whatever reason: nothing is left to settle. */
const GONE: ReadonlySet<string> = new Set(['stale_lease', 'run_over', 'run_not_found'])

const settlementOf = ({ lease: { claimed }, ending }: Waiting): Settlement => ({
  run_id: claimed.run.id,
  lease_token: claimed.lease_token,
  ...ending,
})

const isTooLarge = (error: unknown): boolean => error instanceof RunyardError && error.status === 413
