// The connection to PostgreSQL, and the few words that every other file needs of it. Statements are written as the
// driver's templates are; what executes them is ours (pool.ts, line.ts).
import type postgres from 'postgres'
import { type Hosts, makeHosts } from './hosts/hosts.ts'
import { isLineLoss, type Line, type LineOptions, lineError } from './line.ts'
import { makePool, type Pool, type PoolReading } from './pool.ts'
import { pooledSettings, sessionSettings } from './session-settings.ts'
import { type Db, type Sql, tagOf } from './tag.ts'

export { type Db, pen, type Sql } from './tag.ts'

export type ConnectOptions = {
  /** Connections at most; small on purpose, an idle backend costs every snapshot. */
  max?: number
  name?: string
  /** A statement that takes longer is cut off by the server, or by us when the server does not; 0 for none. */
  statementTimeoutMs?: number
  /** `once`: each statement has one plan, made without its values; `each`: a plan for the values of each call. */
  plans?: 'once' | 'each'
  log?: (line: string) => void
}

/** Lets the server's own limit come first: its answer says more, and its connection can be kept. */
const SERVER_FIRST_MS = 500

/** `to`: the URL of the database, or its hosts where they are shared with others. */
export function connect(
  to: string | Hosts,
  { max = 4, name = 'runyard', statementTimeoutMs = 30_000, plans = 'once', log }: ConnectOptions = {},
): Sql {
  const hosts = typeof to === 'string' ? makeHosts(to) : to
  const how = {
    settings: hosts.pooled ? pooledSettings(name) : sessionSettings({ name, statementTimeoutMs, plans }),
    limitMs: statementTimeoutMs > 0 ? statementTimeoutMs + SERVER_FIRST_MS : undefined,
  }
  const pool = makePool({ ...how, hosts, linesMax: max, log })
  const sql = Object.assign(
    tagOf((statement) => pool.submit(statement)),
    {
      begin: (...asked: [Work] | [string, Work]) => inTransaction(pool, asked),
      reserve: async () => {
        const line = await pool.acquire(performance.now())
        return sessionOn(line, async () => pool.release(line))
      },
      end: ({ timeout }: { timeout?: number } = {}) => pool.end(timeout === undefined ? undefined : timeout * 1000),
    },
  ) as unknown as Sql
  const patient = { statement_timeout: '0', lock_timeout: '0', idle_in_transaction_session_timeout: '0' }
  unhurried.set(sql, () => openSession(hosts, { settings: { ...how.settings, ...patient } }))
  pools.set(sql, pool)
  return sql
}

const pools = new WeakMap<Sql, Pool>()

export type { PoolReading } from './pool.ts'
/** How the connections of this pool are used. */
export const readPool = (sql: Sql): PoolReading => pools.get(sql)!.read()

const unhurried = new WeakMap<Sql, () => Promise<Session>>()

/** A connection of its own to the same database, whose statements may take as long as they take: for migrations. */
export const openUnhurried = (sql: Sql): Promise<Session> => unhurried.get(sql)!()

/** One connection, until `release` or until it is lost. */
export type Session = Db & { release: () => Promise<void>; lost: Promise<void> }

export async function openSession(
  to: string | Hosts,
  options: Pick<LineOptions, 'settings' | 'limitMs' | 'onNotify'>,
): Promise<Session> {
  const line = await (typeof to === 'string' ? makeHosts(to) : to).open(options)
  line.onRetired = () => line.cut(lineError('CONNECTION_CLOSED', 'the server takes no writes any more'))
  return sessionOn(line, line.end)
}

function sessionOn(line: Line, release: () => Promise<void>): Session {
  let released = false
  const tag = tagOf((statement) => (released ? statement.reject(isOver()) : line.run(statement)))
  return Object.assign(tag, {
    lost: line.lost,
    async release() {
      if (released) return
      released = true
      await release()
    },
  }) as unknown as Session
}

type Work = (transaction: postgres.TransactionSql) => unknown
const isOver = () => lineError('TRANSACTION_OVER', 'the transaction of this statement is over')

/** Times that a transaction is begun at most: a line may turn out to be lost at its first statement. */
const BEGINS_MAX = 3

async function inTransaction(pool: Pool, asked: [Work] | [string, Work]): Promise<unknown> {
  const [mode, work] = asked.length === 1 ? ['', asked[0]] : asked
  const line = await beginOn(pool, `begin ${mode}`)
  try {
    const result = await inScope(line, work)
    await tell(line, 'commit')
    return result
  } catch (error) {
    if (!line.isLost()) await tell(line, 'rollback').catch((cause: Error) => line.cut(cause))
    throw error
  } finally {
    pool.release(line)
  }
}

async function beginOn(pool: Pool, begin: string): Promise<Line> {
  const beganMs = performance.now()
  for (let tries = 1; ; tries++) {
    const line = await pool.acquire(beganMs)
    try {
      await tell(line, begin, beganMs)
      return line
    } catch (error) {
      pool.release(line)
      if (tries === BEGINS_MAX || !isLineLoss(error)) throw error
    }
  }
}

const tell = (line: Line, text: string, beganMs = performance.now()): Promise<unknown> =>
  tagOf((statement) => line.run(statement, beganMs))
    .unsafe(text)
    .execute()

/** Runs `work` with statements that end with it. One that failed fails the whole, caught or not: PostgreSQL would. */
async function inScope(line: Line, work: Work, depth = 0): Promise<unknown> {
  let failed: { error: unknown } | undefined
  let over = false
  const tag = tagOf((statement) => {
    if (over) return statement.reject(isOver())
    statement.catch((error: unknown) => {
      failed ??= { error }
    })
    line.run(statement)
  })
  const savepoint = async (inner: Work) => {
    await tag.unsafe(`savepoint s${depth}`)
    try {
      return await inScope(line, inner, depth + 1)
    } catch (error) {
      await tag.unsafe(`rollback to s${depth}`)
      throw error
    }
  }
  try {
    const result = await work(Object.assign(tag, { savepoint }) as unknown as postgres.TransactionSql)
    const all = Array.isArray(result) ? await Promise.all(result) : result
    if (failed) throw failed.error
    return all
  } finally {
    over = true
  }
}

/** A piece of a statement. */
export type Fragment = postgres.PendingQuery<postgres.Row[]>

/** Fragments one after the other; none for an empty list, which the driver would send as an array. */
export const joined = (sql: Db, fragments: readonly Fragment[]): Fragment =>
  fragments.reduce((all, one) => sql`${all} ${one}`, sql``)

/** Words of our own as a list of literals: what a statement says of states is part of its text, and of its plan. */
export function literals(sql: Db, words: readonly string[]): Fragment {
  const odd = words.find((word) => !/^[a-z_]+$/.test(word))
  if (odd !== undefined || words.length === 0) throw new Error(`no list of plain words: ${words.join()}`)
  return sql.unsafe(words.map((word) => `'${word}'`).join(', '))
}

/** A unique index said no: somebody else was first. */
export const isDuplicate = (error: unknown): boolean => (error as { code?: unknown }).code === '23505'

/** Whether the database answers within `ms`. */
export async function isReachable(sql: Sql, ms: number): Promise<boolean> {
  const late = new Promise<false>((resolve) => setTimeout(() => resolve(false), ms).unref())
  const answered = sql`select 1`.then(
    () => true,
    () => false,
  )
  return Promise.race([answered, late])
}
