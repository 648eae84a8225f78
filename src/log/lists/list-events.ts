// Events by what they say, in the order of time. Most types have an index. Everyday types have not: where they are many
// they are met soon in the order of time, and where they are few the counters know the hours that have any.
import { beginOf, endOf, type Span } from '#core/time-units.ts'
import type { Db } from '#postgres/sql.ts'
import { type CountFilter, countByUnit, countKinds } from '../counts/count-events.sql.ts'
import type { LogEvent } from '../event-columns.sql.ts'
import { type EventFilter, type Way, waysTo } from './event-filter.sql.ts'
import {
  type BoundedWay,
  type FoundEvents,
  type ListEvents,
  LOOKED_MAX,
  readEvents,
  type Said,
  searchEvents,
} from './list-events.sql.ts'

/** Up to so many events are passed over for each that is meant. */
const PASSED_MAX = 30

export async function listEvents(sql: Db, list: ListEvents): Promise<LogEvent[]> {
  const ways = await Promise.all(waysTo(sql, list).map((way) => boundWay(sql, list, way)))
  return readEvents(sql, list, ways.flat())
}

/** A page of the events that also say this. It may be short, or empty, although there is more. */
export async function findEvents(sql: Db, list: Omit<ListEvents, 'offset'> & { said: Said }): Promise<FoundEvents> {
  // The hours must hold as many events as a page looks at, or it would end before them.
  const ways = await Promise.all(waysTo(sql, list).map((way) => boundWay(sql, { ...list, limit: LOOKED_MAX }, way)))
  return searchEvents(sql, list, ways.flat())
}

/** None when the counters know that nothing is there. */
async function boundWay(sql: Db, list: ListEvents, way: Way): Promise<BoundedWay[]> {
  if (!way.everyday || !isCounted(list)) return [way]
  const span = hoursOf(list)
  const filter = { projectId: list.projectId, named: list.named ?? false, ...span }
  const kinds = await countKinds(sql, filter)
  const { types, resourceTypes } = way.everyday
  const meant = sum(kinds.filter((it) => types.includes(it.type) && (resourceTypes?.includes(it.resourceType) ?? true)))
  if (meant === 0) return []
  if (meant * PASSED_MAX >= sum(kinds)) return [way]
  return [{ ...way, spans: await findHours(sql, { ...filter, ...way.everyday }, list) }]
}

/** The counters know of no actors and agents here. */
const isCounted = ({ actorType, actorId, agentId }: EventFilter): boolean =>
  actorType === undefined && actorId === undefined && agentId === undefined

/** The whole hours in which a page of the list may be. */
function hoursOf({ occurredFrom, occurredTo, after, order }: ListEvents): Span {
  const newest = order === 'newest first'
  const from = newest || !after ? occurredFrom : later(after.occurredAt, occurredFrom)
  // What has the time of the cursor may stand behind it.
  const till = newest && after ? earlier(new Date(after.occurredAt.getTime() + 1), occurredTo) : occurredTo
  return { from: from && beginOf(from, 'hour', 'at or before'), to: till && beginOf(till, 'hour', 'at or after') }
}

const later = (one: Date, other: Date | undefined): Date => (other && other > one ? other : one)
const earlier = (one: Date, other: Date | undefined): Date => (other && other < one ? other : one)

/** The hours that have any of these events, until they are enough for the page. */
async function findHours(sql: Db, filter: CountFilter, { order, limit, offset = 0 }: ListEvents): Promise<Span[]> {
  const inOrder = <T>(latestFirst: T[]): T[] => (order === 'newest first' ? latestFirst : latestFirst.toReversed())
  const wanted = limit + offset
  const days = enough(inOrder(await countByUnit(sql, filter, 'day')), wanted)
  if (days.length === 0) return []
  const [begins, ends] = [days.map(({ start }) => start), days.map(({ start }) => endOf(start, 'day'))]
  const hours = await countByUnit(
    sql,
    {
      ...filter,
      from: later(
        begins.reduce((a, b) => (a < b ? a : b)),
        filter.from,
      ),
      to: earlier(
        ends.reduce((a, b) => (a > b ? a : b)),
        filter.to,
      ),
    },
    'hour',
  )
  return enough(inOrder(hours), wanted).map(({ start }) => ({ from: start, to: endOf(start, 'hour') }))
}

/** The first units that have so many together. Not all of the first and the last unit may be in the page's span. */
function enough<T extends { count: number }>(units: readonly T[], wanted: number): T[] {
  let [taken, has] = [0, 0]
  while (taken < units.length && has < wanted) {
    if (taken > 0) has += units[taken]!.count
    taken++
  }
  return units.slice(0, taken)
}

const sum = (kinds: readonly { count: number }[]): number => kinds.reduce((total, { count }) => total + count, 0)
