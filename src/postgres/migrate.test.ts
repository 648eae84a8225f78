import { randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import { emptyDatabase, testDatabase } from '#test/support/db.ts'
import { MIGRATE_LOCK_KEY, migrate, readMigrations, refuseOldVersion } from './migrate.ts'
import { connect } from './sql.ts'

const FILES = {
  '0001_first.sql': 'create table things (id int primary key); insert into things values (1);',
  '0002_second.sql': 'alter table things add column name text',
}

async function migrationsDir(files: Record<string, string> = FILES): Promise<string> {
  const dir = join(inject('testRoot'), randomUUID())
  await mkdir(dir)
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text)
  return dir
}

test('an empty database gets every migration, in order, once', async () => {
  const { sql } = await emptyDatabase()
  const lines: string[] = []
  const options = { dir: await migrationsDir(), log: (line: string) => void lines.push(line) }
  await migrate(sql, options)
  await migrate(sql, options)
  expect(lines).toEqual(['migration 0001_first.sql', 'migration 0002_second.sql'])
  expect(await sql`select name from schema_migrations order by name`).toMatchObject([
    { name: '0001_first.sql' },
    { name: '0002_second.sql' },
  ])
  expect(await sql`select id, name from things`).toMatchObject([{ id: 1, name: null }])
})

test('the migrations of the product are applied to every test database', async () => {
  const { sql } = await testDatabase()
  const applied = await sql<{ name: string }[]>`select name from schema_migrations order by name`
  expect(applied.map(({ name }) => name)).toEqual((await readMigrations()).map(({ name }) => name))
})

test('many nodes that start at once migrate an empty database once', async () => {
  const { url, sql } = await emptyDatabase()
  const dir = await migrationsDir()
  const lines: string[] = []
  const nodes = Array.from({ length: 6 }, () => connect(url, { max: 1 }))
  await Promise.all(nodes.map((node) => migrate(node, { dir, log: (line) => void lines.push(line) })))
  await Promise.all(nodes.map((node) => node.end()))
  expect(lines).toEqual(['migration 0001_first.sql', 'migration 0002_second.sql'])
  expect(await sql`select id from things`).toHaveLength(1)
})

test("a node waits for another node's migration, even if it takes longer than the statement or lock timeout", async () => {
  const { url, sql } = await emptyDatabase()
  const dir = await migrationsDir()
  const impatient = connect(url, { max: 1, statementTimeoutMs: 500 })
  await impatient.unsafe('set lock_timeout = 500')
  const waiting = await sql.begin(async (tx) => {
    await tx`select pg_advisory_lock(${MIGRATE_LOCK_KEY})`
    const migrated = migrate(impatient, { dir })
    // Longer than both limits: PostgreSQL itself tells how long the other one has been waiting. Not through this
    // transaction, which would see the sessions as they were at its first look.
    await expect
      .poll(
        () =>
          sql`select from pg_stat_activity where datname = current_database() and wait_event = 'advisory' and query_start < clock_timestamp() - interval '600 ms'`,
        { timeout: 10_000 },
      )
      .toHaveLength(1)
    await tx`select pg_advisory_unlock(${MIGRATE_LOCK_KEY})`
    return { migrated }
  })
  await waiting.migrated
  // The limits of the connection are as they were.
  expect(await impatient`show statement_timeout`).toMatchObject([{ statement_timeout: '500ms' }])
  await impatient.end()
})

test('a failed migration leaves nothing behind, and the next start applies it', async () => {
  const { sql } = await emptyDatabase()
  const broken = { ...FILES, '0002_second.sql': 'create table half (id int); select 1 / 0' }
  await expect(migrate(sql, { dir: await migrationsDir(broken) })).rejects.toThrow(
    /0002_second\.sql failed.*division by zero/,
  )
  expect(await sql`select to_regclass('half') as half, to_regclass('things')::text as things`).toMatchObject([
    { half: null, things: 'things' },
  ])
  await migrate(sql, { dir: await migrationsDir() })
  expect(await sql`select name from schema_migrations`).toHaveLength(2)
})

test('a migration that changed after it was applied is refused by name', async () => {
  const { sql } = await emptyDatabase()
  await migrate(sql, { dir: await migrationsDir() })
  const changed = { ...FILES, '0001_first.sql': 'create table other (id int)' }
  await expect(migrate(sql, { dir: await migrationsDir(changed) })).rejects.toThrow(/0001_first\.sql was changed/)
})

