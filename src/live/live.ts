// What clients can follow: a run's stream, a run's chunks, a project's feed.
import type { ServerResponse } from 'node:http'
import type { RunLogRow } from '#log/read-log.sql.ts'
import type { TailCursor, TailEvent } from '#log/tail.sql.ts'
import { type StreamsOptions, serveStreams } from './sse.ts'
import { type Fill, type WatchedRun, type WatchOptions, watchRuns } from './watch-runs.ts'
import { watchTail } from './watch-tail.ts'
import type { Wire } from './wire.ts'

export type RunStream = {
  projectId: string
  /** As returned by `readRunHead`. */
  run: WatchedRun & { lastSequence: number }
  /** With deltas, or events only. */
  deltas: boolean
  afterSequence: number
  wire: Wire<RunLogRow, number>
  fill?: Fill | undefined
}

export type TailStream = { projectId: string; after: TailCursor; wire: Wire<TailEvent, TailCursor> }

export type Live = {
  /**
   * Ends when the run has ended and everything after the given position was sent. Throws a Refusal when there are too
   * many streams.
   */
  streamRun(res: ServerResponse, stream: RunStream): void
  streamTail(res: ServerResponse, stream: TailStream): void
  count(): number
  /** Ends all streams; call it before closing the HTTP server, which waits for them. */
  close(): void
}

export function startLive(options: WatchOptions & StreamsOptions): Live {
  const streams = serveStreams(options)
  const runs = watchRuns(options)
  const tail = watchTail(options)
  return {
    streamRun(res, { projectId, run, deltas, afterSequence, wire, fill }) {
      // A position beyond the end would wait for those numbers, and omit what comes before them.
      const at = Math.min(afterSequence, run.lastSequence)
      streams.open(res, { projectId, wire, at, follow: (follower) => runs.follow(run, deltas, follower, fill) })
    },
    streamTail(res, { projectId, after, wire }) {
      streams.open(res, { projectId, wire, at: after, follow: (follower) => tail.follow(projectId, follower) })
    },
    count: streams.count,
    close() {
      streams.close()
      runs.close()
      tail.close()
    },
  }
}
