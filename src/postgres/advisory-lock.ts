// Work that one node at a time does, by an advisory lock of the session.
import type { Sql } from './sql.ts'

/** Runs `work` while this connection holds the named lock; undefined when another node holds it. */
export async function whileAlone<T>(sql: Sql, name: string, work: () => Promise<T>): Promise<T | undefined> {
  const connection = await sql.reserve()
  try {
    const [row] = await connection<
      { locked: boolean }[]
    >`select pg_try_advisory_lock(hashtextextended(${name}, 2)) as locked`
    if (!row!.locked) return undefined
    try {
      return await work()
    } finally {
      await connection`select pg_advisory_unlock(hashtextextended(${name}, 2))`
    }
  } finally {
    connection.release()
  }
}
