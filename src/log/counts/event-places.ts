// Where a page of the list of events begins when it is deep in it. The counters of each day and hour tell, so that the
// log is not walked from its newest event: only the events of one hour are passed over.

import { beginOf, endOf } from '#core/time-units.ts'
import type { Sql } from '#postgres/sql.ts'
import { type CountFilter, countByUnit, countEvents } from './count-events.sql.ts'

/** Up to here the log itself is the quicker way. */
const SHALLOW_MAX = 1_000

/** Events are to be read newest first, of those that occurred before `before`, past `skip` of them. */
export type EventPlace = { before: Date | undefined; skip: number }

/** Undefined for a place beyond the end of the list. */
export async function findPlace(sql: Sql, filter: CountFilter, offset: number): Promise<EventPlace | undefined> {
  const { from, to } = filter
  if (offset <= SHALLOW_MAX) return { before: to, skip: offset }
  const end = to && beginOf(to, 'hour', 'at or before')
  const first = from && beginOf(from, 'hour', 'at or after')
  const latest =
    end && to && end < to ? await countEvents(sql, { ...filter, from: from && from > end ? from : end }) : undefined
  if (latest && offset < latest.total) return { before: to, skip: offset }
  const left = offset - (latest?.total ?? 0)
  const hours = { ...filter, from: first, to: end }
  if (first && end && first >= end) return { before: end, skip: left }
  const day = pass(await countByUnit(sql, hours, 'day'), left)
  if (!day.start) return first && { before: first, skip: day.left }
  const dayEnd = endOf(day.start, 'day')
  const ofDay = {
    ...filter,
    from: first && first > day.start ? first : day.start,
    to: end && end < dayEnd ? end : dayEnd,
  }
  const hour = pass(await countByUnit(sql, ofDay, 'hour'), day.left)
  return hour.start ? { before: endOf(hour.start, 'hour'), skip: hour.left } : { before: ofDay.from, skip: hour.left }
}

/** Passes over whole units while there is more left than they hold. */
function pass(units: readonly { start: Date; count: number }[], offset: number) {
  let left = offset
  for (const { start, count } of units) {
    if (left < count) return { start, left }
    left -= count
  }
  return { start: undefined, left }
}
