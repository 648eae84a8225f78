// The servers on which the log was, and what the one that it is on calls itself.
import type { Place } from '#core/log/seal.ts'
import type { Db } from '#postgres/sql.ts'

/** `system` is undefined where the server does not tell. `base`: by how much the database raises transaction ids. */
export type Server = { system: string | undefined; timeline: string | undefined; base: bigint }
export type KnownServer = { number: number; system: string | null; timeline: string | null; base: bigint }

/** Errors of a connection or a server pass; any other means that a managed server lacks it or does not let us ask. */
const PASSES = /^(?:08|25|40|53|57|58)/

export async function readServer(sql: Db): Promise<Server> {
  const [system, timeline] = [
    await told(sql<{ it: string }[]>`select system_identifier::text as it from pg_control_system()`),
    await told(sql<{ it: string }[]>`select left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) as it`),
  ]
  const [row] = await sql<{ base: string }[]>`select log_xid('0')::text as base`
  return { system, timeline, base: BigInt(row!.base) }
}

async function told(asked: PromiseLike<readonly { it: string }[]>): Promise<string | undefined> {
  try {
    return (await asked)[0]?.it
  } catch (error) {
    const { code = '' } = error as { code?: string }
    if (!/^(?:\d|XX)[0-9A-Z]{3,4}$/.test(code) || PASSES.test(code)) throw error
    return undefined
  }
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
