// The engine ticks: a duty is a function that does a bounded piece of work and says whether there is more.

import type { Listening } from './listening.ts'
import type { Topic } from './topics.ts'

/** 'again' at once; or how many milliseconds from now, at the latest the loop's own period. */
export type Next = 'again' | { inMs: number | undefined }
export type Duty = {
  name: string
  /** The longest time between two ticks. */
  everyMs: number
  tick: (signal: AbortSignal) => Promise<Next>
  /** Rings that end the waiting early. */
  topics?: readonly Topic[]
}

/** `sinceMs`: when it began to tick. */
export type DutyHealth = { name: string; sinceMs: number; lastSuccessMs: number | undefined; everyMs: number }

type LoopOptions = {
  signal: AbortSignal
  listen: (topics: readonly Topic[]) => Listening
  onError: (name: string, error: unknown) => void
  onSuccess: (name: string) => void
}

/** A failing duty is tried again after its period, a little later each time up to this. */
const BACK_OFF_MAX_MS = 30_000

/** Ticks until aborted. Ends when the tick under way has ended. */
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
