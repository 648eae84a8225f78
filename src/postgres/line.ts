// One connection to PostgreSQL: opened, used, lost or closed, and never opened again. The driver can open a connection
// anew by itself; we do not let it, because it takes leftovers along: bytes of the old connection that it then sends
// first, a statement of a transaction that is gone, a write to a socket that is not there. See decision 0017.
import net from 'node:net'
import postgres from 'postgres'
import { Json } from '#core/json/json.ts'
import { ARRAY_TYPES } from './array-types.ts'
import { keepDeadlines } from './deadlines.ts'
import { instantText, parseInstant } from './instant.ts'

/** The driver's query: a promise, with what it is executed by and how it is failed from outside. */
export type Statement = Promise<unknown> & {
  handler: (statement: Statement) => void
  reject: (error: unknown) => void
}

export type LineOptions = {
  url: string
  settings: Readonly<Record<string, string>>
  /** How long a statement may take as seen from here, whatever became of the server; undefined for ever. */
  limitMs?: number | undefined
  /** How long the opening may take. */
  openMs?: number
  /** Where it leads, instead of to the URL's own host. */
  host?: { name: string; port: number } | undefined
  /** Statements keep no plan on the server, and follow each other: what a pooler in transaction mode can carry. */
  unnamed?: boolean
  onNotify?: (payload: string) => void
  /** Told of every statement how long it took, when it was answered or failed. */
  onAnswer?: (ms: number) => void
  /** A statement was refused because the server takes no writes. */
  onReadOnly?: () => void
}

/**
 * What a server said of itself when the line was opened. `startedAt` tells one from another, and from itself restarted;
 * `isPinned`: the session has our settings.
 */
export type Server = { startedAt: string; isStandby: boolean; isReadOnly: boolean; isPinned: boolean }

export type Line = {
  server: Server
  /** `beganMs`: when its caller began to wait, if that was not now. */
  run(statement: Statement, beganMs?: number): void
  /** Statements under way. */
  load(): number
  /** When the oldest of them began. */
  oldestMs(): number | undefined
  isLost(): boolean
  lost: Promise<void>
  /** Called after every statement, when it was answered or failed. */
  onSettled: (() => void) | undefined
  /** Its owner is to use another one from now on; what is under way may end. */
  retire(): void
  isRetired(): boolean
  onRetired: (() => void) | undefined
  /** Ends it at once; what is under way fails. */
  cut(error: Error): void
  /** Takes leave of the server. What is under way may end for a second. */
  end(): Promise<void>
}

/** Options of the driver that make a statement what it is; the same wherever one is written or executed. */
export const DRIVER = {
  max: 1,
  fetch_types: false,
  idle_timeout: 0,
  max_lifetime: null,
  onnotice: () => {},
  transform: { undefined: null },
  types: {
    // Positions, sequences and counts stay far below 2^53, where a number is exact.
    bigint: { to: 20, from: [20], serialize: (value: number) => String(value), parse: Number },
    // With its microseconds, which cursors carry: the driver's own would cut them off, in texts that it sends too.
    date: {
      to: 1184,
      from: [1082, 1114, 1184],
      serialize: (value: Date | string) => (value instanceof Date ? instantText(value) : value),
      parse: parseInstant,
    },
    // What clients wrote is kept in `json`, and goes on as text; what is ours is kept in `jsonb`, and parsed.
    written: {
      to: 114,
      from: [114],
      serialize: (value: unknown) => (value instanceof Json ? value.text : value),
      parse: (text: string) => (text === 'null' ? null : Json.stored(text)),
    },
    ...ARRAY_TYPES,
  },
}

const OPEN_MS = 5_000
const LEAVE_SECS = 1
const READ_ONLY = '25006'
const UNKNOWN: Server = { startedAt: '', isStandby: false, isReadOnly: false, isPinned: true }

/** An error of the connection, named as the driver names its own. */
export const lineError = (code: string, message: string): Error => Object.assign(new Error(message), { code })

/** The connection went while it was asked; one that was silent for too long is no reason to ask again. */
export const isLineLoss = (error: unknown): boolean =>
  /^(CONNECTION_|57P0)/.test(String((error as { code?: unknown }).code))
const isClosed = () => lineError('CONNECTION_CLOSED', 'the connection to PostgreSQL is lost')

