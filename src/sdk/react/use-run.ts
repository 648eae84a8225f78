// A run as it changes.
import { useSyncExternalStore } from 'react'
import type { Event } from '#contract/event.ts'
import type { Output } from '#contract/route.ts'
import type { getRun } from '#contract/runs/runs.ts'
import type { Client } from '../client.ts'
import { type Live, makeLive, makeShelf } from './live.ts'

type Run = Output<typeof getRun>

/** What `useRun` knows of a run. */
export type RunState = {
  /** Undefined until it has been read. */
  run: Run | undefined
  /** What the run has last reported while somebody looked at it. */
  progress: { percent: number; message: string | null } | undefined
  /** The event that came last while somebody looked at it. */
  lastEvent: Event | undefined
  /** Why the run cannot be followed, or not any more. */
  error: Error | undefined
}

const NOTHING: RunState = { run: undefined, progress: undefined, lastEvent: undefined, error: undefined }
const NOBODY: Live<RunState> = { subscribe: () => () => {}, read: () => NOTHING }

const runs = makeShelf<RunState>((client, runId) =>
  makeLive(NOTHING, async (set, signal) => {
    const read = async () => {
      const run = await client.getRun({ run_id: runId }, { signal })
      set({ run })
      return run
    }
    const { last_sequence: afterSequence, finished_at } = await read()
    if (finished_at !== null) return
    const readAgain = oneAtATime(read)
    for await (const event of client.follow(runId, { afterSequence, deltas: false, signal })) {
      set({ lastEvent: event, ...(event.type === 'progress' && { progress: progressOf(event) }) })
      readAgain()
    }
    await read()
  }),
)

/** Follows a run until it has ended, or nobody looks at it any more. Keep the client: another one begins anew. */
export function useRun(client: Client, runId: string | undefined): RunState {
  const live = runId === undefined ? NOBODY : runs(client, runId)
  return useSyncExternalStore(live.subscribe, live.read, () => NOTHING)
}

/** Many events in a row need one more reading, not one each. One that fails is made up for by the next. */
function oneAtATime(work: () => Promise<unknown>): () => void {
  let state: 'idle' | 'working' | 'again' = 'idle'
  const go = async (): Promise<void> => {
    do {
      state = 'working'
      await work().catch(() => {})
    } while ((state as string) === 'again')
    state = 'idle'
  }
  return () => {
    if (state === 'idle') void go()
    else state = 'again'
  }
}

function progressOf({ data, message }: Event): RunState['progress'] {
  const { percent } = (data ?? {}) as { percent?: unknown }
  return typeof percent === 'number' ? { percent, message } : undefined
}
