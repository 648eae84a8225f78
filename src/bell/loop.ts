// The loop of the engine: a duty is a function that does a bounded piece of work and says whether there is more.

import type { Listening } from './listening.ts'
import type { Topic } from './topics.ts'

/** 'again' immediately, or milliseconds until the next tick, capped at the loop's own period. */
export type Next = 'again' | { inMs: number | undefined }
export type Duty = {
  name: string
  /** Maximum time between two ticks. */
  everyMs: number
  tick: (signal: AbortSignal) => Promise<Next>
  /** Topics whose rings end the wait early. */
  topics?: readonly Topic[]
}

/** `sinceMs`: when the loop started. `failingSinceMs`: when the first tick since the last success failed. */
export type DutyHealth = {
  name: string
  sinceMs: number
  lastSuccessMs: number | undefined
  failingSinceMs: number | undefined
  everyMs: number
}

/** How long a duty has failed, or has been overdue since a tick does not end; 0 for one that is well. */
export function lateMs({ sinceMs, lastSuccessMs, failingSinceMs, everyMs }: DutyHealth, nowMs: number): number {
  const overdueMs = nowMs - (lastSuccessMs ?? sinceMs) - everyMs
  return Math.max(0, overdueMs, failingSinceMs === undefined ? 0 : nowMs - failingSinceMs)
}

type LoopOptions = {
  signal: AbortSignal
  listen: (topics: readonly Topic[]) => Listening
  onError: (name: string, error: unknown) => void
  onSuccess: (name: string) => void
}

/** A failing duty is retried after its period, with backoff up to this. */
const BACK_OFF_MAX_MS = 30_000

/** Ticks until aborted. Resolves when the tick in progress has ended. */
export async function loop(duty: Duty, { signal, listen, onError, onSuccess }: LoopOptions): Promise<void> {
  let failures = 0
  while (!signal.aborted) {
    const listening = listen(duty.topics ?? [])
    try {
      const next = await duty.tick(signal).then(
        (value) => {
          failures = 0
          onSuccess(duty.name)
          return value
        },
        (error: unknown): Next => {
          failures++
          onError(duty.name, error)
          return { inMs: Math.min(BACK_OFF_MAX_MS, duty.everyMs * 2 ** Math.min(failures, 5)) }
        },
      )
      if (next !== 'again') await listening.rung(waitMs(duty, next.inMs, failures), signal)
    } finally {
      listening.close()
    }
  }
}

function waitMs({ everyMs }: Duty, inMs: number | undefined, failures: number): number {
  if (failures > 0) return inMs ?? everyMs
  return Math.max(1, Math.min(everyMs, inMs ?? everyMs))
}
