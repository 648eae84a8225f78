// The log as seals see it: what waits to be sealed, what a window holds now, and the lines of its events.
import { type Place, WINDOW_BYTES_MAX, WINDOW_EVENTS_MAX } from '#core/log/seal.ts'
import { orderedRowsOf } from '#postgres/rows.ts'
import type { Db, Fragment } from '#postgres/sql.ts'
import { PAGE_BYTES_MAX, storedSize } from '../event-columns.sql.ts'
import { eventHash, eventLine } from './event-line.sql.ts'
import { microseconds } from './seals.sql.ts'

// A transaction below the oldest one still open has ended, so nothing is ever added below it (log/tail.sql.ts). Asked
// in the very statement that reads: an older answer would be too low, which is harmless; a younger one too high.
const unchangeable = (sql: Db) => sql`xid < log_xid(pg_snapshot_xmin(pg_current_snapshot()))`

const isAfter = (sql: Db, { xid, position }: Place) => sql`(xid, position) > (${xid}::text::xid8, ${position}::bigint)`

/** What of an event may be long. */
const SIZED = ['data', 'parsed_data', 'message'] as const

/** The next events of the log, of all projects, bounded by their number and their stored size. */
const slice = (sql: Db, { where, limit, bytesMax }: { where: Fragment; limit: number; bytesMax: number }) => sql`
  select * from (
    select
      *,
      sum(${sql.unsafe(SIZED.map((name) => `coalesce(${storedSize(name)}, 0)`).join(' + '))})
        over (order by xid, position rows between unbounded preceding and 1 preceding) as stored_before
    from (select * from events where ${where} order by xid, position limit ${limit}::int) counted
  ) measured
  where coalesce(stored_before, 0) < ${bytesMax}`

/** How many events could be sealed, up to those of one window, and the age of the oldest of them; null without any. */
export async function measureUnsealed(sql: Db, after: Place): Promise<{ events: number; oldestAgeMs: number | null }> {
  const [row] = await sql<{ events: number; oldestAgeMs: number | null }[]>`
    select
      count(*)::int as events,
      (extract(epoch from clock_timestamp() - min(recorded_at)) * 1000)::float8 as "oldestAgeMs"
    from (
      select recorded_at from events
      where ${isAfter(sql, after)} and ${unchangeable(sql)}
      order by xid, position limit ${WINDOW_EVENTS_MAX}
    ) waiting`
  return row!
}

export type UnsealedWindow = {
  projectId: string
  events: number
  digest: string
  recordedFrom: string
  recordedUntil: string
}

/** What is to be sealed next: hashed, one window for each project with events in it, and where they end. */
export async function readUnsealed(
  sql: Db,
  after: Place,
): Promise<{ windows: UnsealedWindow[]; until: Place; sealedAt: string } | undefined> {
  const next = slice(sql, {
    where: sql`${isAfter(sql, after)} and ${unchangeable(sql)}`,
    limit: WINDOW_EVENTS_MAX,
    bytesMax: WINDOW_BYTES_MAX,
  })
  const rows = await sql<(UnsealedWindow & { xid: string; position: number; sealedAt: string })[]>`
    with slice as materialized (${next}), last as (
      select xid::text as xid, position from slice order by slice.xid desc, position desc limit 1
    )
    select w.*, last.xid, last.position, ${microseconds(sql, sql`clock_timestamp()`)} as "sealedAt"
    from last
    cross join (
      select
        project_id as "projectId",
        count(*)::int as events,
        encode(sha256(string_agg(${eventHash(sql)}, ''::bytea order by xid, position)), 'hex') as digest,
        ${microseconds(sql, sql`min(recorded_at)`)} as "recordedFrom",
        ${microseconds(sql, sql`max(recorded_at)`)} as "recordedUntil"
      from slice
      group by project_id
    ) w`
  const [first] = rows
  if (!first) return undefined
  return {
    windows: rows.map(({ xid: _, position: __, sealedAt: ___, ...window }) => window),
    until: { xid: first.xid, position: first.position },
    // Read after the events, so that no seal is older than an event that it covers: see findFirstSealSince.
    sealedAt: first.sealedAt,
  }
}

export type Span = { after: Place; until: Place }
/** `hashes`: those of the project's events, one after the other. `next`: where it stopped, when that is not the end. */
export type HashedSpan = { hashes: Buffer; events: number; scanned: number; next: Place | undefined }

/** The hashes of a project's events in each of these spans, of which up to `scanMax` events are looked at. */
export async function hashSpans(
  sql: Db,
  { projectId, spans, scanMax }: { projectId: string; spans: readonly Span[]; scanMax: number },
): Promise<HashedSpan[]> {
  // The aggregates take the events in the order of the subquery; to order them again would cost a tenth.
  const rows = await sql<Row[]>`
    select found.* from ${orderedRowsOf(
      sql,
      spans,
      {
        'after_xid text': (it) => it.after.xid,
        'after_position bigint': (it) => it.after.position,
        'until_xid text': (it) => it.until.xid,
        'until_position bigint': (it) => it.until.position,
      },
      'span',
    )}
    cross join lateral (
      select
        coalesce(string_agg(${eventHash(sql)}, ''::bytea) filter (where project_id = ${projectId}), '') as hashes,
        count(*) filter (where project_id = ${projectId})::int as events,
        count(*)::int as scanned,
        max(xid)::text as xid,
        (array_agg(position))[count(*)] as position
      from (
        select * from events
        where (xid, position) > (after_xid::xid8, after_position)
          and (xid, position) <= (until_xid::xid8, until_position)
        order by xid, position limit ${scanMax}::int
      ) scanned
    ) found
    order by span.ord`
  return rows.map(({ xid, position, ...found }) => ({
    ...found,
    next: found.scanned === scanMax ? { xid: xid!, position: position! } : undefined,
  }))
}

type Row = Omit<HashedSpan, 'next'> & { xid: string | null; position: number | null }

/** Counts events after this place by transactions that this server has not begun: no reader would ever get there. */
export async function countUnreachable(sql: Db, projectId: string, after: Place): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select count(*)::int as n from (
      select from events
      where ${isAfter(sql, after)}
        and xid >= log_xid(pg_snapshot_xmax(pg_current_snapshot()))
        and project_id = ${projectId}
      limit ${WINDOW_EVENTS_MAX}
    ) found`
  return row!.n
}

export type SealedLine = Place & { line: string }

/** A page of a project's lines in this span, for which up to `scanMax` events are read. `next`: where it stopped. */
export async function readEventLines(
  sql: Db,
  { projectId, after, until, scanMax }: Span & { projectId: string; scanMax: number },
): Promise<{ lines: SealedLine[]; next: Place | undefined }> {
  const page = slice(sql, {
    where: sql`${isAfter(sql, after)} and (xid, position) <= (${until.xid}::text::xid8, ${until.position}::bigint)`,
    limit: scanMax,
    bytesMax: PAGE_BYTES_MAX,
  })
  const rows = await sql<{ xid: string; position: number; line: string | null }[]>`
    with slice as materialized (${page}), last as (
      select xid, position from slice order by xid desc, position desc limit 1
    )
    select xid::text, position, case when project_id = ${projectId} then ${eventLine(sql)} end as line
    from slice where project_id = ${projectId} or (xid, position) = (select xid, position from last)
    order by slice.xid, position`
  const last = rows.at(-1)
  return {
    lines: rows.flatMap(({ line, ...place }) => (line === null ? [] : [{ ...place, line }])),
    next: last && { xid: last.xid, position: last.position },
  }
}
