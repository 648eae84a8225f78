// The log of all runs and everything else, in an order that never changes afterwards: for the project feed, webhooks
// and seals.
import { LOG_BEGINNING, type Place } from '#core/log/seal.ts'
import type { Db } from '#postgres/sql.ts'
import { cutByBytes, eventColumns, type LogEvent, PAGE_BYTES_MAX } from './event-columns.sql.ts'

/** `readAt` spares the old partitions; without it every partition is looked at once. */
export type TailCursor = Place & { readAt?: Date }
export type TailEvent = LogEvent & { xid: string }

export type ReadTail = {
  after: TailCursor
  /** Absent: of all projects. */
  projectIds?: readonly string[]
  limit: number
  /** Events looked at in one read, whosever they are: a quiet project's reader has a busy one's events to pass. */
  scanMax?: number
  bytesMax?: number
}

const SCAN_MAX = 5_000

export type TailPage = {
  events: TailEvent[]
  /** Everything up to here was looked at. */
  next: TailCursor
  more: boolean
  /** There are committed events that an older transaction, still open, holds back: look again soon. */
  held: boolean
}

export async function readTail(sql: Db, read: ReadTail): Promise<TailPage> {
  const { after, projectIds, limit, scanMax = projectIds ? SCAN_MAX : limit, bytesMax = PAGE_BYTES_MAX } = read
  // A transaction may stay open between taking its id and its commit, but not for a day: the server ends it.
  const recent = after.readAt
    ? sql`and recorded_at >= ${after.readAt.toISOString()}::timestamptz - interval '1 day'`
    : sql``
  // Positions are handed out before commit, so a slow transaction can commit position 7 after 8 was read. Ordering by
  // transaction, and stopping below the oldest one still open, no reader can skip an event. The price: one long write
  // transaction, in any database of this server, holds everybody's tail back. So transactions stay short.
  const rows = await sql<Row[]>`
    with seen as materialized (
      select *, row_number() over (order by xid, position) as nth
      from (
        select * from events
        where (xid, position) > (${after.xid}::text::xid8, ${after.position}::bigint)
          and xid < log_xid(pg_snapshot_xmin(pg_current_snapshot())) ${recent}
        order by xid, position limit ${scanMax}::int
      ) scanned
    ), found as materialized (
      select ${eventColumns(sql)}, xid, nth from seen
      ${projectIds ? sql`where project_id = any(${projectIds as string[]}::text[])` : sql``}
      order by xid, position limit ${limit}::int
    ), page as (${cutByBytes(sql, 'xid, position', bytesMax)}), head as materialized (
      select
        clock_timestamp() as read_at,
        last.xid::text as last_xid,
        last.position as last_position,
        last.recorded_at as last_recorded_at,
        coalesce(last.nth, 0)::int as seen_count,
        coalesce(newest.xid >= log_xid(pg_snapshot_xmin(pg_current_snapshot())), false) as held,
        newest.xid::text as newest_xid,
        newest.position as newest_position,
        coalesce(
          (newest.xid, newest.position) < (${after.xid}::text::xid8, ${after.position}::bigint),
          false
        ) as is_beyond
      from (select) one
      left join (select xid, position, recorded_at, nth from seen order by nth desc limit 1) last on true
      -- In the order of the index, so that it is one step into it.
      left join (select xid, position from events where true ${recent} order by xid desc, position desc limit 1) newest
        on true
    )
    select head.*, page.*, page.xid::text as xid
    from head
    left join page on true
    order by page.nth`
  return pageOf(rows, read, scanMax)
}

type HeadRow = {
  read_at: Date
  last_xid: string | null
  last_position: number | null
  last_recorded_at: Date | null
  seen_count: number
  held: boolean
  newest_xid: string | null
  newest_position: number | null
  is_beyond: boolean
}
type FoundRow = TailEvent & {
  foundCount: number
  bytesBefore: string | null
  stored_before: string | null
  nth: number
}
type Row = HeadRow & (FoundRow | { foundCount: null })

function pageOf(rows: readonly Row[], { after, limit }: ReadTail, scanMax: number): TailPage {
  const head = rows[0]!
  const { foundCount, held } = head
  const events = rows.flatMap((row) => (row.foundCount === null ? [] : [eventOf(row)]))
  const last = events.at(-1)
  if (last && (foundCount === limit || events.length < (foundCount ?? 0))) {
    return { events, next: { xid: last.xid, position: last.position, readAt: last.recordedAt }, more: true, held }
  }
  const seen = head.seen_count > 0 ? { xid: head.last_xid!, position: head.last_position! } : undefined
  if (seen && head.seen_count === scanMax) {
    return { events, next: { ...seen, readAt: head.last_recorded_at! }, more: true, held }
  }
  return { events, next: { ...(seen ?? placeOf(after, head)), readAt: head.read_at }, more: false, held }
}

/**
 * Where a reader stays that found nothing. A place is always that of an event, never that of the oldest open
 * transaction: what was committed survives a crash of the server, and ids of transactions that never reached the disk
 * are given out again. A place behind the newest event is one of a log that was lost, by a failover to a server that
 * lagged or by restoring a copy: there is nothing up to it but what was read.
 */
function placeOf({ xid, position }: TailCursor, { held, is_beyond, newest_xid, newest_position }: HeadRow): Place {
  return is_beyond && !held ? { xid: newest_xid!, position: newest_position! } : { xid, position }
}

function eventOf(row: HeadRow & FoundRow): TailEvent {
  const {
    read_at: _a,
    last_xid: _b,
    last_position: _c,
    last_recorded_at: _d,
    seen_count: _e,
    held: _f,
    newest_xid: _g,
    newest_position: _h,
    is_beyond: _i,
    ...found
  } = row
  const { foundCount: _j, bytesBefore: _k, stored_before: _l, nth: _m, ...event } = found
  return event
}

/** Where a reader begins that wants only what comes from now on: at the newest event that nothing can come before. */
export async function readTailEnd(sql: Db): Promise<TailCursor & { readAt: Date }> {
  const [end] = await sql<{ xid: string | null; position: number | null; readAt: Date }[]>`
    select newest.xid::text as xid, newest.position, clock_timestamp() as "readAt" from (select) one
    left join (
      select xid, position from events where xid < log_xid(pg_snapshot_xmin(pg_current_snapshot()))
      order by xid desc, position desc limit 1) newest on true`
  const { xid, position, readAt } = end!
  return { xid: xid ?? LOG_BEGINNING.xid, position: position ?? LOG_BEGINNING.position, readAt }
}
