// One client's stream of server-sent events: a position in a log, and a response. It reads, writes, and waits for the
// watch to wake it. It reads on when the client has taken what was written (backpressure): a slow one costs one page.
import type { ServerResponse } from 'node:http'
import type { Follower, Page, Watch } from './watch.ts'
import type { Wire } from './wire.ts'

/** A client that takes nothing for this long is gone, or may reconnect with its Last-Event-ID. */
const STUCK_SECS = 60

// biome-ignore lint/suspicious/noExplicitAny: a stream hands rows and places from its watch to its wire, and looks at neither.
type Anything = any
type StreamOptions = {
  projectId: string
  wire: Wire<Anything, Anything>
  at: Anything
  clock: { seconds: number }
  ended: (stream: Stream) => void
}

/** One client. There are thousands of them, so each is one object, without its own timer, generator or controller. */
export class Stream implements Follower {
  readonly projectId: string
  #res: ServerResponse
  #wire: Wire<Anything, Anything>
  #at: Anything
  #watch: Watch<Anything, Anything> | undefined
  #clock: { seconds: number }
  #tellEnded: (stream: Stream) => void
  /** The watch's ring count when the latest read began. */
  #seen = 0
  #more = true
  #reading = false
  /** What was written has not been sent yet. */
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

  /** It subscribes before it reads, so anything that arrives in between wakes it. */
  begin(follow: (follower: Follower) => Watch<Anything, Anything>): void {
    if (this.#res.destroyed) {
      this.#leave()
      return
    }
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
    // The rest is in the socket's buffer; a client that never takes it must not keep it forever.
    if (this.#res.writableLength > 0) this.#res.setTimeout(STUCK_SECS * 1_000, () => this.#res.destroy())
  }

  #look(): void {
    this.#reading = true
    this.#seen = this.#watch!.rings
    this.#watch!.read(this.#at).then(
      (page) => this.#take(page),
      // The reader has logged the failure, and wakes its followers when it can read again.
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

/** As one buffer, shared by all streams at the same position with the same wire. It lives as long as the page. */
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
