// Events by what they say: any filters together, by time, with a cursor that holds when two have the same time.

import type { Db } from '#postgres/sql.ts'
import { eventColumns, type LogEvent } from './event-columns.sql.ts'
import { type EventFilter, waysTo } from './event-filter.sql.ts'

export type EventCursor = { occurredAt: Date; position: number }

export type ListEvents = EventFilter & {
  order: 'newest first' | 'oldest first'
  after?: EventCursor | undefined
  limit: number
  offset?: number | undefined
}

export async function listEvents(sql: Db, list: ListEvents): Promise<LogEvent[]> {
  const { order, after, limit, offset = 0 } = list
  const newest = order === 'newest first'
  const by = newest ? sql`order by occurred_at desc, position desc` : sql`order by occurred_at, position`
  const at = after && sql`(${after.occurredAt.toISOString()}::timestamptz, ${after.position}::bigint)`
  const beyond = at ? sql`and (occurred_at, position) ${newest ? sql`<` : sql`>`} ${at}` : sql``
  const ways = waysTo(sql, list).map(
    (way) => sql`(select * from events where ${way} ${beyond} ${by} limit ${limit + offset}::int)`,
  )
  if (ways.length === 0) return []
  const rows = await sql<LogEvent[]>`
    select ${eventColumns(sql)} from (${ways.reduce((all, way) => sql`${all} union all ${way}`)}) events
    ${by} limit ${limit}::int offset ${offset}::int`
  return [...rows]
}

/** How many events the filter lets through: exactly, up to `countMax`. */
export async function countListed(sql: Db, filter: EventFilter, countMax: number): Promise<number> {
  const ways = waysTo(sql, filter).map((way) => sql`(select 1 from events where ${way} limit ${countMax}::int)`)
  if (ways.length === 0) return 0
  const [row] = await sql<{ n: number }[]>`
    select count(*)::int as n
    from (select 1 from (${ways.reduce((all, way) => sql`${all} union all ${way}`)}) every_way limit ${countMax}::int) counted`
  return row!.n
}
