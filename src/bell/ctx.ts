// What every action needs: connections to PostgreSQL, rings, a log. It knows no subject. What a subject keeps for each
// context (a cache, a group commit, its own client) is a part; see part.ts.
import type { Logger } from 'pino'
import type { Sql } from '#postgres/sql.ts'
import type { Listening } from './listening.ts'
import type { Topic } from './topics.ts'

export type Ctx = {
  sql: Sql
  /** For lists, whose best plan depends on the filter. */
  reads: Sql
  /** Tells every process where to look again; call it after the commit. */
  ring: (topics: readonly Topic[] | ReadonlySet<Topic>) => void
  /** Listens for rings of these topics. Start listening before looking; otherwise a ring in between is missed. */
  listen: (topics: readonly Topic[]) => Listening
  log: Logger
  /** In [0, 1). */
  random: () => number
  /** The database's clock. A node's own clock may be hours off, and is never used for anything stored or shown. */
  nowMs: () => number
  /** The parts of this context, by the function that returns each. */
  parts: Map<unknown, unknown>
}

/** A part, by its function, with the value to use instead of creating one. */
export type GivenPart = readonly [part: unknown, value: unknown]

export type CtxParts = Pick<Ctx, 'sql' | 'reads' | 'ring' | 'listen' | 'log'> & {
  random?: () => number
  /** Defaults to this process's clock. */
  nowMs?: () => number
  /** Parts that the node creates itself, e.g. because they hold settings or connections. */
  given?: readonly GivenPart[]
}

export const makeCtx = ({ random = Math.random, nowMs = Date.now, given = [], ...ways }: CtxParts): Ctx => ({
  ...ways,
  random,
  nowMs,
  parts: new Map(given),
})
