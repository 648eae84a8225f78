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
  const { limit, offset = 0 } = list
  const found = alongWays(sql, list, ways)
  if (!found) return []
  const rows = await sql<LogEvent[]>`
    select ${eventColumns(sql)} from (${found}) events
    ${inOrder(sql, list)} limit ${limit}::int offset ${offset}::int`
  return [...rows]
}

/** What events say of themselves, and no index knows. */
export type Said = {
  level?: string | undefined
  status?: string | undefined
  tool?: string | undefined
  step?: string | undefined
  /** In the message, in upper or lower case. */
  text?: string | undefined
}
/** Where the next page begins: after this place, which need not be that of an event of the list. */
export type FoundEvents = { rows: LogEvent[]; next: EventCursor | undefined }

/** A page looks at so many events at most, or a filter that few pass would hold a connection for long. */
export const LOOKED_MAX = 5_000

/** May hold fewer events than `limit`, or none, although there is more: see LOOKED_MAX. */
export async function searchEvents(
  sql: Db,
  list: Omit<ListEvents, 'offset'> & { said: Said },
  ways: readonly BoundedWay[],
): Promise<FoundEvents> {
  const { limit, said } = list
  const found = alongWays(sql, { ...list, limit: LOOKED_MAX }, ways)
  if (!found) return { rows: [], next: undefined }
  const by = inOrder(sql, list)
  const rows = await sql<(LogEvent & { looked: number; endedAt: Date; endedPosition: number })[]>`
    with looked as materialized (select * from (${found}) events ${by} limit ${LOOKED_MAX}::int),
    page as (select * from looked where ${conditionsOf(sql, said)} ${by} limit ${limit + 1}::int),
    ended as (
      select count(*) over ()::int as looked, occurred_at as "endedAt", position as "endedPosition"
      from looked ${inOrder(sql, { order: list.order === 'newest first' ? 'oldest first' : 'newest first' })} limit 1
    )
    select ended.*, events.*
    from ended left join (select ${eventColumns(sql)} from page events) events on true
    order by ${list.order === 'newest first' ? sql`"occurredAt" desc, position desc` : sql`"occurredAt", position`}`
  const events = rows
    .filter((row) => row.position !== null)
    .map(({ looked: _, endedAt: __, endedPosition: ___, ...row }) => row)
  if (events.length > limit) {
    const last = events[limit - 1]!
    return { rows: events.slice(0, limit), next: { occurredAt: last.occurredAt, position: last.position } }
  }
  const [first] = rows
  const isCut = first !== undefined && first.looked === LOOKED_MAX
  return { rows: events, next: isCut ? { occurredAt: first.endedAt, position: first.endedPosition } : undefined }
}

function conditionsOf(sql: Db, { text, ...equal }: Said): Fragment {
  const parts = Object.entries(equal).flatMap(([column, value]) =>
    value === undefined ? [] : [sql`${sql(column)} = ${value}`],
  )
  if (text !== undefined) parts.push(sql`position(lower(${text}) in lower(message)) > 0`)
  return parts.reduce((all, part) => sql`${all} and ${part}`, sql`true`)
}

const inOrder = (sql: Db, { order }: Pick<ListEvents, 'order'>): Fragment =>
  order === 'newest first' ? sql`order by occurred_at desc, position desc` : sql`order by occurred_at, position`

/** The first events of every way, as far as the page may reach; undefined when no way leads anywhere. */
function alongWays(sql: Db, list: ListEvents, ways: readonly BoundedWay[]): Fragment | undefined {
  const { order, after, limit, offset = 0 } = list
  const newest = order === 'newest first'
  const by = inOrder(sql, list)
  const at = after && sql`(${after.occurredAt.toISOString()}::timestamptz, ${after.position}::bigint)`
  const beyond = at ? sql`and (occurred_at, position) ${newest ? sql`<` : sql`>`} ${at}` : sql``
  const [first, ...others] = ways.map(({ where, spans }) => {
    const page = (bound: Fragment) =>
      sql`select * from events where ${where} ${beyond} ${bound} ${by} limit ${limit + offset}::int`
    if (!spans) return sql`(${page(sql``)})`
    const within = page(sql`and occurred_at >= span.begin and occurred_at < span.till`)
    return sql`(select found.* from ${spanRows(sql, spans)} cross join lateral (${within}) found)`
  })
  return first && others.reduce((all, way) => sql`${all} union all ${way}`, first)
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
