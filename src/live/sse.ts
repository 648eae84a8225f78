// All streams of this process: their limits, their heartbeats, and their end when the process stops.
import type { ServerResponse } from 'node:http'
import { refuse } from '#core/error.ts'
import { Stream } from './stream.ts'
import type { Follower, Watch } from './watch.ts'
import type { Wire } from './wire.ts'

export type OpenStream<Row, At> = {
  projectId: string
  wire: Wire<Row, At>
  /** The position after which the stream begins. */
  at: At
  follow: (follower: Follower) => Watch<Row, At>
}

export type Streams = {
  /** Throws a Refusal, before anything is written, when there are too many. */
  open<Row, At>(res: ServerResponse, stream: OpenStream<Row, At>): void
  count(): number
  /** Ends them all; their clients reconnect to another node. */
  close(): void
}

export type StreamsOptions = { streamsMax?: number; streamsPerProjectMax?: number; heartbeatSecs?: number }

const HEADERS = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-cache',
  // Proxies such as nginx would otherwise buffer frames.
  'X-Accel-Buffering': 'no',
}
const RETRY = 'retry: 1000\n\n'
/** Heartbeats written per turn of the event loop. */
const BEATS_PER_TURN = 500

export function serveStreams(options: StreamsOptions = {}): Streams {
  const { streamsMax = 20_000, streamsPerProjectMax = 15_000, heartbeatSecs = 15 } = options
  const streams = new Set<Stream>()
  const perProject = new Map<string, number>()
  // One timer and one clock for all streams; it counts seconds while there are streams.
  const clock = { seconds: 0 }
  let timer: NodeJS.Timeout | undefined
  let closed = false

  function admit(projectId: string): void {
    const own = perProject.get(projectId) ?? 0
    if (closed) throw refuse('overloaded', { what: 'This node', retryAfterMs: 1_000 })
    if (streams.size >= streamsMax) throw refuse('overloaded', { what: 'The number of streams', retryAfterMs: 5_000 })
    if (own >= streamsPerProjectMax)
      throw refuse('overloaded', { what: "The project's number of streams", retryAfterMs: 5_000 })
    perProject.set(projectId, own + 1)
  }

  function dismiss(stream: Stream): void {
    if (!streams.delete(stream)) return
    const own = perProject.get(stream.projectId)! - 1
    if (own > 0) perProject.set(stream.projectId, own)
    else perProject.delete(stream.projectId)
    if (streams.size > 0) return
    clearInterval(timer)
    timer = undefined
  }

  function beat(): void {
    clock.seconds++
    const due = [...streams].filter((stream) => stream.isDue(heartbeatSecs))
    const some = () => {
      for (const stream of due.splice(0, BEATS_PER_TURN)) stream.beat()
      if (due.length > 0) setImmediate(some)
    }
    some()
  }

  return {
    open(res, { projectId, wire, at, follow }) {
      admit(projectId)
      const stream = new Stream(res, { projectId, wire, at, clock, ended: dismiss })
      streams.add(stream)
      timer ??= setInterval(beat, 1_000)
      res.writeHead(200, HEADERS)
      if (wire.opening === undefined) res.write(RETRY)
      else if (wire.opening) res.write(wire.opening)
      else res.flushHeaders()
      stream.begin(follow)
    },
    count: () => streams.size,
    close() {
      closed = true
      for (const stream of [...streams]) stream.end()
    },
  }
}
