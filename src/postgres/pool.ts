// A few lines to PostgreSQL for everybody. Statements share lines and follow each other on them without waiting for
// answers (pipelining); a transaction has a line to itself. A line that is lost is replaced, never repaired.
import { setTimeout as sleep } from 'node:timers/promises'
import { refuse } from '#core/error.ts'
import { keepDeadlines } from './deadlines.ts'
import { type Line, type LineOptions, lineError, openLine, type Statement } from './line.ts'
import { takePulse } from './pulse.ts'

export type PoolOptions = Omit<LineOptions, 'openMs' | 'firstHost' | 'onNotify'> & {
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
}

/** Statements on one line at most; the driver itself would send no more. */
const PIPELINE_MAX = 100
const WAITING_MAX = 10_000
const BACK_OFF_MS_MIN = 50
const BACK_OFF_MS_MAX = 1_000
/** So long an opening takes where nothing is wrong. */
const OPENING_MS = 50
const POLL_MS = 5

type Waiting = { beganMs: number; take: (line: Line) => void; fail: (error: unknown) => void }

const isHanging = () => lineError('CONNECT_TIMEOUT', 'PostgreSQL does not answer')
const isEnded = () => lineError('CONNECTION_ENDED', 'the pool of connections is closed')

export function makePool({ linesMax, log = () => {}, ...to }: PoolOptions): Pool {
  const lines = new Set<Line>()
  const reserved = new Set<Line>()
  const waiting = keepDeadlines<Waiting>(to.limitMs, (one) =>
    one.fail(lineError('CONNECT_TIMEOUT', `no connection to PostgreSQL was free for ${to.limitMs} ms`)),
  )
  let opening = 0
  /** Openings that failed one after the other. */
  let failures = 0
  let backingOff = false
  let answeredMs = 0
  let ended = false

  const pulse = takePulse({
    waitingSinceMs() {
      const oldest = [...lines, waiting].flatMap((it) => it.oldestMs() ?? [])
      return oldest.length > 0 ? Math.max(Math.min(...oldest), answeredMs) : undefined
    },
    probe: (maxMs) => isAnswered({ ...to, limitMs: maxMs, openMs: maxMs, firstHost: failures }),
    onSilent() {
      log('PostgreSQL does not respond; calls are refused until it does.')
      for (const line of lines) line.cut(isHanging())
      failAll(isHanging())
    },
    onBack: () => log('PostgreSQL responds again.'),
  })

  function failAll(error: unknown): void {
    for (const one of waiting.items()) {
      waiting.delete(one)
      one.fail(error)
    }
  }

  function wait(one: Waiting): void {
    const refused = refusal()
    if (refused) one.fail(refused)
    else {
      waiting.add(one, one.beganMs)
      pulse.watch()
      serve()
    }
  }

  function refusal(): Error | undefined {
    if (ended) return isEnded()
    if (pulse.isSilent()) return isHanging()
    return waiting.size() < WAITING_MAX
      ? undefined
      : refuse('overloaded', { what: 'The queue of statements', retryAfterMs: 1000 })
  }

  /** Gives lines to those who wait, first come, first served. */
  function serve(): void {
    for (let one = waiting.first(), line = bestLine(); one && line; one = waiting.first(), line = bestLine()) {
      waiting.delete(one)
      one.take(line)
    }
    for (let missing = waiting.size() - opening; missing > 0 && mayOpen(); missing--) void open()
  }

  const mayOpen = () => !ended && !backingOff && lines.size + opening < linesMax

  /** The free line with the least to do: an idle one, or any when no other can be opened. */
  function bestLine(): Line | undefined {
    let best: Line | undefined
    for (const line of lines) {
      if (!reserved.has(line) && (!best || line.load() < best.load())) best = line
      if (best?.load() === 0) return best
    }
    if (!best || best.load() >= PIPELINE_MAX || mayOpen()) return undefined
    // One that is being opened will be there in a moment; behind a long statement the wait might be longer.
    const waitedMs = performance.now() - (waiting.oldestMs() ?? 0)
    return waiting.size() > opening || waitedMs > OPENING_MS ? best : undefined
  }

  async function open(): Promise<void> {
    opening++
    try {
      const line = await openLine({ ...to, firstHost: failures })
      failures = 0
      if (ended || pulse.isSilent()) return void line.end()
      keep(line)
    } catch (error) {
      failures++
      // As long as other lines live they serve those who wait.
      if (lines.size === 0 && opening === 1) failAll(error)
      void backOff()
    } finally {
      opening--
      serve()
    }
  }

  function keep(line: Line): void {
    lines.add(line)
    answeredMs = performance.now()
    line.onSettled = () => {
      if (line.isLost()) {
        lines.delete(line)
        reserved.delete(line)
      } else answeredMs = performance.now()
      if (waiting.size() > 0) serve()
    }
    if (line.isLost()) line.onSettled()
  }

  /** Full jitter: all nodes lose their connections in the same moment, and must not all come back in one. */
  async function backOff(): Promise<void> {
    backingOff = true
    await sleep(Math.random() * Math.min(BACK_OFF_MS_MAX, BACK_OFF_MS_MIN * 2 ** failures))
    backingOff = false
    serve()
  }

  const isInUse = (line: Line) => line.load() > 0 || reserved.has(line)

  return {
    submit(statement) {
      const line = waiting.size() === 0 ? bestLine() : undefined
      const beganMs = performance.now()
      if (!line || ended) return wait({ beganMs, take: (free) => free.run(statement, beganMs), fail: statement.reject })
      line.run(statement, beganMs)
      pulse.watch()
    },
    acquire: (beganMs) =>
      new Promise((resolve, reject) =>
        wait({
          beganMs,
          take(line) {
            reserved.add(line)
            resolve(line)
          },
          fail: reject,
        }),
      ),
    release(line) {
      reserved.delete(line)
      serve()
    },
    async end(withinMs) {
      ended = true
      const endMs = performance.now() + (withinMs ?? Number.POSITIVE_INFINITY)
      const isBusy = () => opening > 0 || (waiting.size() > 0 && lines.size > 0) || [...lines].some(isInUse)
      while (isBusy() && performance.now() < endMs) await sleep(POLL_MS)
      pulse.stop()
      failAll(isEnded())
      const left = [...lines]
      await Promise.all(left.map((line) => (isInUse(line) ? line.cut(isEnded()) : line.end())))
    },
  }
}

async function isAnswered(options: LineOptions): Promise<boolean> {
  try {
    const line = await openLine(options)
    void line.end()
    return true
  } catch (error) {
    return (error as { code?: unknown }).code !== 'CONNECT_TIMEOUT'
  }
}
