// VirtuousAI's Events API: six reads. Queries are in snake_case, bodies in camelCase.
import { type TObject, type TProperties, Type } from 'typebox'
import { jsonObject, nullable, oneOf, optional, time, uuid, whole, withDefault } from '#contract/common.ts'
import { type Route, route } from '#contract/route.ts'
import { RESOURCE_TYPES } from './resource-types.ts'

const tag = 'Events'
const PREFIX = '/api/v1/events'
const COUNT_MAX = Number.MAX_SAFE_INTEGER

const access = { needs: 'events:read', keyCookie: 'vai_token', tag } as const

const RESOURCE_TYPE = oneOf(RESOURCE_TYPES, 'Kind of thing that the event is about.')
const RESOURCE_ID = uuid('The thing that the event is about.')

export const Event = Type.Object(
  {
    id: uuid('Id of the event.'),
    tenantId: Type.String({ description: 'The project.' }),
    eventType: Type.String({ description: 'What happened.', examples: ['schedule.fired'] }),
    resourceType: RESOURCE_TYPE,
    resourceId: nullable(uuid('The thing that it is about; null for the kind as such.')),
    actorType: Type.String({ description: 'Kind of actor.', examples: ['user'] }),
    actorId: nullable(Type.String(), 'The actor; null for the system itself.'),
    correlationId: Type.String({ description: 'Shared by the whole chain of causes.' }),
    causationId: nullable(uuid('The event that directly caused this one; null for the first of its chain.')),
    occurredAt: time('When it happened.'),
    payload: jsonObject('What else there is to say.'),
  },
  { title: 'Event' },
)

const EventPage = Type.Object(
  {
    events: Type.Array(Event, { description: 'The page.' }),
    total: whole(0, COUNT_MAX, 'Events on all pages.'),
    limit: whole(1, 100, 'As asked.'),
    offset: whole(0, COUNT_MAX, 'As asked.'),
    hasNext: Type.Boolean({ description: 'Whether there are events beyond this page.' }),
  },
  { title: 'EventPage' },
)

/** A query string; what this surface does not know in one it ignores. */
const query = <P extends TProperties>(properties: P): TObject<P> => Type.Object(properties)
const during = { from: optional(time('At this time or later.')), to: optional(time('Before this time.')) }
const paging = {
  limit: withDefault(whole(1, 100, 'Events on a page at most.'), 100),
  offset: withDefault(Type.Integer({ minimum: 0, description: 'Events to pass over.' }), 0),
}

export const listEvents = route({
  ...access,
  method: 'GET',
  path: PREFIX,
  name: 'listEvents',
  summary: 'List events, the most recent first.',
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
    { description: `Events by ${of}, the most first.` },
  )

export const aggregateEvents = route({
  ...access,
  method: 'GET',
  path: `${PREFIX}/aggregate`,
  name: 'aggregateEvents',
  summary: 'Count events by type, by kind of thing and by kind of actor.',
  query: query(during),
  replies: {
    200: Type.Object({
      total: whole(0, COUNT_MAX, 'Events in all.'),
      byEventType: counts('type'),
      byResourceType: counts('kind of thing'),
      byActorType: counts('kind of actor'),
    }),
  },
})

export const listEventsByCorrelation = route({
  ...access,
  method: 'GET',
  path: `${PREFIX}/correlation/:correlation_id`,
  name: 'listEventsByCorrelation',
  summary: 'List a chain of causes, the oldest event first.',
  params: Type.Object({ correlation_id: Type.String({ description: 'Of any form.' }) }),
  query: query(paging),
  replies: { 200: EventPage },
})

export const listEventsByResource = route({
  ...access,
  method: 'GET',
  path: `${PREFIX}/resource/:resource_type/:resource_id`,
  name: 'listEventsByResource',
  summary: 'List the events about one thing, the most recent first.',
  params: Type.Object({ resource_type: RESOURCE_TYPE, resource_id: RESOURCE_ID }),
  query: query(paging),
  replies: { 200: EventPage },
})

export const statsByActor = route({
  ...access,
  method: 'GET',
  path: `${PREFIX}/stats/by-actor`,
  name: 'statsByActor',
  summary: 'Count what each actor did, the busiest first.',
  query: query(during),
  replies: {
    200: Type.Object({
      actors: Type.Array(
        Type.Object({
          actorId: nullable(Type.String(), 'The actor; null for the system itself.'),
          actorType: Type.String({ description: 'Kind of actor.' }),
          total: whole(0, COUNT_MAX, 'Events of this actor.'),
          successes: whole(0, COUNT_MAX, 'Those that tell of something that went well.'),
          failures: whole(0, COUNT_MAX, 'Those that tell of something that went wrong.'),
        }),
        { description: 'The busiest actors, 10,000 of them at most.' },
      ),
    }),
  },
})

export const getEvent = route({
  ...access,
  method: 'GET',
  path: `${PREFIX}/:event_id`,
  name: 'getEvent',
  summary: 'Read an event.',
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
