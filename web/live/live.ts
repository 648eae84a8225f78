// Whether what is shown follows what happens. One switch governs the stream, and every refetch by focus or reconnection:
// a page that somebody has paused stands still.
import { useSyncExternalStore } from 'react'
import { BASE, currentProject } from '../api/call.ts'
import { queryClient } from '../api/query-client.ts'
import type { ToWorker } from './live-worker.ts'
import { follow, type Heard, type StreamNews, type StreamState } from './stream.ts'

export type LiveState = StreamState | 'paused'
type Live = { state: LiveState; sinceMs: number }

let live: Live = { state: 'reconnecting', sinceMs: Date.now() }
let leave: (() => void) | undefined
const listeners = new Set<() => void>()
const hearers = new Set<(events: readonly Heard[]) => void>()

function become(state: LiveState): void {
  if (live.state === state) return
  live = { state, sinceMs: Date.now() }
  for (const listener of listeners) listener()
}

function hear(news: StreamNews): void {
  if (leave === undefined) return
  if (news.kind === 'events') {
    for (const hearer of hearers) hearer(news.events)
    return
  }
  const wasBroken = live.state === 'reconnecting'
  become(news.state)
  // What happened during a break is not known: everything on the page is asked for again.
  if (news.state === 'live' && wasBroken) void queryClient.invalidateQueries()
}

export function startLive(): void {
  if (leave) return
  become('reconnecting')
  const source = { url: `${BASE}/v1/events/stream`, project: currentProject() }
  leave = typeof SharedWorker === 'function' ? watchShared(source) : watchAlone(source)
}

function watchShared(source: { url: string; project: string | undefined }): () => void {
  const worker = new SharedWorker(new URL('./live-worker.ts', import.meta.url), {
    type: 'module',
    // A worker of another build or project is another worker.
    name: `runyard ${source.project ?? ''}`,
  })
  worker.port.onmessage = ({ data }: MessageEvent<StreamNews>) => hear(data)
  worker.port.postMessage({ kind: 'watch', ...source } satisfies ToWorker)
  const end = () => worker.port.postMessage({ kind: 'leave' } satisfies ToWorker)
  addEventListener('pagehide', end)
  return () => {
    removeEventListener('pagehide', end)
    end()
    worker.port.close()
  }
}

function watchAlone(source: { url: string; project: string | undefined }): () => void {
  const ending = new AbortController()
  void follow(source, hear, ending.signal)
  return () => ending.abort()
}

export function pauseLive(): void {
  leave?.()
  leave = undefined
  become('paused')
}

export function toggleLive(): void {
  if (leave) pauseLive()
  else startLive()
}

export const isPaused = (): boolean => live.state === 'paused'

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
export const useLiveState = (): Live => useSyncExternalStore(subscribe, () => live)

/** Called with every batch of events until the returned function is. */
export function onEvents(hearer: (events: readonly Heard[]) => void): () => void {
  hearers.add(hearer)
  return () => hearers.delete(hearer)
}
