// Server-sent events. A stream is a place in a log and a response: it reads after its place, writes, and waits for the
// watch to wake it. It reads on only when the client has taken what was written, so a slow one costs one page.
import type { ServerResponse } from 'node:http'
import { refuse } from '#core/error.ts'
import type { Follower, Page, Watch } from './watch.ts'

/** How rows look on the wire. Streams with the same wire share what was formatted for one of them. */
export type Wire<Row, At> = {
  /** A whole frame with its blank line (see `frame`); '' for a row that this stream leaves out. */
  frame(row: Row): string
  heartbeat(at: At): string
}

export type OpenStream<Row, At> = {
  projectId: string
  wire: Wire<Row, At>
  /** The place after which the stream begins. */
  at: At
  follow: (follower: Follower) => Watch<Row, At>
}

export type Streams = {
  /** Throws a Refusal, before anything is written, when there are too many. */
  open<Row, At>(res: ServerResponse, stream: OpenStream<Row, At>): void
  count(): number
  /** Ends them all; their clients come back, to another node. */
  close(): void
}

export type StreamsOptions = { streamsMax?: number; streamsPerProjectMax?: number; heartbeatSecs?: number }

export const frame = (id: string | number, type: string, data: string): string =>
  // A line break in the name of a type would begin a field of its own.
  `id: ${id}\nevent: ${/[\r\n]/.test(type) ? type.replace(/[\r\n]/g, ' ') : type}\ndata: ${data}\n\n`
export const HEARTBEAT = ': heartbeat\n\n'

const HEADERS = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-cache',
  // Proxies of the nginx family would collect frames before they pass them on.
  'X-Accel-Buffering': 'no',
}
const RETRY = 'retry: 1000\n\n'
/** A client that takes nothing for so long is gone, or may come back with its Last-Event-ID. */
const STUCK_SECS = 60
/** Heartbeats written in one turn of the event loop. */
const BEATS_PER_TURN = 500

export function serveStreams(options: StreamsOptions = {}): Streams {
  const { streamsMax = 20_000, streamsPerProjectMax = 15_000, heartbeatSecs = 15 } = options
  const streams = new Set<Stream>()
  const perProject = new Map<string, number>()
  // One timer for all streams, and one clock: it counts seconds while there are streams.
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
      res.writeHead(200, HEADERS).write(RETRY)
      stream.begin(follow)
    },
    count: () => streams.size,
    close() {
      closed = true
      for (const stream of [...streams]) stream.end()
    },
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a stream hands rows and places from its watch to its wire, and looks at neither.
type Anything = any
type StreamOptions = {
  projectId: string
  wire: Wire<Anything, Anything>
  at: Anything
  clock: { seconds: number }
  ended: (stream: Stream) => void
}

/** One client. There are thousands of them, so it is one object, with no timer, generator or controller of its own. */
class Stream implements Follower {
  readonly projectId: string
  #res: ServerResponse
  #wire: Wire<Anything, Anything>
  #at: Anything
  #watch: Watch<Anything, Anything> | undefined
  #clock: { seconds: number }
  #tellEnded: (stream: Stream) => void
  /** The watch's rings when the latest read began. */
  #seen = 0
  #more = true
  #reading = false
  /** What was written has not left yet. */
  #full = false
  #ended = false
  #wroteAt: number

  constructor(res: ServerResponse, { projectId, wire, at, clock, ended }: StreamOptions) {
    this.projectId = projectId
    this.#res = res
    this.#wire = wire
    this.#at = at
    this.#clock = clock
    this.#tellEnded = ended
    this.#wroteAt = clock.seconds
    res.on('drain', () => this.#drained())
    res.on('close', () => this.#leave())
    res.on('error', () => {}) // The client is gone, and 'close' follows.
  }

  /** It follows before it reads: what comes in between wakes it. */
  begin(follow: (follower: Follower) => Watch<Anything, Anything>): void {
    if (this.#res.closed || this.#res.destroyed) return this.#leave()
    this.#watch = follow(this)
    this.#look()
  }

  wake(): void {
    if (!this.#reading && !this.#full && !this.#ended) this.#look()
  }

  isDue(heartbeatSecs: number): boolean {
    return this.#clock.seconds - this.#wroteAt >= (this.#full ? STUCK_SECS : heartbeatSecs)
  }

  beat(): void {
    if (this.#ended) return
    if (this.#full) this.#res.destroy()
    else this.#write(this.#wire.heartbeat(this.#at))
  }

  end(): void {
    if (this.#ended) return
    this.#leave()
    this.#res.end()
    // The rest is with the socket; a client that never takes it must not hold it for ever.
    if (this.#res.writableLength > 0) this.#res.setTimeout(STUCK_SECS * 1_000, () => this.#res.destroy())
  }

  #look(): void {
    this.#reading = true
    this.#seen = this.#watch!.rings
    this.#watch!.read(this.#at).then(
      (page) => this.#take(page),
      // Whoever reads has told of it, and wakes its followers when it can read again.
      () => {
        this.#reading = false
      },
    )
  }

  #take(page: Page<Anything, Anything>): void {
    this.#reading = false
    if (this.#ended) return
    this.#at = page.next
    this.#more = page.more
    const frames = framesOf(page, this.#wire)
    if (frames.length > 0) this.#write(frames)
    if (page.over && !page.more) this.end()
    else if (!this.#full) this.#lookOn()
  }

  #lookOn(): void {
    if (this.#more || this.#watch!.rings !== this.#seen) this.#look()
  }

  #write(frames: Buffer | string): void {
    this.#wroteAt = this.#clock.seconds
    this.#full = !this.#res.write(frames)
  }

  #drained(): void {
    this.#full = false
    if (!this.#ended && !this.#reading) this.#lookOn()
  }

  #leave(): void {
    if (this.#ended) return
    this.#ended = true
    this.#watch?.leave(this)
    this.#tellEnded(this)
  }
}

/** As one buffer, made once for all streams that are at the same place and speak the same way. It lives as long as the page. */
const formatted = new WeakMap<Page<unknown, unknown>, Map<Wire<Anything, Anything>, Buffer>>()
const NOTHING = Buffer.alloc(0)

function framesOf<Row, At>(page: Page<Row, At>, wire: Wire<Row, At>): Buffer {
  if (page.rows.length === 0) return NOTHING
  const byWire = formatted.get(page) ?? new Map<Wire<Anything, Anything>, Buffer>()
  const known = byWire.get(wire)
  if (known) return known
  let text = ''
  for (const row of page.rows) text += wire.frame(row)
  const frames = Buffer.from(text)
  formatted.set(page, byWire.set(wire, frames))
  return frames
}
