// Whether the database takes writes. A full disk or a read-only role answers every read, and goes on refusing every
// change: so long a node must not look ready.
import type { Sql } from './sql.ts'

/** Undefined when it takes writes; otherwise why not, in words that anybody may read. */
export type WriteFault = string | undefined

/** More than a page, so that a table could grow as well: a tuple store of 40,000 numbers, of which 64 kB stay in memory. */
const SPILLED_ROWS = 40_000

/**
 * Commits a record to the write-ahead log, and writes about a megabyte to a temporary file on the disk of the tables: a log
 * that reuses its files commits on a full disk too, as long as no table grows. Leaves nothing behind.
 */
export async function findWriteFault(sql: Sql, maxMs: number): Promise<WriteFault> {
  try {
    const readOnly = await sql.begin(async (tx) => {
      const [session] = await tx<{ readOnly: boolean }[]>`
        select
          current_setting('transaction_read_only')::boolean as "readOnly",
          set_config('work_mem', '64kB', true),
          set_config('temp_tablespaces', '', true),
          -- Of the commit too, which a standby that is gone may hold up.
          set_config('statement_timeout', ${String(maxMs)}, true)`
      if (session!.readOnly) return true
      await tx`select count(*) from generate_series(1, ${SPILLED_ROWS}::int)`
      await tx`select pg_logical_emit_message(true, 'runyard', '')`
      return false
    })
    return readOnly ? 'The database is read-only.' : undefined
  } catch (error) {
    return faultOf((error as { code?: unknown }).code)
  }
}

const FAULTS = new Map<unknown, string>([
  ['53100', 'The disk of PostgreSQL is full.'],
  ['53400', 'A limit of PostgreSQL is exceeded, such as temp_file_limit.'],
  ['25006', 'The database is read-only.'],
  ['57014', 'A write was not committed in time.'],
])

const faultOf = (code: unknown): string => FAULTS.get(code) ?? `A write failed with ${String(code ?? 'an error')}.`
