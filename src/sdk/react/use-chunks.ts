// The text that a run streams, as it is written.
import { useSyncExternalStore } from 'react'
import type { Client } from '../client.ts'
import { type Live, makeLive, makeShelf } from './live.ts'

/** What `useChunks` knows of a stream. */
export type ChunksState = {
  /** All that has been written, or the last million characters of it. */
  text: string
  /** Whether nothing follows. */
  isDone: boolean
  /** Why the stream cannot be followed, or not any more. */
  error: Error | undefined
}

const NOTHING: ChunksState = { text: '', isDone: false, error: undefined }
const NOBODY: Live<ChunksState> = { subscribe: () => () => {}, read: () => NOTHING }
const TEXT_CHARS_MAX = 1_000_000
const CHUNK = 'stream.chunk'

type Chunk = { chunk?: string; stream_id?: string; done?: boolean }

const streams = makeShelf<ChunksState>((client, runId, stream) =>
  makeLive(NOTHING, async (set, signal) => {
    let text = ''
    let writing = 0
    for await (const { type, data, attempt } of client.follow(runId, { signal })) {
      const { chunk = '', stream_id, done = false } = (data ?? {}) as Chunk
      if (type !== CHUNK || stream_id !== stream) continue
      // Another attempt writes the text anew.
      if ((attempt ?? 0) > writing) text = ''
      writing = attempt ?? writing
      text = (text + chunk).slice(-TEXT_CHARS_MAX)
      set({ text, isDone: done })
    }
    set({ isDone: true })
  }),
)

type Options = {
  /** Name of the stream; `default` unless set. */
  stream?: string
}

/** Follows a stream of a run from its beginning, until the run has ended or nobody looks at it any more. */
export function useChunks(client: Client, runId: string | undefined, options: Options = {}): ChunksState {
  const live = runId === undefined ? NOBODY : streams(client, runId, options.stream ?? 'default')
  return useSyncExternalStore(live.subscribe, live.read, () => NOTHING)
}
