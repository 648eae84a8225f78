// Hearing rings from within a loop: a ring that comes while the loop is at work ends its next wait at once, so a
// loop that reads and then waits misses nothing.
import type { Bell } from './bell.ts'

export type Ear = {
  /** Until a ring, `waitMs` at most, or the abort; at once when it rang since the last wait. One wait at a time. */
  next(waitMs: number, signal?: AbortSignal): Promise<void>
  close(): void
}

export function openEar(bell: Pick<Bell, 'listen'>, topics: Iterable<string>): Ear {
  let rung = false
  let wake = () => {}
  const hear = () => {
    rung = true
    wake()
  }
  const ends = [...topics].map((topic) => bell.listen(topic, hear))
  return {
    next(waitMs, signal) {
      return new Promise((resolve) => {
        const done = () => {
          rung = false
          wake = () => {}
          clearTimeout(timer)
          signal?.removeEventListener('abort', done)
          resolve()
        }
        const timer = setTimeout(done, waitMs)
        wake = done
        signal?.addEventListener('abort', done)
        if (rung || signal?.aborted) done()
      })
    },
    close() {
      for (const end of ends) end()
      wake()
    },
  }
}
