// An event as the native surface shows it.
import type { Event } from '#contract/event.ts'
import type { LogDelta, LogEvent } from '#log/event-columns.sql.ts'
import { toWire } from './words.ts'

export function eventWire(row: LogEvent | LogDelta): Event {
  const { runUuid: _, ...event } = row
  const {
    xid: __,
    foundCount: ___,
    bytesBefore: ____,
    stored_before: _____,
    ...wire
  } = toWire(event) as Record<string, unknown>
  return wire as Event
}
