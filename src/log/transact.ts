import type { Db, Sql } from '#postgres/sql.ts'

/** Undoes the transaction, which then answers `result`. */
export type RollBack<T> = (result: T) => never

class RolledBack extends Error {}

/** Runs `work` in a transaction and returns its result. */
export async function transact<T>(sql: Sql, work: (tx: Db, rollBack: RollBack<T>) => Promise<T>): Promise<T> {
  const done: { result: T }[] = []
  const rollBack = (result: T): never => {
    done.push({ result })
    throw new RolledBack()
  }
  try {
    await sql.begin(async (tx) => {
      done.push({ result: await work(tx, rollBack) })
    })
  } catch (error) {
    if (!(error instanceof RolledBack)) throw error
  }
  return done[0]!.result
}