test('different line endings are not a change of a migration', async () => {
  const { sql } = await emptyDatabase()
  await migrate(sql, { dir: await migrationsDir({ '0001_first.sql': 'create table a (\n  id int\n)' }) })
  await migrate(sql, { dir: await migrationsDir({ '0001_first.sql': 'create table a (\r\n  id int\r\n)' }) })
})

test('a database of a newer version is refused', async () => {
  const { sql } = await emptyDatabase()
  await migrate(sql, { dir: await migrationsDir() })
  const older = { '0001_first.sql': FILES['0001_first.sql'] }
  await expect(migrate(sql, { dir: await migrationsDir(older) })).rejects.toThrow(/newer.*0002_second\.sql/)
})

test('of two versions that start at once the newer one always comes up, and the older one before it or not at all', async () => {
  const older = await migrationsDir()
  const newer = await migrationsDir({ ...FILES, '0003_third.sql': 'alter table things drop column name' })
  for (let round = 0; round < 5; round++) {
    const { url, sql } = await emptyDatabase()
    const lines: string[] = []
    const log = (line: string) => void lines.push(line)
    const nodes = Array.from({ length: 4 }, () => connect(url, { max: 1 }))
    const starts = nodes.map((node, n) => migrate(node, { dir: n % 2 === 0 ? older : newer, log }))
    const [first, second, third, fourth] = await Promise.allSettled(starts)
    await Promise.all(nodes.map((node) => node.end()))
    expect([second!.status, fourth!.status]).toEqual(['fulfilled', 'fulfilled'])
    for (const start of [first!, third!])
      if (start.status === 'rejected') expect(String(start.reason)).toMatch(/newer than this Runyard.*0003_third\.sql/)
    expect(lines).toEqual(['migration 0001_first.sql', 'migration 0002_second.sql', 'migration 0003_third.sql'])
    expect(await sql`select name from schema_migrations`).toHaveLength(3)
  }
})

test('a migration with a number below an applied one is refused', async () => {
  const { sql } = await emptyDatabase()
  const { '0001_first.sql': first, '0002_second.sql': second } = FILES
  await migrate(sql, { dir: await migrationsDir({ '0001_first.sql': first, '0003_second.sql': second }) })
  const late = { '0001_first.sql': first, '0002_late.sql': 'select 1', '0003_second.sql': second }
  await expect(migrate(sql, { dir: await migrationsDir(late) })).rejects.toThrow(
    /0002_late\.sql comes before 0003_second\.sql/,
  )
})

test('migrations with the same number or a bad name are refused', async () => {
  await expect(readMigrations(await migrationsDir({ '0001_a.sql': '', '0001_b.sql': '' }))).rejects.toThrow(
    /same number/,
  )
  await expect(readMigrations(await migrationsDir({ '1_a.sql': '' }))).rejects.toThrow(/named like/)
})

test('a server older than PostgreSQL 15 is refused with its version', () => {
  expect(() => refuseOldVersion(140_011)).toThrow(/needs PostgreSQL 15 or later.*PostgreSQL 14\b/)
  expect(() => refuseOldVersion(150_000)).not.toThrow()
  expect(() => refuseOldVersion(180_004)).not.toThrow()
})

const ASCII = "encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'"

test('a new database in another encoding than UTF8 is refused with what to do, and nothing is created in it', async () => {
  const { sql } = await emptyDatabase(ASCII)
  await expect(migrate(sql, { dir: await migrationsDir() })).rejects.toThrow(
    /needs a database with the encoding UTF8, and runyard_test_\w+ has SQL_ASCII\. Create another one/,
  )
  expect(await sql`select tablename from pg_tables where schemaname = 'public'`).toEqual([])
})

test('an installation in another encoding than UTF8 is told so at every start, and comes up', async () => {
  const { sql } = await emptyDatabase(ASCII)
  await sql`create table run_states ()`
  const lines: string[] = []
  await migrate(sql, { dir: await migrationsDir(), log: (line) => void lines.push(line) })
  expect(lines[0]).toMatch(/has SQL_ASCII\. Requests with characters beyond ASCII may fail/)
})
