// How far the log's readers are behind it, and whose transaction it is that they wait for.
import type { Db } from '#postgres/sql.ts'

/** In milliseconds; 0 when nothing waits. */
export type LogLag = {
  /** The age of the oldest committed event that no feed may tell yet. */
  tailMs: number
  /** The age of the oldest event that is not sealed; of the last one that is, where the log is ahead of its server. */
  sealsMs: number
}

export async function readLogLag(sql: Db): Promise<LogLag> {
  // An event numbered by a transaction yet to come waits for nobody: it was written by hand, and verification finds it.
  const [row] = await sql<LogLag[]>`
    select
      coalesce(extract(epoch from clock_timestamp() - held.recorded_at) * 1000, 0)::float8 as "tailMs",
      coalesce(extract(epoch from clock_timestamp() - unsealed.recorded_at) * 1000, 0)::float8 as "sealsMs"
    from (
      select
        log_xid(pg_snapshot_xmin(pg_current_snapshot())) as low,
        log_xid(pg_snapshot_xmax(pg_current_snapshot())) as high
    ) open
    cross join sealed_log s
    left join lateral (
      select recorded_at from events where xid >= open.low and xid < open.high order by xid, position limit 1
    ) held on true
    left join lateral (
      select recorded_at from events e
      where (s.xid < open.high and (e.xid, e.position) > (s.xid, s.position) and e.xid < open.high)
      order by e.xid, e.position limit 1
    ) waiting on true
    left join lateral (
      select recorded_at from events e
      where s.xid >= open.high and e.xid <= s.xid
      order by e.xid desc, e.position desc limit 1
    ) ahead on true
    cross join lateral (select coalesce(waiting.recorded_at, ahead.recorded_at) as recorded_at) unsealed`
  return { tailMs: Math.max(0, row!.tailMs), sealsMs: Math.max(0, row!.sealsMs) }
}

/**
 * Null is what the server does not know, or does not tell our role. `prepared`: the name of a transaction that waits to
 * be committed in two phases.
 */
export type Holder = {
  pid: number | null
  user: string | null
  database: string | null
  application: string | null
  client: string | null
  state: string | null
  openSecs: number | null
  prepared: string | null
}

/** Whose transaction is the oldest one that may still write, in any database of the server. */
export async function findHolder(sql: Db): Promise<Holder | undefined> {
  // Everybody may see who holds which id; of what a session does, others see less.
  const [row] = await sql<Holder[]>`
    select
      l.pid,
      coalesce(a.usename, p.owner) as "user",
      coalesce(a.datname, p.database) as database,
      a.application_name as application,
      host(a.client_addr) as client,
      a.state,
      extract(epoch from clock_timestamp() - coalesce(a.xact_start, p.prepared))::int as "openSecs",
      p.gid as prepared
    from (select pg_snapshot_xmin(pg_current_snapshot())::xid as id) oldest
    join pg_locks l on l.locktype = 'transactionid' and l.granted and l.transactionid = oldest.id
    left join pg_stat_activity a on a.pid = l.pid
    left join pg_prepared_xacts p on p.transaction = oldest.id
    limit 1`
  return row
}
