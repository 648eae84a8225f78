// Transactions that ring: what is written in one says where to look, and it rings there once it is committed.
import type { TransactionSql } from 'postgres'
import type { Db } from '#postgres/sql.ts'
import type { Ctx } from './ctx.ts'
import type { Topic } from './topics.ts'

/**
 * A transaction, and the topics that it will ring. Whatever moves runs or appends events adds its own; what else wants
 * to be looked at is added by hand.
 */
export type Tx = Db & { readonly rings: Set<Topic> }

/** Undoes the transaction, which then answers `result` and rings nobody. */
export type RollBack<T> = (result: T) => never

class RolledBack extends Error {}

/** Runs `work` in a transaction, rings its topics after the commit, and returns its result. */
export async function transact<T>(
  { sql, ring }: Pick<Ctx, 'sql' | 'ring'>,
  work: (tx: Tx, rollBack: RollBack<T>) => Promise<T>,
): Promise<T> {
  const rings = new Set<Topic>()
  const done: { result: T }[] = []
  const rollBack = (result: T): never => {
    done.push({ result })
    throw new RolledBack()
  }
  try {
    await sql.begin(async (tx) => {
      done.push({ result: await work(Object.assign(tx, { rings }), rollBack) })
    })
  } catch (error) {
    if (!(error instanceof RolledBack)) throw error
    return done[0]!.result
  }
  if (rings.size > 0) ring(rings)
  return done[0]!.result
}

/** A part of a transaction that can fail by itself: what it wrote is undone, and the locks of the whole are kept. */
export async function inSavepoint<T>(tx: Tx, work: (inner: Tx) => Promise<T>): Promise<T> {
  const rings = new Set<Topic>()
  const result = (await (tx as Tx & TransactionSql).savepoint((inner) => work(Object.assign(inner, { rings })))) as T
  for (const topic of rings) tx.rings.add(topic)
  return result
}
