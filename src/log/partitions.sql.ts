// The log and its deltas are cut by time: partitions are made ahead, and retention drops whole ones. There is no
// default partition, since one that has rows blocks the making of the partition that they belong to.
import type { Db, Sql } from '#postgres/sql.ts'
import { uncountPartition } from './counts/fold-counts.sql.ts'

export const PARTITIONED = {
  /** A year of weeks stays well below the few hundred partitions that planning bears. */
  events: { days: 7, ahead: 3 },
  deltas: { days: 1, ahead: 4 },
} as const
export type Partitioned = keyof typeof PARTITIONED

const DAY_MS = 86_400_000
/** A Monday, from which the cuts of every table are counted. */
const EPOCH_MS = Date.UTC(2024, 0, 1)

type Partition = { name: string; from: Date; to: Date }

function partitionAt(table: Partitioned, atMs: number): Partition {
  const lengthMs = PARTITIONED[table].days * DAY_MS
  const fromMs = EPOCH_MS + Math.floor((atMs - EPOCH_MS) / lengthMs) * lengthMs
  const from = new Date(fromMs)
  return {
    name: `${table}_${from.toISOString().slice(0, 10).replaceAll('-', '')}`,
    from,
    to: new Date(fromMs + lengthMs),
  }
}

/** Makes the partitions of now and of the time ahead. Safe on every node at once. Returns the names of new ones. */
export async function makePartitions(sql: Sql): Promise<string[]> {
  // "if not exists" alone does not keep two nodes from making the same table in the same moment.
  const made = await sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(hashtextextended('partitions', 3))`
    return makeMissing(tx)
  })
  return made as string[]
}

async function makeMissing(tx: Db): Promise<string[]> {
  const made: string[] = []
  const [clock] = await tx<{ now: Date }[]>`select now() as now`
  for (const table of Object.keys(PARTITIONED) as Partitioned[]) {
    const { days, ahead } = PARTITIONED[table]
    const existing = new Set((await readPartitions(tx, table)).map((partition) => partition.name))
    for (let step = 0; step <= ahead; step++) {
      const { name, from, to } = partitionAt(table, clock!.now.getTime() + step * days * DAY_MS)
      if (existing.has(name)) continue
      await tx.unsafe(
        `create table ${name} partition of ${table}
         for values from ('${from.toISOString()}') to ('${to.toISOString()}')`,
      )
      made.push(name)
    }
  }
  return made
}

/** The partitions of a table, oldest first. */
export async function readPartitions(sql: Db, table: Partitioned): Promise<Partition[]> {
  const rows = await sql<{ name: string }[]>`
    select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = ${table}::regclass order by c.relname`
  return rows.map(({ name }) => {
    const day = name.slice(-8)
    return partitionAt(table, Date.UTC(Number(day.slice(0, 4)), Number(day.slice(4, 6)) - 1, Number(day.slice(6))))
  })
}

/** Drops the partitions that end before `olderThanDays` ago. Returns their names. */
export async function dropPartitions(sql: Sql, table: Partitioned, olderThanDays: number): Promise<string[]> {
  const [clock] = await sql<{ now: Date }[]>`select now() as now`
  const before = clock!.now.getTime() - olderThanDays * DAY_MS
  const old = (await readPartitions(sql, table)).filter((partition) => partition.to.getTime() <= before)
  for (const { name } of old) {
    await sql.begin(async (tx) => {
      // A week of events takes longer to count than any request may.
      await tx.unsafe('set local statement_timeout = 0')
      if (table === 'events') await uncountPartition(tx, name)
      await tx.unsafe(`drop table if exists ${name}`)
    })
  }
  return old.map((partition) => partition.name)
}
