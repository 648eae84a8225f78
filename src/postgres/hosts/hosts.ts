// The hosts of the database, and on which of them it is now. All connections of a node are opened here: when another
// server has taken over, those to the former one are over, whichever of them notices it first.
import { type Line, type LineOptions, lineError, openLine } from '../line.ts'
import { onLine } from '../tag.ts'
import { type Address, type Host, nameOf, parseAddress, type Wanted } from './address.ts'
import { openFirst } from './race.ts'
import { isLeftBehind, readSystem, type System } from './system.ts'

type Opening = Omit<LineOptions, 'url' | 'host' | 'unnamed' | 'onReadOnly'>

export type Where = {
  /** Undefined before the first connection. */
  host: string | undefined
  hosts: number
  /** How often the database was found on another server than before. */
  moves: number
  /** Why the last opening failed; undefined when it did not. */
  failure: string | undefined
}

export type Hosts = {
  /** They are poolers in transaction mode: statements of a line may run in different sessions of the server. */
  readonly pooled: boolean
  open(options: Opening): Promise<Line>
  where(): Where
  /** `adopt` is done with each server that is new to this node, before anybody gets a connection to it. */
  onNewServer(adopt: Adopt): void
}

/** `there` leads to that server alone, and asks nothing of it. */
export type Adopt = (there: Hosts) => Promise<void>

const OPEN_MS = 5_000
/** A line so young leads to where another one would lead as well. */
const YOUNG_MS = 5_000
const LONE_RETIRE_MS = 30_000

type Known = System & { startedAt: string; host: Host }

type HostsOptions = { log?: (line: string) => void; pooled?: boolean }

export const makeHosts = (to: string | Address, options: HostsOptions = {}): Hosts =>
  new DatabaseHosts(typeof to === 'string' ? parseAddress(to) : to, options)

class DatabaseHosts implements Hosts {
  readonly pooled: boolean
  readonly #address: Address
  readonly #log: (line: string) => void
  /** With the time at which they were opened. */
  readonly #lines = new Map<Line, number>()
  #known: Known | undefined
  #moving: Promise<void> | undefined
  #adopt: Adopt | undefined
  #moves = 0
  #failure: string | undefined
  #retiredMs = Number.NEGATIVE_INFINITY

  constructor(address: Address, { log = () => {}, pooled = false }: HostsOptions) {
    this.pooled = pooled
    this.#address = address
    this.#log = log
  }

  async open(options: Opening): Promise<Line> {
    const { openMs = OPEN_MS } = options
    const one = (host: Host, withinMs: number) => this.#openOn(host, { ...options, openMs: withinMs })
    try {
      const order = this.#inOrder()
      const line = await (order.length > 1 ? openFirst(order, openMs, one) : one(order[0], openMs))
      this.#failure = undefined
      return line
    } catch (error) {
      this.#failure = (error as Error).message
      throw error
    }
  }

  /** A value, so that it can be handed on by itself. */
  where = (): Where => {
    const host = this.#known && nameOf(this.#known.host)
    return { host, hosts: this.#address.hosts.length, moves: this.#moves, failure: this.#failure }
  }

  onNewServer(adopt: Adopt): void {
    this.#adopt = adopt
  }

  /** The one where the database was last comes first. */
  #inOrder(): readonly Host[] {
    const { hosts } = this.#address
    const first = this.#known ? hosts.indexOf(this.#known.host) : 0
    return [...hosts.slice(first), ...hosts.slice(0, first)]
  }

  async #openOn(host: Host, options: Opening): Promise<Line> {
    const { url, wanted } = this.#address
    const own = { url, host, unnamed: this.pooled, onReadOnly: () => this.#retire() }
    const line = await openLine({ ...options, ...own }).catch((error) => {
      throw isPooler(error) && !this.pooled ? lineError('CONNECTION_CLOSED', POOLER) : error
    })
    try {
      if (!line.server.isPinned) throw lineError('CONNECTION_CLOSED', this.pooled ? OLD_SESSIONS : POOLER)
      const fault = faultOf(line, wanted)
      if (fault) throw lineError('CONNECTION_CLOSED', fault)
      if (line.server.startedAt !== this.#known?.startedAt) await this.#meet(line, host, options.openMs ?? OPEN_MS)
    } catch (error) {
      void line.end()
      throw error
    }
    this.#lines.set(line, performance.now())
    void line.lost.then(() => this.#lines.delete(line))
    return line
  }

  /** A server that was restarted, or another one. To adopt it may take longer than an opening: it goes on then. */
  async #meet(line: Line, host: Host, withinMs: number): Promise<void> {
    this.#moving ??= this.#moveTo(line, host).finally(() => {
      this.#moving = undefined
    })
    await inTime(this.#moving, withinMs)
    if (line.server.startedAt !== this.#known?.startedAt)
      throw lineError('CONNECTION_CLOSED', 'the database is on another server by now')
  }

  async #moveTo(line: Line, host: Host): Promise<void> {
    const before = this.#known
    const found = await readSystem(onLine(line))
    if (before && isLeftBehind(found, before)) {
      const seen = `its timeline ${found.timeline} ended, and this node has seen ${before.timeline}`
      throw lineError('CONNECTION_CLOSED', `the server was left behind by a failover: ${seen}`)
    }
    await this.#adopt?.(makeHosts({ ...this.#address, hosts: [host], wanted: 'any' }, { pooled: this.pooled }))
    this.#known = { ...found, startedAt: line.server.startedAt, host }
    if (!before) return
    if (host !== before.host || found.timeline !== before.timeline || found.system !== before.system) {
      this.#moves++
      this.#log(`The database is on ${nameOf(host)} now; it was on ${nameOf(before.host)}.`)
    }
    for (const old of this.#lines.keys())
      if (old.server.startedAt !== line.server.startedAt)
        old.cut(lineError('CONNECTION_CLOSED', 'the database is on another server now'))
  }

  /** The server takes no writes any more: the lines to it are replaced, by some to where writes are taken. */
  #retire(): void {
    const nowMs = performance.now()
    // A lone host may be read-only for long, and another server may take over its name.
    if (this.#address.hosts.length === 1 && nowMs - this.#retiredMs < LONE_RETIRE_MS) return
    const old = [...this.#lines].filter(([, openedMs]) => nowMs - openedMs > YOUNG_MS)
    if (old.length > 0) this.#retiredMs = nowMs
    for (const [line] of old) line.retire()
  }
}

async function inTime(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(lineError('CONNECT_TIMEOUT', `a new server was not adopted within ${ms} ms`)), ms)
  })
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}

const POOLER =
  'the address leads to a connection pooler, which does not take the settings of a session. Set DATABASE_DIRECT_URL ' +
  'to the address of PostgreSQL itself; see docs/deploy.md'
const OLD_SESSIONS =
  'the sessions of the pooler do not have the settings of our role. DATABASE_URL and DATABASE_DIRECT_URL must use the ' +
  'same role and database; where they do, have the pooler connect anew (RECONNECT on the console of PgBouncer)'

/** PgBouncer refuses what it does not know of a startup message. */
const isPooler = (error: unknown): boolean =>
  (error as { code?: unknown }).code === '08P01' && /startup parameter/.test((error as Error).message)

function faultOf({ server }: Line, wanted: Wanted): string | undefined {
  if (wanted === 'any') return undefined
  if (server.isStandby) return 'it is a standby'
  return wanted === 'read-write' && server.isReadOnly ? 'it is read-only' : undefined
}
