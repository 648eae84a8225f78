// What changes by itself, for React: it begins with the first component that looks at it, and ends with the last.
import type { Client } from '../client.ts'

/** Fits `useSyncExternalStore`. */
export type Live<State> = { subscribe: (listener: () => void) => () => void; read: () => State }

type Follow<State> = (set: (change: Partial<State>) => void, signal: AbortSignal) => Promise<void>

export function makeLive<State extends { error: Error | undefined }>(first: State, follow: Follow<State>): Live<State> {
  let state = first
  let stopping: AbortController | undefined
  const listeners = new Set<() => void>()

  function start(): void {
    const own = new AbortController()
    stopping = own
    const { signal } = own
    const set = (change: Partial<State>) => {
      // Whoever has left is told nothing, and a follower that comes later begins anew.
      if (signal.aborted) return
      state = { ...state, ...change }
      for (const listener of listeners) listener()
    }
    state = first
    follow(set, signal).catch((error: unknown) => {
      set({ error: error instanceof Error ? error : new Error(String(error)) } as Partial<State>)
    })
  }

  return {
    read: () => state,
    subscribe(listener) {
      listeners.add(listener)
      if (listeners.size === 1) start()
      return () => {
        listeners.delete(listener)
        if (listeners.size === 0) stopping?.abort()
      }
    },
  }
}

/** Components that look at the same thing share it: a browser opens only a few connections to one server. */
export function makeShelf<State>(make: (client: Client, runId: string, part: string) => Live<State>) {
  const byClient = new WeakMap<Client, Map<string, Live<State>>>()
  return (client: Client, runId: string, part = ''): Live<State> => {
    const shelf = byClient.get(client) ?? new Map<string, Live<State>>()
    byClient.set(client, shelf)
    const key = `${runId} ${part}`
    const found = shelf.get(key)
    if (found) return found
    if (shelf.size >= SHELF_MAX) shelf.delete(shelf.keys().next().value!)
    const made = make(client, runId, part)
    shelf.set(key, made)
    return made
  }
}

/** Those that fall off still work for the components that have them. */
const SHELF_MAX = 1_000
