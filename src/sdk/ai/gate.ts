// A call that waits for a person ends the lease of its attempt, and what is under way then could not keep its result: it
// would be done again. So a run rests only when none of its other calls is under way.
import { AsyncLocalStorage } from 'node:async_hooks'

/** A call that is under way. One that waits for a person holds up neither itself nor those that it was made in. */
type Call = { outer: Call | undefined; waiting: number }

export type Gate = {
  /** Does the work of a call. */
  pass: <T>(work: () => Promise<T>) => Promise<T>
  /** Asks, within the work of a call, for what may end the lease. */
  rest: <T>(ask: () => Promise<T>) => Promise<T>
}

export function makeGate(signal: AbortSignal): Gate {
  const within = new AsyncLocalStorage<Call>()
  const underWay = new Set<Call>()
  let asking = false
  let wakers: (() => void)[] = []
  const changed = () =>
    new Promise<void>((resolve) => {
      wakers.push(resolve)
    })
  const wakeAll = () => {
    const woken = wakers
    wakers = []
    for (const wake of woken) wake()
  }
  const isBusy = () => asking || [...underWay].some(({ waiting }) => waiting === 0)
  const markWaiting = (call: Call | undefined, change: 1 | -1): void => {
    for (let it = call; it !== undefined; it = it.outer) it.waiting += change
    wakeAll()
  }

  return {
    async pass(work) {
      while (asking) await changed()
      signal.throwIfAborted()
      const call: Call = { outer: within.getStore(), waiting: 0 }
      underWay.add(call)
      try {
        return await within.run(call, work)
      } finally {
        underWay.delete(call)
        wakeAll()
      }
    },
    async rest(ask) {
      const call = within.getStore()
      markWaiting(call, 1)
      try {
        while (isBusy()) await changed()
        signal.throwIfAborted()
        asking = true
        return await ask()
      } finally {
        asking = false
        markWaiting(call, -1)
      }
    },
  }
}
