// A few lines to PostgreSQL for everybody. Statements share lines and follow each other on them without waiting for
// answers (pipelining); a transaction has a line to itself. A line that is lost is replaced, never repaired.
import { setTimeout as sleep } from 'node:timers/promises'
import { refuse } from '#core/error.ts'
import { type HistogramReading, makeHistogram } from '#core/histogram.ts'
import { keepDeadlines } from './deadlines.ts'
import type { Hosts } from './hosts/hosts.ts'
import { type Line, type LineOptions, lineError, type Statement } from './line.ts'
import { takePulse } from './pulse.ts'

export type PoolOptions = Pick<LineOptions, 'settings' | 'limitMs'> & {
  hosts: Hosts
  linesMax: number
  /** Told when the database hangs, and when it is back. */
  log?: ((line: string) => void) | undefined
}

export type Pool = {
  submit(statement: Statement): void
  /** A line that nobody else gets until it is released. The wait for it began at `beganMs`. */
  acquire(beganMs: number): Promise<Line>
  release(line: Line): void
  /** Takes nothing more; what is under way may end until then, for ever when that is undefined. */
  end(withinMs: number | undefined): Promise<void>
  /** How it is used, for those who watch. */
  read(): PoolReading
}

/** Times in seconds: that somebody waited for a line, and from asking a statement to its answer. */
export type PoolReading = {
  busy: number
  idle: number
  max: number
  waiting: number
  waits: HistogramReading
  statements: HistogramReading
}

/** Statements on one line at most; the driver itself would send no more. */
const PIPELINE_MAX = 100
const WAITING_MAX = 10_000
const BACK_OFF_MS_MIN = 50
const BACK_OFF_MS_MAX = 1_000
/** So long an opening takes where nothing is wrong. */
const OPENING_MS = 50
const POLL_MS = 5
const SECONDS = [0.001, 0.005, 0.025, 0.1, 0.5, 2, 10, 30]

type Waiting = { beganMs: number; take: (line: Line) => void; fail: (error: unknown) => void }

const isHanging = () => lineError('CONNECT_TIMEOUT', 'PostgreSQL does not answer')
const isEnded = () => lineError('CONNECTION_ENDED', 'the pool of connections is closed')

export const makePool = (options: PoolOptions): Pool => new LinePool(options)

class LinePool implements Pool {
  readonly #hosts: Hosts
  readonly #to: Pick<LineOptions, 'settings' | 'limitMs' | 'onAnswer'>
  readonly #linesMax: number
  readonly #log: (line: string) => void
  readonly #lines = new Set<Line>()
  readonly #reserved = new Set<Line>()
  readonly #waiting: ReturnType<typeof keepDeadlines<Waiting>>
  readonly #pulse: ReturnType<typeof takePulse>
  readonly #waits = makeHistogram(SECONDS)
  readonly #statements = makeHistogram(SECONDS)
  #opening = 0
  /** Openings that failed one after the other. */
  #failures = 0
  #backingOff = false
  #answeredMs = 0
  #ended = false

