// Waiting for rings: for loops that look, then wait until there may be something new.

import type { Bell } from './bell.ts'
import type { Topic } from './topics.ts'

export type Listening = {
  /** Resolves at the first ring since listening began, after `ms`, or when `signal` is aborted. */
  rung: (ms: number, signal?: AbortSignal) => Promise<void>
  close: () => void
}

/** Listen before looking: a ring that arrives in between is remembered, and ends the next wait immediately. */
export const listenTo =
  (bell: Pick<Bell, 'listen'>) =>
  (topics: readonly Topic[]): Listening => {
    let heard = false
    let wake: (() => void) | undefined
    const stops = topics.map((topic) =>
      bell.listen(topic, () => {
        heard = true
        wake?.()
      }),
    )
    return {
      rung(ms, signal) {
        if (heard || signal?.aborted) return Promise.resolve()
        return new Promise((resolve) => {
          const done = () => {
            clearTimeout(timer)
            signal?.removeEventListener('abort', done)
            wake = undefined
            resolve()
          }
          const timer = setTimeout(done, ms)
          signal?.addEventListener('abort', done, { once: true })
          wake = done
        })
      },
      close() {
        for (const stop of stops) stop()
        wake?.()
      },
    }
  }
