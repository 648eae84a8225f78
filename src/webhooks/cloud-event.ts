// An event of the log as a CloudEvent 1.0 in structured mode: one JSON document with its attributes and, as its data,
// the event as the native API shows it.
import { part } from '#bell/part.ts'
import { printJson } from '#core/json/json.ts'
import type { LogEvent } from '#log/event-columns.sql.ts'

export const CLOUD_EVENT_TYPE = 'application/cloudevents+json; charset=utf-8'

/** The event as the native API shows it; a node gives the writer of that API. */
export const eventJsonOf = part<(event: LogEvent) => object>(() => () => {
  throw new Error('this context was given no writer of events')
})

type CloudEvent = {
  id: string
  source: string
  type: string
  time: string
  subject?: string
  /** Extensions. Names may have lower-case letters and digits alone. */
  correlationid?: string
  causationid?: string
  runid?: string
  position?: string
  data: object
}

export const cloudEventOf = (event: LogEvent, json: (event: LogEvent) => object): CloudEvent => ({
  id: event.id,
  source: sourceOf(event.projectId),
  type: event.type,
  time: event.occurredAt.toISOString(),
  ...(event.resourceType !== null &&
    event.resourceId !== null && { subject: `${event.resourceType}/${event.resourceId}` }),
  correlationid: event.correlationId,
  ...(event.causationId !== null && { causationid: event.causationId }),
  ...(event.runId !== null && { runid: event.runId }),
  // As text: numbers of CloudEvents have 32 bits.
  position: String(event.position),
  data: json(event),
})

export const sourceOf = (projectId: string): string => `/v1/projects/${encodeURIComponent(projectId)}`

export const cloudEventText = ({ data, ...attributes }: CloudEvent): string =>
  printJson({ specversion: '1.0', ...attributes, datacontenttype: 'application/json', data })
