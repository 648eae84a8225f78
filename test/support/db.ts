// A database for one test: cloned from a migrated template, dropped when the test ends.

import { createHash, randomUUID } from 'node:crypto'
import type postgres from 'postgres'
import { afterAll, expect, inject, onTestFinished } from 'vitest'
import { migrate, readMigrations } from '#postgres/migrate.ts'
import { connect } from '#postgres/sql.ts'

export type TestDatabase = { sql: postgres.Sql; url: string }

// Any number that nothing else on the admin database takes.
const TEMPLATE_LOCK_KEY = 7_236_110_466

/** For one test: call it in the test or in beforeEach. */
export async function testDatabase(): Promise<TestDatabase> {
  const { drop, ...database } = await makeDatabase(await builtTemplate())
  onTestFinished(drop)
  return database
}

/** For all tests of a file or of a `describe`: call it, and await it, outside of tests and hooks. */
export async function suiteDatabase(): Promise<TestDatabase> {
  const { drop, ...database } = await makeDatabase(await builtTemplate())
  afterAll(drop)
  return database
}

/** For one test, with no schema in it. `options` are those of CREATE DATABASE. */
export async function emptyDatabase(options = ''): Promise<TestDatabase> {
  const { drop, ...database } = await makeDatabase('template0', options)
  onTestFinished(drop)
  return database
}

/** Until somebody in this test's database waits for a lock: other tests of the same server wait for theirs. */
export async function awaitBlocked(sql: postgres.Sql, count = 1): Promise<void> {
  const blocked = () =>
    sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  await expect
    .poll(async () => (await blocked()).length, { timeout: 10_000, interval: 20 })
    .toBeGreaterThanOrEqual(count)
}

/** Until all that was written is before the tail's end: any transaction of the server, and other tests have theirs, may hold it back. */
export async function awaitTail(sql: postgres.Sql): Promise<void> {
  const held = () => sql`select from events where xid >= log_xid(pg_snapshot_xmin(pg_current_snapshot())) limit 1`
  await expect.poll(async () => (await held()).length, { timeout: 10_000, interval: 20 }).toBe(0)
}

/** The columns that a copy of a row is written with, as a list for a statement: all but the generated ones. */
export async function writtenColumns(sql: postgres.Sql, table: string): Promise<string> {
  const [row] = await sql<{ columns: string }[]>`
    select string_agg(quote_ident(attname), ', ' order by attnum) as columns
    from pg_attribute
    where attrelid = ${table}::regclass and attnum > 0 and attgenerated = '' and not attisdropped`
  return row!.columns
}

async function makeDatabase(template: string, options = ''): Promise<TestDatabase & { drop: () => Promise<void> }> {
  const name = `runyard_test_${randomUUID().replaceAll('-', '')}`
  // Copying files is ten times as fast as writing the copy to the log, which is what PostgreSQL does by default.
  await asAdmin((admin) => admin.unsafe(`create database ${name} template ${template} strategy file_copy ${options}`))
  const url = urlOf(name)
  const sql = connect(url, { name: 'runyard-test' })
  return {
    sql,
    url,
    async drop() {
      await sql.end({ timeout: 1 }) // Bounded: a test that failed inside a transaction must not hang.
      await asAdmin((admin) => admin.unsafe(`drop database if exists ${name} with (force)`))
    },
  }
}

let template: Promise<string> | undefined

/** Named after the migrations' content: built once, shared by all workers, and never stale. */
function builtTemplate(): Promise<string> {
  template ??= asAdmin(async (admin) => {
    const sums = (await readMigrations()).map(({ name, checksum }) => name + checksum)
    const name = `runyard_template_${createHash('sha256').update(sums.join()).digest('hex').slice(0, 16)}`
    await admin.unsafe('set lock_timeout = 0') // Another worker may be building it.
    await admin`select pg_advisory_lock(${TEMPLATE_LOCK_KEY})` // Not a transaction: create database refuses to run in one.
    const [built] = await admin`select from pg_database where datname = ${name}`
    if (!built) await buildTemplate(admin, name)
    return name
  })
  return template
}

/** The template gets its name when it is complete, and then lets nobody connect: a database in use cannot be cloned. */
async function buildTemplate(admin: postgres.Sql, name: string): Promise<void> {
  const unfinished = `${name}_unfinished`
  await admin.unsafe(`drop database if exists ${unfinished} with (force)`)
  await admin.unsafe(`create database ${unfinished} template template0`)
  const sql = connect(urlOf(unfinished), { max: 1, name: 'runyard-test' })
  await migrate(sql).finally(() => sql.end({ timeout: 1 }))
  await admin.unsafe(`alter database ${unfinished} with allow_connections false`)
  await admin.unsafe(`alter database ${unfinished} rename to ${name}`)
}

/** With a connection of its own: what it locks is let go of when it ends. */
async function asAdmin<T>(work: (admin: postgres.Sql) => Promise<T>): Promise<T> {
  const admin = connect(inject('adminUrl'), { max: 1, name: 'runyard-test', statementTimeoutMs: 0 })
  return work(admin).finally(() => admin.end({ timeout: 1 }))
}

function urlOf(database: string): string {
  const url = new URL(inject('adminUrl'))
  url.pathname = `/${database}`
  return url.href
}
