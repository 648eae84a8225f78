// The connection to PostgreSQL, and the few words that every other file of this room needs.
import postgres from 'postgres'
import { instantText, parseInstant } from './instant.ts'
import { sessionSettings } from './session-settings.ts'

export type Sql = postgres.Sql
/** A pool or a transaction: a function that takes it cannot reach outside of what it was given. */
export type Db = postgres.ISql

export type ConnectOptions = {
  /** Connections at most; small on purpose, an idle backend costs every snapshot. */
  max?: number
  name?: string
  /** A statement that takes longer is cut off by the server; 0 for none. */
  statementTimeoutMs?: number
  /** `once`: each statement has one plan, made without its values; `each`: a plan for the values of each call. */
  plans?: 'once' | 'each'
}

export function connect(
  url: string,
  { max = 4, name = 'runyard', statementTimeoutMs = 30_000, plans = 'once' }: ConnectOptions = {},
): Sql {
  return postgres(url, {
    max,
    onnotice: () => {},
    connect_timeout: 10,
    // The default grows to 20 s: a database that is back after a restart would be left alone for as long.
    backoff: (tries: number) => Math.min(1, 0.05 * 2 ** tries) * (0.5 + Math.random()),
    idle_timeout: 0,
    max_lifetime: null,
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
    },
    connection: sessionSettings({ name, statementTimeoutMs, plans }),
  })
}

/** A piece of a statement. */
export type Fragment = postgres.PendingQuery<postgres.Row[]>

/** Fragments one after the other; none for an empty list, which the driver would send as an array. */
export const joined = (sql: Db, fragments: readonly Fragment[]): Fragment =>
  fragments.reduce((all, one) => sql`${all} ${one}`, sql``)

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
