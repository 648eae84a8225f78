// One timer for everything on the page that tells how long ago something was.
import { useSyncExternalStore } from 'react'

const EVERY_MS = 1_000
let nowMs = Date.now()
let timer: ReturnType<typeof setInterval> | undefined
const listeners = new Set<() => void>()

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  timer ??= setInterval(() => {
    // A tab that nobody looks at stands still.
    if (document.visibilityState === 'hidden') return
    nowMs = Date.now()
    for (const one of listeners) one()
  }, EVERY_MS)
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

/** The time now, to the second. */
export const useNow = (): number => useSyncExternalStore(subscribe, () => nowMs)
