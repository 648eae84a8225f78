// Rows by the hundred thousand, written straight into the tables in the product's shape: over the API they would
// take longer than what is measured with them. The log and the counters of such runs are left out.
import { connect, type Sql } from '../../src/postgres/sql.ts'

const CHUNK = 25_000
const WRITERS = 2

/** Calls `write` for chunks of the numbers below `count`, from as many connections as there are cores. */
export async function fillInChunks(
  url: string,
  count: number,
  write: (sql: Sql, from: number, to: number) => Promise<unknown>,
): Promise<void> {
  const sql = connect(url, { max: WRITERS, name: 'runyard-bench', statementTimeoutMs: 0 })
  let from = 0
  const one = async () => {
    while (from < count) {
      const at = from
      from = Math.min(count, from + CHUNK)
      await write(sql, at, Math.min(count, at + CHUNK) - 1)
    }
  }
  try {
    await Promise.all(Array.from({ length: WRITERS }, one))
  } finally {
    await sql.end({ timeout: 5 })
  }
}

/** What the housekeeping of a database in use has done long since. */
export async function settleDown(url: string, tables: readonly string[]): Promise<void> {
  const sql = connect(url, { max: 1, name: 'runyard-bench', statementTimeoutMs: 0 })
  for (const table of tables) await sql.unsafe(`vacuum analyze ${table}`)
  await sql`checkpoint`
  await sql.end({ timeout: 5 })
}
