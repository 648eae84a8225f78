// What the log says of events that runs wait for.
import type { Cause } from '#core/event.ts'
import type { NewEvent } from '#log/new-event.sql.ts'
import type { KeptHead } from './kept-events.sql.ts'

/** The event that a run is told of an event that it waited for. */
export const receivedBy = (
  run: { projectId: string; runId: string; token?: string },
  { eventKey, causationId, actor }: Cause & { eventKey: string },
): NewEvent => ({
  ...run,
  type: 'event.received',
  resourceType: 'received_event',
  resourceId: eventKey,
  actor,
  causationId,
  data: { event_key: eventKey },
})

export const senderOf = ({ actorType, actorId }: KeptHead) => ({ type: actorType, id: actorId }) as Cause['actor']
