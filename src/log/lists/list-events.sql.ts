// Events by what they say: any filters together, by time, with a cursor that holds when two have the same time.
import type { Span } from '#core/time-units.ts'
import { instant } from '#core/time-units.ts'
import { column } from '#postgres/column.ts'
import type { Db, Fragment } from '#postgres/sql.ts'
import { eventColumns, type LogEvent } from '../event-columns.sql.ts'
import { type EventFilter, type Way, waysTo } from './event-filter.sql.ts'

export type EventCursor = { occurredAt: Date; position: number }

export type ListEvents = EventFilter & {
  order: 'newest first' | 'oldest first'
  after?: EventCursor | undefined
  limit: number
  offset?: number | undefined
}

/** Along a way: all of it, or, where most of it leads past other events, only these spans of it. */
export type BoundedWay = Way & { spans?: readonly Span[] }

export async function readEvents(sql: Db, list: ListEvents, ways: readonly BoundedWay[]): Promise<LogEvent[]> {
  const { order, after, limit, offset = 0 } = list
  const newest = order === 'newest first'
  const by = newest ? sql`order by occurred_at desc, position desc` : sql`order by occurred_at, position`
  const at = after && sql`(${after.occurredAt.toISOString()}::timestamptz, ${after.position}::bigint)`
  const beyond = at ? sql`and (occurred_at, position) ${newest ? sql`<` : sql`>`} ${at}` : sql``
  const [first, ...others] = ways.map(({ where, spans }) => {
    const page = (bound: Fragment) =>
      sql`select * from events where ${where} ${beyond} ${bound} ${by} limit ${limit + offset}::int`
    if (!spans) return sql`(${page(sql``)})`
    const within = page(sql`and occurred_at >= span.begin and occurred_at < span.till`)
    return sql`(select found.* from ${spanRows(sql, spans)} cross join lateral (${within}) found)`
  })
  if (!first) return []
  const rows = await sql<LogEvent[]>`
    select ${eventColumns(sql)} from (${others.reduce((all, way) => sql`${all} union all ${way}`, first)}) events
    ${by} limit ${limit}::int offset ${offset}::int`
  return [...rows]
}

const spanRows = (sql: Db, spans: readonly Span[]): Fragment => sql`
  unnest(
    ${column(spans.map(({ from }) => (from ? instant(from) : '-infinity')))}::timestamptz[],
    ${column(spans.map(({ to }) => (to ? instant(to) : 'infinity')))}::timestamptz[]
  ) as span (begin, till)`

/** How many events the filter lets through: exactly, up to `countMax`. */
export async function countListed(sql: Db, filter: EventFilter, countMax: number): Promise<number> {
  const ways = waysTo(sql, filter).map(({ where }) => sql`(select 1 from events where ${where} limit ${countMax}::int)`)
  if (ways.length === 0) return 0
  const [row] = await sql<{ n: number }[]>`
    select count(*)::int as n from (
      select 1 from (${ways.reduce((all, way) => sql`${all} union all ${way}`)}) every_way limit ${countMax}::int
    ) counted`
  return row!.n
}
