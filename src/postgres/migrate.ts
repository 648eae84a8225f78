// Brings the database to the schema of this code: the files of migrations/ in the order of their numbers, each
// once, each in a transaction of its own. There is no way back.

import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type postgres from 'postgres'
import { SEARCH_PATH } from './session-settings.ts'
import { openUnhurried } from './sql.ts'

export type MigrateOptions = { log?: (line: string) => void; dir?: string }
export type Migration = { name: string; text: string; checksum: string }
type Applied = { name: string; checksum: string }

const SERVER_VERSION_MIN = 15
const NAME = /^\d{4}_[a-z0-9_-]+\.sql$/
// Any number will do that nothing else in this database takes as an advisory lock.
export const MIGRATE_LOCK_KEY = 7_236_110_465
export const MIGRATIONS_DIR = fileURLToPath(new URL('./migrations', import.meta.url))

/** Safe to call from any number of processes at once: one does the work, the others wait and find it done. */
export async function migrate(
  sql: postgres.Sql,
  { log = () => {}, dir = MIGRATIONS_DIR }: MigrateOptions = {},
): Promise<void> {
  const migrations = await readMigrations(dir)
  // The lock belongs to a session, so all of this has to happen in one; and waiting for another process's
  // migrations, or building an index, may take as long as it takes.
  const session = await openUnhurried(sql)
  try {
    await refuseOldServer(session)
    await refuseOtherSchema(session)
    await refuseOtherEncoding(session, log)
    await session`select pg_advisory_lock(${MIGRATE_LOCK_KEY})`
    await applyPending(session, migrations, log)
  } finally {
    // The server lets go of the lock with the session.
    await session.release()
  }
}

export async function readMigrations(dir = MIGRATIONS_DIR): Promise<Migration[]> {
  const names = (await readdir(dir)).filter((name) => name.endsWith('.sql')).sort()
  const numbers = new Set(names.map((name) => name.slice(0, 4)))
  const odd = names.find((name) => !NAME.test(name))
  if (odd !== undefined) throw new Error(`The migration ${odd} must be named like 0001_what_it_does.sql.`)
  if (numbers.size < names.length) throw new Error(`Two migrations in ${dir} have the same number.`)
  return Promise.all(names.map((name) => readMigration(dir, name)))
}

/** What is still to be applied; throws when the database and the code do not belong together. */
export function pendingOf(migrations: readonly Migration[], applied: readonly Applied[]): Migration[] {
  for (const { name, checksum } of applied) {
    const known = migrations.find((migration) => migration.name === name)
    if (!known) {
      throw new Error(
        `The database is newer than this Runyard: it has the migration ${name}, which this version does not ` +
          'know. Start the newer version, or use another database.',
      )
    }
    if (known.checksum !== checksum) {
      throw new Error(
        `The migration ${name} was changed after it was applied to this database. ` +
          'Put the file back as it was, and make the change in a new migration.',
      )
    }
  }
  const last = applied.at(-1)?.name ?? ''
  const pending = migrations.filter(({ name }) => !applied.some((done) => done.name === name))
  const late = pending.find(({ name }) => name < last)
  if (late)
    throw new Error(`The migration ${late.name} comes before ${last}, which is applied. Give it a higher number.`)
  return pending
}

/** `version` is server_version_num, such as 150004. */
export function refuseOldVersion(version: number): void {
  const major = Math.floor(version / 10_000)
  if (major >= SERVER_VERSION_MIN) return
  throw new Error(
    `Runyard needs PostgreSQL ${SERVER_VERSION_MIN} or later, and DATABASE_URL leads to PostgreSQL ${major}. ` +
      'Upgrade that server, or leave DATABASE_URL out to use the one that Runyard brings.',
  )
}

async function applyPending(
  session: postgres.ISql,
  migrations: Migration[],
  log: (line: string) => void,
): Promise<void> {
  await session.unsafe(
    `create table if not exists schema_migrations (
       name text primary key, checksum text not null, applied_at timestamptz not null default now()
     )`,
  )
  const applied = await session<Applied[]>`select name, checksum from schema_migrations order by name`
  for (const migration of pendingOf(migrations, applied)) {
    log(`migration ${migration.name}`)
    await apply(session, migration)
  }
}

async function refuseOldServer(session: postgres.ISql): Promise<void> {
  const [row] = await session<{ version: number }[]>`select current_setting('server_version_num')::int as version`
  refuseOldVersion(row?.version ?? 0)
}

/**
 * Sessions set their own search path, and an installation may have relied on one of its role: an empty place beside
 * its tables would look like lost data.
 */
async function refuseOtherSchema(session: postgres.ISql): Promise<void> {
  const [other] = await session<{ schema: string }[]>`
    select schemaname as schema from pg_tables
    where tablename = 'run_states' and schemaname not like 'pg\\_%' and to_regclass('run_states') is null
      and current_setting('search_path') = ${SEARCH_PATH}
    order by schemaname limit 1`
  if (!other) return
  throw new Error(
    `The tables of Runyard are in the schema ${other.schema}, which this session does not look at. Add ` +
      `?search_path=${encodeURIComponent(other.schema)} to DATABASE_URL (or ?search_path=public, to begin anew beside them).`,
  )
}

/**
 * In another encoding, characters that JSON escapes cannot be read from `jsonb`, and the lengths that the schema bounds
 * are those of bytes. An installation that has come to live with that is not locked out of its data.
 */
async function refuseOtherEncoding(session: postgres.ISql, log: (line: string) => void): Promise<void> {
  const [row] = await session<{ encoding: string; database: string; settled: boolean }[]>`
    select
      current_setting('server_encoding') as encoding,
      current_database() as database,
      to_regclass('run_states') is not null as settled`
  const { encoding, database, settled } = row!
  if (encoding === 'UTF8') return
  const problem = `Runyard needs a database with the encoding UTF8, and ${database} has ${encoding}.`
  if (!settled)
    throw new Error(
      `${problem} Create another one (createdb --encoding UTF8 --locale C.UTF-8 --template template0 NAME), and ` +
        'name it in DATABASE_URL.',
    )
  log(`${problem} Requests with characters beyond ASCII may fail; dump it, and restore it into one that has UTF8.`)
}

async function apply(session: postgres.ISql, { name, text, checksum }: Migration): Promise<void> {
  await session.unsafe('begin')
  try {
    await session.unsafe(text)
    await session`insert into schema_migrations (name, checksum) values (${name}, ${checksum})`
    await session.unsafe('commit')
  } catch (cause) {
    await session.unsafe('rollback').catch(() => {})
    throw new Error(`The migration ${name} failed, and nothing of it was kept: ${(cause as Error).message}`, { cause })
  }
}

async function readMigration(dir: string, name: string): Promise<Migration> {
  // A checkout on Windows may have other line ends, and is the same migration.
  const text = (await readFile(`${dir}/${name}`, 'utf8')).replaceAll('\r\n', '\n')
  return { name, text, checksum: createHash('sha256').update(text).digest('hex') }
}
