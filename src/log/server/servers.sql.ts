// The servers on which the log was, and what the one that it is on calls itself.
import type { Place } from '#core/log/seal.ts'
import { readSystem } from '#postgres/hosts/system.ts'
import type { Db } from '#postgres/sql.ts'

/** `system` is undefined where the server does not tell. `base`: by how much the database raises transaction ids. */
export type Server = { system: string | undefined; timeline: string | undefined; base: bigint }
export type KnownServer = { number: number; system: string | null; timeline: string | null; base: bigint }

export async function readServer(sql: Db): Promise<Server> {
  const { system, timeline } = await readSystem(sql)
  const [row] = await sql<{ base: string }[]>`select log_xid('0')::text as base`
  return { system, timeline, base: BigInt(row!.base) }
}

/** Where the log was last; undefined before it was anywhere. */
export async function findLogServer(sql: Db): Promise<KnownServer | undefined> {
  const [row] = await sql<(Omit<KnownServer, 'base'> & { base: string })[]>`
    select number, system, timeline, base::text as base from log_servers order by number desc limit 1`
  return row && { ...row, base: BigInt(row.base) }
}

/** Nobody appends or seals until the transaction has ended. */
export async function lockLog(tx: Db): Promise<void> {
  await tx`select pg_advisory_xact_lock(hashtextextended('sealer', 5))`
  await tx.unsafe('lock table events in share row exclusive mode')
}

/** The newest event, the highest number in use, and whether that is of a transaction that this server has not begun. */
export async function readLogEnd(sql: Db): Promise<{ last: Place; highest: bigint; ahead: boolean }> {
  const [row] = await sql<{ xid: string; position: number; highest: string; ahead: boolean }[]>`
    with last as (select xid, position from events order by xid desc, position desc limit 1)
    select coalesce(last.xid, '0')::text as xid, coalesce(last.position, 0) as position,
      greatest(last.xid, sealed.xid)::text as highest,
      greatest(last.xid, sealed.xid) >= log_xid(pg_snapshot_xmax(pg_current_snapshot())) as ahead
    from sealed_log sealed left join last on true`
  return { last: { xid: row!.xid, position: row!.position }, highest: BigInt(row!.highest), ahead: row!.ahead }
}

export async function insertLogServer(sql: Db, { system, timeline, base }: Server, last: Place): Promise<void> {
  await sql`
    insert into log_servers (
      number,
      system,
      timeline,
      base,
      last_xid,
      last_position
    )
    select
      coalesce(max(number), 0) + 1,
      ${system ?? null}::text,
      ${timeline ?? null}::text,
      ${base.toString()}::text::bigint,
      ${last.xid}::text::xid8,
      ${last.position}::bigint
    from log_servers`
}

/** From now on transactions of this server have numbers from `base` on. The log is locked. */
export async function renumberFrom(tx: Db, base: bigint): Promise<void> {
  // DDL takes no parameters; a bigint is safe in any text.
  await tx.unsafe(`
    create or replace function log_xid(id xid8) returns xid8 language sql stable parallel safe
    as 'select (id::text::bigint + ${base})::text::xid8'`)
}

export const readProjectIds = async (sql: Db): Promise<string[]> =>
  (await sql<{ id: string }[]>`select id from projects order by id`).map((row) => row.id)

/** A place in the write-ahead log, as PostgreSQL writes it, and the timeline that it is on. */
export type WalEnd = { lsn: string; timeline: string }

export async function readWalEnd(sql: Db): Promise<WalEnd> {
  const [row] = await sql<WalEnd[]>`
    select lsn::text as lsn, left(pg_walfile_name(lsn), 8) as timeline from pg_current_wal_insert_lsn() as lsn`
  return row!
}

/** A commit of its own, acknowledged as any other is. */
export async function commitMark(sql: Db): Promise<{ timeline: string }> {
  const [row] = await sql<{ timeline: string }[]>`
    select
      left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) as timeline,
      pg_logical_emit_message(true, 'runyard', '')`
  return row!
}

/** By how much a server that was promoted since then has less; undefined where it has all, or was not promoted. */
export async function readMissing(
  sql: Db,
  { lsn, timeline }: WalEnd,
): Promise<{ bytes: number; recovered: string } | undefined> {
  const [row] = await sql<{ bytes: number; recovered: string }[]>`
    select pg_wal_lsn_diff(${lsn}::text::pg_lsn, recovered)::float8 as bytes, recovered::text as recovered
    from pg_last_wal_replay_lsn() as recovered
    where not pg_is_in_recovery()
      and left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) <> ${timeline}
      and recovered < ${lsn}::text::pg_lsn`
  return row
}
