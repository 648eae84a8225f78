// Pauses, using only what every JavaScript runtime has: the SDK runs in browsers too.

const BACK_OFF_MS = 200
const BACK_OFF_MS_MAX = 5_000

/** Full jitter: clients that failed together must not retry together. `tries` counts from 0. */
export const backOffMs = (tries: number): number =>
  Math.random() * Math.min(BACK_OFF_MS_MAX, BACK_OFF_MS * 2 ** Math.min(tries, 10))

/** Throws the signal's reason when it is or becomes aborted. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      if (signal?.aborted) reject(signal.reason)
      else resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done)
  })
}

/** Resolves with the work, or after `ms` regardless of it; leaves no timer behind. */
export async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  const done = new AbortController()
  await Promise.race([work, sleep(ms, done.signal).catch(() => {})]).finally(() => done.abort())
}
