// The chains of seals, and how far the log is sealed.
import type { Place, Seal } from '#core/log/seal.ts'
import { rowsOf } from '#postgres/rows.ts'
import type { Db, Fragment } from '#postgres/sql.ts'

/** A time of a seal: it is hashed as it is written here. */
export const microseconds = (sql: Db, at: Fragment): Fragment =>
  sql`to_char(${at} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

const columns = (sql: Db) => sql`
  project_id as "projectId",
  number,
  after_xid::text as "afterXid",
  after_position as "afterPosition",
  until_xid::text as "untilXid",
  until_position as "untilPosition",
  events,
  ${microseconds(sql, sql`recorded_from`)} as "recordedFrom",
  ${microseconds(sql, sql`recorded_until`)} as "recordedUntil",
  encode(digest, 'hex') as digest,
  ${microseconds(sql, sql`sealed_at`)} as "sealedAt",
  encode(previous, 'hex') as previous,
  encode(hash, 'hex') as hash`

type Row = Omit<Seal, 'after' | 'until'> & {
  afterXid: string
  afterPosition: number
  untilXid: string
  untilPosition: number
}

const sealOf = ({ afterXid, afterPosition, untilXid, untilPosition, ...rest }: Row): Seal => ({
  ...rest,
  after: { xid: afterXid, position: afterPosition },
  until: { xid: untilXid, position: untilPosition },
})

/** `ahead`: the seals are of a server whose transactions this one has not reached. */
export type SealedLog = Place & { ahead: boolean }

/** Undefined while another transaction holds it. */
export async function lockSealedLog(tx: Db): Promise<SealedLog | undefined> {
  // No lock on the row, for which this transaction would be given an id, and while that is open nobody's tail gets
  // beyond it: hashing takes a while. And two statements, since the second has to see what the last holder committed.
  const [lock] = await tx<{ locked: boolean }[]>`
    select pg_try_advisory_xact_lock(hashtextextended('sealer', 5)) as locked`
  if (!lock!.locked) return undefined
  const [row] = await tx<SealedLog[]>`
    select xid::text, position, xid >= log_xid(pg_snapshot_xmax(pg_current_snapshot())) as ahead from sealed_log`
  return row!
}

/** Adds seals to their chains, and moves on to where their windows end. */
export async function insertSeals(sql: Db, seals: readonly Seal[], until: Place): Promise<void> {
  await sql`
    with moved as (
      update sealed_log set xid = ${until.xid}::text::xid8, position = ${until.position}::bigint
    )
    insert into seals (
      project_id,
      number,
      after_xid,
      after_position,
      until_xid,
      until_position,
      events,
      recorded_from,
      recorded_until,
      digest,
      previous,
      hash,
      sealed_at
    )
    select
      project_id,
      number,
      after_xid::xid8,
      after_position,
      until_xid::xid8,
      until_position,
      events,
      recorded_from,
      recorded_until,
      decode(digest, 'hex'),
      decode(previous, 'hex'),
      decode(hash, 'hex'),
      sealed_at
    from ${rowsOf(sql, seals, {
      'project_id text': (it) => it.projectId,
      'number bigint': (it) => it.number,
      'after_xid text': (it) => it.after.xid,
      'after_position bigint': (it) => it.after.position,
      'until_xid text': (it) => it.until.xid,
      'until_position bigint': (it) => it.until.position,
      'events int': (it) => it.events,
      'recorded_from timestamptz': (it) => it.recordedFrom,
      'recorded_until timestamptz': (it) => it.recordedUntil,
      'digest text': (it) => it.digest,
      'previous text': (it) => it.previous,
      'hash text': (it) => it.hash,
      'sealed_at timestamptz': (it) => it.sealedAt,
    })}`
}

/** The newest seals of these projects, or of all that there are. */
export async function readHeads(sql: Db, projectIds: readonly string[] | 'all'): Promise<Seal[]> {
  const projects =
    projectIds === 'all' ? sql`select id from projects` : sql`select unnest(${projectIds as string[]}::text[]) as id`
  const rows = await sql<Row[]>`
    select head.* from (${projects}) p
    cross join lateral (select ${columns(sql)} from seals where project_id = p.id order by number desc limit 1) head`
  return rows.map(sealOf)
}

/** The newest seal of a project and how far the log was sealed at the same moment. */
export async function findHead(sql: Db, projectId: string): Promise<{ head: Seal | undefined; sealed: Place }> {
  const [row] = await sql<(Row & { logXid: string; logPosition: number })[]>`
    select head.*, l.xid::text as "logXid", l.position as "logPosition"
    from sealed_log l
    left join lateral (
      select ${columns(sql)} from seals where project_id = ${projectId} order by number desc limit 1
    ) head on true`
  const { logXid, logPosition, ...head } = row!
  return { head: head.number === null ? undefined : sealOf(head), sealed: { xid: logXid, position: logPosition } }
}

export async function findSeal(sql: Db, projectId: string, number: number): Promise<Seal | undefined> {
  const [row] = await sql<Row[]>`
    select ${columns(sql)} from seals where project_id = ${projectId} and number = ${number}::bigint`
  return row && sealOf(row)
}

/** In the order of the chain. */
export async function readSeals(
  sql: Db,
  { projectId, after, limit }: { projectId: string; after: number; limit: number },
): Promise<Seal[]> {
  const rows = await sql<Row[]>`
    select ${columns(sql)} from seals where project_id = ${projectId} and number > ${after}::bigint
    order by number limit ${limit}::int`
  return rows.map(sealOf)
}

/** Newest first. */
export async function listSeals(
  sql: Db,
  { projectId, before, limit }: { projectId: string; before: number; limit: number },
): Promise<Seal[]> {
  const rows = await sql<Row[]>`
    select ${columns(sql)} from seals where project_id = ${projectId} and number < ${before}::bigint
    order by number desc limit ${limit}::int`
  return rows.map(sealOf)
}

/** The first seal that may cover an event recorded at this time or later: none covers one that it is older than. */
export async function findFirstSealSince(sql: Db, projectId: string, from: Date): Promise<Seal | undefined> {
  const [row] = await sql<Row[]>`
    select ${columns(sql)} from seals
    where project_id = ${projectId} and sealed_at >= ${from.toISOString()}::timestamptz
    order by sealed_at, number limit 1`
  return row && sealOf(row)
}

/** The first seal of which all events were recorded at this time or later. */
export async function findFirstSealBeyond(sql: Db, projectId: string, to: Date): Promise<Seal | undefined> {
  const [row] = await sql<Row[]>`
    select ${columns(sql)} from seals
    where project_id = ${projectId}
      and sealed_at >= ${to.toISOString()}::timestamptz
      and recorded_from >= ${to.toISOString()}::timestamptz
    order by sealed_at, number limit 1`
  return row && sealOf(row)
}

/** The number of the last seal among these that has events recorded before this time; 0 without any. */
export async function findLastSealBefore(
  sql: Db,
  { projectId, after, until, recorded }: { projectId: string; after: number; until: number; recorded: Date },
): Promise<number> {
  const [row] = await sql<{ number: number | null }[]>`
    select max(number) as number from seals
    where project_id = ${projectId}
      and number > ${after}::bigint
      and number <= ${until}::bigint
      and recorded_from < ${recorded.toISOString()}::timestamptz`
  return row?.number ?? 0
}
