// The door to the log: whatever is appended here rings its runs and the tail, once it is committed.
import type { Ctx } from '#bell/ctx.ts'
import { batched } from '#bell/part.ts'
import { runTopic, type Topic } from '#bell/topics.ts'
import type { Tx } from '#bell/transact.ts'
import { isDuplicate, type Sql } from '#postgres/sql.ts'
import { type Appended, appendEvents } from './append-events.sql.ts'
import type { NewEvent } from './new-event.sql.ts'

/** One event, written together with those that others append meanwhile. */
export const appendEvent = batched<NewEvent, Appended>(
  'The queue of events',
  async ({ sql, ring }, events) => {
    const appended = await appendOnce(sql, events)
    ring(topicsOf(events, appended))
    return appended
  },
  {
    itemsMax: 1000,
    keyOf: (event) => (event.idGiven ? `${event.projectId} ${event.id}` : undefined),
  },
)

/** Up to 1,000 events in a statement of their own. */
export async function appendTogether(
  { sql, ring }: Pick<Ctx, 'sql' | 'ring'>,
  events: readonly NewEvent[],
): Promise<Appended[]> {
  const appended = await appendEvents(sql, events)
  ring(topicsOf(events, appended))
  return appended
}

/** Up to 1,000 events as a part of a transaction. */
export async function appendIn(tx: Tx, events: readonly NewEvent[]): Promise<Appended[]> {
  const appended = await appendEvents(tx, events)
  oweRings(tx, events, appended)
  return appended
}

/** For events that a statement of another room has appended in this transaction. */
export function oweRings(tx: Tx, events: readonly NewEvent[], appended: readonly Appended[]): void {
  for (const topic of topicsOf(events, appended)) tx.rings.add(topic)
}

/** What was refused or was there before is nothing new to look at. */
function topicsOf(events: readonly NewEvent[], appended: readonly Appended[]): Set<Topic> {
  const topics = new Set<Topic>()
  events.forEach(({ runId }, index) => {
    if (appended[index]!.outcome !== 'appended') return
    topics.add('tail')
    if (runId) topics.add(runTopic(runId))
  })
  return topics
}

/**
 * Two batches under way at once may hold the same id of a client. The second one is refused by its unique index, is cut
 * down to the one event by the group commit, and then finds the first.
 */
const appendOnce = (sql: Sql, events: NewEvent[]): Promise<Appended[]> =>
  appendEvents(sql, events).catch((error: unknown) => {
    if (events.length === 1 && events[0]!.idGiven && isDuplicate(error)) return appendEvents(sql, events)
    throw error
  })
