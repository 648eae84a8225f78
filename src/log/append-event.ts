// One event, written together with those that others append meanwhile.
import { batched } from '#bell/part.ts'
import { isDuplicate, type Sql } from '#postgres/sql.ts'
import { type Appended, appendEvents } from './append-events.sql.ts'
import type { NewEvent } from './new-event.sql.ts'

export const appendEvent = batched<NewEvent, Appended>(
  'The queue of events',
  ({ sql }, events) => appendOnce(sql, events),
  {
    itemsMax: 1000,
    keyOf: (event) => (event.idGiven ? `${event.projectId} ${event.id}` : undefined),
  },
)

/**
 * Two batches under way at once may hold the same id of a client. The second one is refused by its unique index, is cut
 * down to the one event by the group commit, and then finds the first.
 */
const appendOnce = (sql: Sql, events: NewEvent[]): Promise<Appended[]> =>
  appendEvents(sql, events).catch((error: unknown) => {
    if (events.length === 1 && events[0]!.idGiven && isDuplicate(error)) return appendEvents(sql, events)
    throw error
  })
