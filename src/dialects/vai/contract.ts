// VirtuousAI's Events API: six reads. Queries are in snake_case, bodies in camelCase.
import { type TObject, type TProperties, Type } from 'typebox'
import { jsonObject, nullable, oneOf, optional, time, uuid, whole, withDefault } from '#contract/common.ts'
import { type Route, route } from '#contract/route.ts'
import { RESOURCE_TYPES } from './resource-types.ts'

const tag = 'Events'
const PREFIX = '/api/v1/events'
const COUNT_MAX = Number.MAX_SAFE_INTEGER

const access = { needs: 'events:read', keyCookie: 'vai_token', tag } as const

const RESOURCE_TYPE = oneOf(RESOURCE_TYPES, 'Type of the resource that the event is about.')
const RESOURCE_ID = uuid('Id of the resource that the event is about.')

export const Event = Type.Object(
  {
    id: uuid('Id of the event.'),
    tenantId: Type.String({ description: 'The project.' }),
    eventType: Type.String({ description: 'What happened.', examples: ['schedule.fired'] }),
    resourceType: RESOURCE_TYPE,
    resourceId: nullable(uuid('Id of the resource; null for an event about the resource type as a whole.')),
    actorType: Type.String({ description: 'Kind of actor.', examples: ['user'] }),
    actorId: nullable(Type.String(), 'Id of the actor; null when Runyard itself acted.'),
    correlationId: Type.String({ description: 'Id of the causal chain.' }),
    causationId: nullable(uuid('Id of the event that directly caused this one; null for the first of its chain.')),
    occurredAt: time('When it happened.'),
    payload: jsonObject('Anything else, as JSON.'),
  },
  { title: 'Event' },
)

const EventPage = Type.Object(
  {
    events: Type.Array(Event, { description: 'The events.' }),
    total: whole(0, COUNT_MAX, 'Number of events on all pages.'),
    limit: whole(1, 100, 'Limit of the request.'),
    offset: whole(0, COUNT_MAX, 'Offset of the request.'),
    hasNext: Type.Boolean({ description: 'Whether there is another page.' }),
  },
  { title: 'EventPage' },
)

/** A query string; unknown parameters are ignored. */
const query = <P extends TProperties>(properties: P): TObject<P> => Type.Object(properties)
const during = { from: optional(time('At this time or later.')), to: optional(time('Before this time.')) }
const paging = {
  limit: withDefault(whole(1, 100, 'Maximum number of events per page.'), 100),
  offset: withDefault(Type.Integer({ minimum: 0, description: 'Events to skip.' }), 0),
}

export const listEvents = route({
  ...access,
  method: 'GET',
  path: PREFIX,
  name: 'listEvents',
  summary: 'List events, newest first.',
  query: query({
    event_type: optional(Type.String({ description: 'Events of this type.' })),
    resource_type: optional(RESOURCE_TYPE),
    resource_id: optional(RESOURCE_ID),
    ...during,
    ...paging,
  }),
  replies: { 200: EventPage },
})

const counts = (of: string) =>
  Type.Array(
    Type.Object(
      {
        key: Type.String({ description: 'What is counted.' }),
        count: whole(0, COUNT_MAX, 'Events.'),
      },
      { title: 'Count' },
    ),
    { description: `Events by ${of}, most frequent first.` },
  )

export const aggregateEvents = route({
  ...access,
  method: 'GET',
  path: `${PREFIX}/aggregate`,
  name: 'aggregateEvents',
  summary: 'Count events by type, by resource type and by actor type.',
  query: query(during),
  replies: {
    200: Type.Object({
      total: whole(0, COUNT_MAX, 'Total number of events.'),
      byEventType: counts('type'),
      byResourceType: counts('resource type'),
      byActorType: counts('actor type'),
    }),
  },
})

export const listEventsByCorrelation = route({
  ...access,
  method: 'GET',
  path: `${PREFIX}/correlation/:correlation_id`,
  name: 'listEventsByCorrelation',
  summary: 'List the events of a causal chain, oldest first.',
  params: Type.Object({ correlation_id: Type.String({ description: 'Id of the causal chain, of any form.' }) }),
  query: query(paging),
  replies: { 200: EventPage },
})

export const listEventsByResource = route({
  ...access,
  method: 'GET',
  path: `${PREFIX}/resource/:resource_type/:resource_id`,
  name: 'listEventsByResource',
  summary: 'List the events about one resource, newest first.',
  params: Type.Object({ resource_type: RESOURCE_TYPE, resource_id: RESOURCE_ID }),
  query: query(paging),
  replies: { 200: EventPage },
})

export const statsByActor = route({
  ...access,
  method: 'GET',
  path: `${PREFIX}/stats/by-actor`,
  name: 'statsByActor',
  summary: 'Count events by actor, busiest first.',
  query: query(during),
  replies: {
    200: Type.Object({
      actors: Type.Array(
        Type.Object({
          actorId: nullable(Type.String(), 'Id of the actor; null when Runyard itself acted.'),
          actorType: Type.String({ description: 'Kind of actor.' }),
          total: whole(0, COUNT_MAX, 'Events of this actor.'),
          successes: whole(0, COUNT_MAX, 'Events that report a success.'),
          failures: whole(0, COUNT_MAX, 'Events that report a failure.'),
        }),
        { description: 'The busiest actors, at most 10,000.' },
      ),
    }),
  },
})

export const getEvent = route({
  ...access,
  method: 'GET',
  path: `${PREFIX}/:event_id`,
  name: 'getEvent',
  summary: 'Get an event.',
  params: Type.Object({ event_id: uuid('Id of the event.') }),
  replies: { 200: Event },
  refusals: ['event_not_found'],
})

export const VAI_ROUTES: readonly Route[] = [
  listEvents,
  aggregateEvents,
  listEventsByCorrelation,
  listEventsByResource,
  statsByActor,
  getEvent,
]
