// A database brought to another server, by each of the ways that there are.
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { expect } from 'vitest'
import { makePartitions } from '#log/partitions.sql.ts'
import { runProgram } from '#postgres/embedded/program.ts'
import { migrate } from '#postgres/migrate.ts'
import { connect, type Sql } from '#postgres/sql.ts'
import type { OwnServer } from './own-server.ts'

export type Restore = (from: OwnServer, to: OwnServer) => Promise<{ restore(): Promise<void> }>

/** As an operator does it. What is dumped is what `restore` brings. */
export const byDump: Restore = async (from, to) => {
  const { binaries, account, folder } = from
  const file = `${folder}.dump`
  const run = async (program: string, args: string[]) => {
    const { ok, output } = await runProgram(join(binaries.folder, 'bin', program), args, account)
    expect([program, ok, output]).toEqual([program, true, expect.anything()])
  }
  await run('pg_dump', ['--format=custom', `--file=${file}`, from.url()])
  return { restore: () => run('pg_restore', ['--no-owner', `--dbname=${to.url()}`, file]) }
}

/** Row by row into a schema that our migrations made, for servers that bring no pg_dump. */
export const byCopy: Restore = async (from, to) => {
  const sql = connect(from.url(), { max: 1 })
  const dump = await sql
    .begin('isolation level repeatable read read only', (tx) => readAll(tx as unknown as Sql))
    .finally(() => sql.end({ timeout: 1 }))
  return {
    async restore() {
      const target = connect(to.url(), { max: 1 })
      await migrate(target)
      await makePartitions(target)
      await target.begin((tx) => writeAll(tx as unknown as Sql, dump)).finally(() => target.end({ timeout: 1 }))
    },
  }
}

type Dump = { tables: { name: string; columns: string; rows: Buffer }[]; sequences: { name: string; value: string }[] }

async function readAll(sql: Sql): Promise<Dump> {
  // Without columns that the server generates itself: none may be copied in.
  const names = await sql<{ name: string; columns: string }[]>`
    select relname as name, (
      select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
      where attrelid = pg_class.oid and attnum > 0 and not attisdropped and attgenerated = ''
    ) as columns
    from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition and relname <> 'schema_migrations'`
  const tables: Dump['tables'] = []
  for (const { name, columns } of names) {
    const readable = await sql.unsafe(`copy (select ${columns} from ${name}) to stdout`).readable()
    tables.push({ name, columns, rows: Buffer.concat(await readable.toArray()) })
  }
  const sequences = await sql<{ name: string; value: string }[]>`
    select sequencename as name, last_value::text as value from pg_sequences where last_value is not null`
  return { tables, sequences: [...sequences] }
}

async function writeAll(sql: Sql, { tables, sequences }: Dump): Promise<void> {
  await sql.unsafe(`set local session_replication_role = replica`)
  await sql.unsafe(`truncate ${tables.map((table) => table.name).join()}`)
  for (const { name, columns, rows } of tables) {
    const writable = await sql.unsafe(`copy ${name} (${columns}) from stdin`).writable()
    await pipeline([rows], writable)
  }
  for (const { name, value } of sequences) await sql`select setval(${name}::regclass, ${value}::text::bigint)`
}
