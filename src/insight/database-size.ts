// The size of the database, asked for by as many rules as there are.
import { part } from '#bell/part.ts'
import { readDatabaseBytes } from './installation.sql.ts'

/** The server asks its file system for every file of every table. */
const FRESH_MS = 60_000

export const databaseBytesOf = part<() => Promise<number>>(({ reads }) => {
  let last: { bytes: number; atMs: number } | undefined
  return async () => {
    if (last === undefined || performance.now() - last.atMs > FRESH_MS)
      last = { bytes: await readDatabaseBytes(reads), atMs: performance.now() }
    return last.bytes
  }
})
