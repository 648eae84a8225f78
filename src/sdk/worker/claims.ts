// Claims runs, as many as there is room for, until stopped.

import { isHopeless } from '../error.ts'
import { backOffMs, sleep } from '../sleep.ts'
import type { Claimed } from './attempt.ts'

type Claims = {
  /** A long poll: returns when there is something, or after a while. */
  claim: (limit: number) => Promise<Claimed[]>
  /** How many more runs there is room for, and when that may have changed. */
  room: () => number
  changed: () => Promise<void>
  take: (claimed: Claimed, askedAtMs: number) => void
  signal: AbortSignal
  onError: (error: unknown) => void
}

const CLAIM_MAX = 500
const PAUSE_MS_MIN = 250

type Preparing = { prepare: (() => Promise<void>) | undefined } & Pick<Claims, 'signal' | 'onError'>

/** Repeated while the server is away. Throws errors that no retry would change, such as a missing right. */
export async function prepareUntilDone({ prepare, signal, onError }: Preparing): Promise<void> {
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      return await prepare?.()
    } catch (error) {
      if (signal.aborted) return
      if (isHopeless(error)) throw error
      onError(error)
      await sleep(PAUSE_MS_MIN + backOffMs(failures), signal).catch(() => {})
    }
  }
}

/** Throws errors that no retry would change, such as a refused key. */
export async function claimUntilStopped({ claim, room, changed, take, signal, onError }: Claims): Promise<void> {
  let failures = 0
  while (!signal.aborted) {
    const limit = Math.min(room(), CLAIM_MAX)
    if (limit <= 0) {
      await changed()
      continue
    }
    const askedAtMs = performance.now()
    try {
      const claimed = await claim(limit)
      for (const one of claimed) take(one, askedAtMs)
      failures = 0
      // A server that is shutting down ends the poll early: asking again immediately would be a busy loop.
      const early = performance.now() - askedAtMs < PAUSE_MS_MIN
      if (claimed.length === 0 && early) await sleep(PAUSE_MS_MIN, signal)
    } catch (error) {
      if (signal.aborted) return
      if (isHopeless(error)) throw error
      onError(error)
      await sleep(PAUSE_MS_MIN + backOffMs(failures++), signal).catch(() => {})
    }
  }
}