/** Resolves when the server takes statements. */
export async function openLine(options: LineOptions): Promise<Line> {
  const { limitMs, unnamed = false } = options
  const lost = Promise.withResolvers<void>()
  const underway = keepDeadlines<Statement>(limitMs, (statement) => {
    const late = lineError('CONNECT_TIMEOUT', `PostgreSQL has not answered a statement for ${limitMs} ms`)
    statement.reject(late)
    cut(late)
  })
  let [isLost, isRetired] = [false, false]

  function cut(error: Error): void {
    if (isLost) return
    isLost = true
    for (const statement of underway.items()) {
      underway.delete(statement)
      statement.reject(error)
    }
    destroy()
    lost.resolve()
    line.onSettled?.()
  }

  const { driver, destroy } = driverOf(options, cut)
  const execute = unnamed ? oneByOne(handlerOf(driver), () => isLost) : handlerOf(driver)

  const line: Line = {
    server: UNKNOWN,
    run(statement, beganMs = performance.now()) {
      if (isLost) return statement.reject(isClosed())
      underway.add(statement, beganMs)
      const { reject } = statement
      statement.reject = (error) => {
        reject(toldError(error))
        if ((error as { code?: unknown } | undefined)?.code === READ_ONLY) options.onReadOnly?.()
      }
      const settled = () => {
        underway.delete(statement)
        options.onAnswer?.(performance.now() - beganMs)
        line.onSettled?.()
      }
      statement.then(settled, settled)
      execute(statement)
    },
    load: underway.size,
    oldestMs: underway.oldestMs,
    isLost: () => isLost,
    lost: lost.promise,
    onSettled: undefined,
    retire() {
      isRetired = true
      line.onRetired?.()
    },
    isRetired: () => isRetired,
    onRetired: undefined,
    cut,
    async end() {
      await driver.end({ timeout: LEAVE_SECS })
      cut(isClosed())
    },
  }
  try {
    line.server = await serverOf(driver, line)
    return line
  } catch (error) {
    cut(error as Error)
    throw error
  }
}

/** An object of the driver for one connection. `cut` is called when it is lost. */
function driverOf(options: LineOptions, cut: (error: Error) => void): { driver: postgres.Sql; destroy: () => void } {
  const { url, host, settings, openMs = OPEN_MS, unnamed = false } = options
  let socket: net.Socket | undefined
  const driver = postgres(url, {
    ...DRIVER,
    connect_timeout: openMs / 1000,
    prepare: !unnamed,
    connection: settings,
    ...(host && placeOf(host)),
    onclose: () => cut(isClosed()),
    // The driver's own `listen` opens a second connection, and does not tell when it loses it.
    ...{ onnotify: (_channel: string, payload: string) => options.onNotify?.(payload) },
    ...{
      socket: (where: Where) => {
        // A second one would be another connection. Throwing tells the driver; what it has queued it would forget.
        if (socket) cut(isClosed())
        if (socket) throw isClosed()
        socket = socketTo(where)
        return socket
      },
    },
  })
  return { driver, destroy: () => void socket?.destroy() }
}

type Execute = Statement['handler']

const handlerOf = (driver: postgres.Sql): Execute => (driver`` as unknown as Statement).handler

/** Statements without a name would take each other's place, so each waits for the answer to the one before. */
function oneByOne(execute: Execute, isLost: () => boolean): Execute {
  let last: Promise<unknown> = Promise.resolve()
  return (statement) => {
    last = last.then(() => {
      if (isLost()) return
      execute(statement)
      return statement.catch(() => {})
    })
  }
}

/** Also tells that the server takes statements. */
async function serverOf(driver: postgres.Sql, line: Line): Promise<Server> {
  const asked = driver<Server[]>`
    select
      extract(epoch from pg_postmaster_start_time())::text as "startedAt",
      pg_is_in_recovery() as "isStandby",
      current_setting('transaction_read_only') = 'on' as "isReadOnly",
      current_setting('enable_seqscan') = 'off' as "isPinned"`
  ;(asked as unknown as Statement).handler = (it) => line.run(it)
  return (await asked)[0]!
}

/** Sockets and TLS have many names for the same: the connection is gone. Callers are told one. */
function toldError(error: unknown): unknown {
  const { code, message } = error as Error & { code?: unknown }
  if (typeof code !== 'string' || !/^(E[A-Z_]+|ERR_(STREAM|SOCKET|SSL|TLS)_\w+)$/.test(code)) return error
  // A name with several addresses fails with all of their errors, in one that says nothing by itself.
  const said = error instanceof AggregateError ? error.errors.map(String).join('; ') : message
  return Object.assign(lineError('CONNECTION_CLOSED', `the connection to PostgreSQL is lost: ${said}`), {
    cause: error,
  })
}

/** As lists: the driver would take an IPv6 address apart. Its types know of texts alone. */
const placeOf = ({ name, port }: { name: string; port: number }): object =>
  name.startsWith('/') ? { path: `${name}/.s.PGSQL.${port}` } : { host: [name], port: [port] }

type Where = { host: string[]; port: number[]; path: string | false }

function socketTo({ host, port, path }: Where): net.Socket {
  const socket = new net.Socket()
  socket.setNoDelay(true)
  if (path) socket.connect(path)
  else socket.connect(port[0]!, host[0]!)
  // The driver asks for the host's certificate by this name.
  return Object.assign(socket, { host: host[0], port: port[0] })
}