  constructor({ hosts, linesMax, log = () => {}, ...to }: PoolOptions) {
    this.#hosts = hosts
    this.#to = { ...to, onAnswer: (ms: number) => this.#statements.observe(ms / 1_000) }
    this.#linesMax = linesMax
    this.#log = log
    this.#waiting = keepDeadlines<Waiting>(to.limitMs, (one) =>
      one.fail(lineError('CONNECT_TIMEOUT', `no connection to PostgreSQL was free for ${to.limitMs} ms`)),
    )
    this.#pulse = takePulse({
      waitingSinceMs: () => this.#waitingSinceMs(),
      probe: (maxMs) => isAnswered(hosts.open({ ...to, limitMs: maxMs, openMs: maxMs })),
      onSilent: () => this.#cutAll(),
      onBack: () => log('PostgreSQL responds again.'),
    })
  }

  submit(statement: Statement): void {
    const line = this.#waiting.size() === 0 ? this.#bestLine() : undefined
    const beganMs = performance.now()
    if (!line || this.#ended) {
      this.#wait({ beganMs, take: (free) => free.run(statement, beganMs), fail: statement.reject })
      return
    }
    line.run(statement, beganMs)
    this.#pulse.watch()
  }

  acquire(beganMs: number): Promise<Line> {
    return new Promise((resolve, reject) =>
      this.#wait({
        beganMs,
        take: (line) => {
          this.#reserved.add(line)
          resolve(line)
        },
        fail: reject,
      }),
    )
  }

  release(line: Line): void {
    this.#reserved.delete(line)
    this.#leave(line)
    this.#serve()
  }

  /** A retired line goes when nobody uses it any more. */
  #leave(line: Line): void {
    if (line.isRetired() && !line.isLost() && !this.#isInUse(line)) void line.end()
  }

  async end(withinMs: number | undefined): Promise<void> {
    this.#ended = true
    const endMs = performance.now() + (withinMs ?? Number.POSITIVE_INFINITY)
    while (this.#isBusy() && performance.now() < endMs) await sleep(POLL_MS)
    this.#pulse.stop()
    this.#failAll(isEnded())
    const left = [...this.#lines]
    await Promise.all(left.map((line) => (this.#isInUse(line) ? line.cut(isEnded()) : line.end())))
  }

  read(): PoolReading {
    const busy = [...this.#lines].filter((line) => this.#isInUse(line)).length
    return {
      busy,
      idle: this.#lines.size - busy,
      max: this.#linesMax,
      waiting: this.#waiting.size(),
      waits: this.#waits.read(),
      statements: this.#statements.read(),
    }
  }

  #isBusy(): boolean {
    if (this.#opening > 0 || (this.#waiting.size() > 0 && this.#lines.size > 0)) return true
    return [...this.#lines].some((line) => this.#isInUse(line))
  }

  #isInUse(line: Line): boolean {
    return line.load() > 0 || this.#reserved.has(line)
  }

  #waitingSinceMs(): number | undefined {
    const oldest = [...this.#lines, this.#waiting].flatMap((it) => it.oldestMs() ?? [])
    return oldest.length > 0 ? Math.max(Math.min(...oldest), this.#answeredMs) : undefined
  }

  #cutAll(): void {
    this.#log('PostgreSQL does not respond; calls are refused until it does.')
    for (const line of this.#lines) line.cut(isHanging())
    this.#failAll(isHanging())
  }

  #failAll(error: unknown): void {
    for (const one of this.#waiting.items()) {
      this.#waiting.delete(one)
      one.fail(error)
    }
  }

  #wait(one: Waiting): void {
    const refused = this.#refusal()
    if (refused) {
      one.fail(refused)
      return
    }
    this.#waiting.add(one, one.beganMs)
    this.#pulse.watch()
    this.#serve()
  }

  #refusal(): Error | undefined {
    if (this.#ended) return isEnded()
    if (this.#pulse.isSilent()) return isHanging()
    return this.#waiting.size() < WAITING_MAX
      ? undefined
      : refuse('overloaded', { what: 'The queue of statements', retryAfterMs: 1000 })
  }

  /** Gives lines to those who wait, first come, first served. */
  #serve(): void {
    for (let one = this.#waiting.first(), line = this.#bestLine(); one && line; ) {
      this.#waiting.delete(one)
      this.#waits.observe((performance.now() - one.beganMs) / 1_000)
      one.take(line)
      one = this.#waiting.first()
      line = this.#bestLine()
    }
    for (let missing = this.#waiting.size() - this.#opening; missing > 0 && this.#mayOpen(); missing--)
      void this.#open()
  }

  #mayOpen(): boolean {
    return !this.#ended && !this.#backingOff && this.#lines.size + this.#opening < this.#linesMax
  }

  /** The free line with the least to do: an idle one, or any when no other can be opened. */
  #bestLine(): Line | undefined {
    let best: Line | undefined
    for (const line of this.#lines) {
      if (!this.#reserved.has(line) && !line.isRetired() && (!best || line.load() < best.load())) best = line
      if (best?.load() === 0) return best
    }
    const pipelineMax = this.#hosts.pooled ? 1 : PIPELINE_MAX
    if (!best || best.load() >= pipelineMax || this.#mayOpen()) return undefined
    // One that is being opened will be there in a moment; behind a long statement the wait might be longer.
    const waitedMs = performance.now() - (this.#waiting.oldestMs() ?? 0)
    return this.#waiting.size() > this.#opening || waitedMs > OPENING_MS ? best : undefined
  }

  async #open(): Promise<void> {
    this.#opening++
    try {
      const line = await this.#hosts.open(this.#to)
      this.#failures = 0
      if (this.#ended || this.#pulse.isSilent()) return void line.end()
      this.#keep(line)
    } catch (error) {
      this.#failures++
      // As long as other lines live they serve those who wait.
      if (this.#lines.size === 0 && this.#opening === 1) this.#failAll(error)
      void this.#backOff()
    } finally {
      this.#opening--
      this.#serve()
    }
  }

  #keep(line: Line): void {
    this.#lines.add(line)
    this.#answeredMs = performance.now()
    line.onSettled = () => {
      if (line.isLost()) {
        this.#lines.delete(line)
        this.#reserved.delete(line)
      } else {
        this.#answeredMs = performance.now()
        this.#leave(line)
      }
      if (this.#waiting.size() > 0) this.#serve()
    }
    line.onRetired = () => this.#leave(line)
    if (line.isLost()) line.onSettled()
  }

  /** Full jitter: all nodes lose their connections in the same moment, and must not all come back in one. */
  async #backOff(): Promise<void> {
    this.#backingOff = true
    await sleep(Math.random() * Math.min(BACK_OFF_MS_MAX, BACK_OFF_MS_MIN * 2 ** this.#failures))
    this.#backingOff = false
    this.#serve()
  }
}

async function isAnswered(opening: Promise<Line>): Promise<boolean> {
  try {
    void (await opening).end()
    return true
  } catch (error) {
    return (error as { code?: unknown }).code !== 'CONNECT_TIMEOUT'
  }
}
