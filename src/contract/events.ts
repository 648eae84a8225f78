// The event log: append, list, get, count and stream.
import { Type } from 'typebox'
import {
  commaList,
  flag,
  ItemError,
  LIMIT,
  listOf,
  nullable,
  ORDER,
  oneOf,
  optional,
  paging,
  query,
  RunPath,
  repeated,
  text,
  time,
  timeOrNull,
  uuid,
  whole,
  withDefault,
} from './common.ts'
import {
  ACTOR_TYPE,
  EVENT_BYTES_MAX,
  EVENT_TYPE,
  Event,
  EventInput,
  LEVEL,
  POSITION,
  Receipt,
  SEQUENCE,
} from './event.ts'
import { route } from './route.ts'
import { CORRELATION_ID } from './runs/run.ts'

const tag = 'Events'
export const NDJSON = 'application/x-ndjson'
const COUNT_MAX = Number.MAX_SAFE_INTEGER

export const EventList = listOf(Event, 'EventList')
const TYPES = commaList(EVENT_TYPE, 50, 'Events of these types.')
const AGENT = text(128, 'Events of this agent.', { minLength: 1 })
const RESOURCE_TYPE = text(128, 'Events about this type of resource.', { minLength: 1 })
const during = {
  occurred_from: optional(time('Happened at this time or later.')),
  occurred_to: optional(time('Happened before this time.')),
}

const saying = {
  level: optional(LEVEL),
  status: optional(text(64, 'Events with this status.', { minLength: 1 })),
  tool: optional(text(256, 'Events of this tool.', { minLength: 1 })),
  step: optional(text(256, 'Events of this step.', { minLength: 1 })),
  text: optional(text(256, 'Events whose message contains this, in upper or lower case.', { minLength: 1 })),
}

export const appendEvents = route({
  method: 'POST',
  path: '/v1/events',
  needs: 'events:write',
  tag,
  name: 'appendEvents',
  // Events have ids: they repeat safely by themselves.
  keepsReply: false,
  summary: 'Append one event, an array of up to 1,000, or newline-delimited JSON.',
  description:
    'A single event is answered with 201 and its place in the log. An array, or `application/x-ndjson` with one event ' +
    'per line, is answered with 200 and one result each, in order; a refused event does not affect the others. The ' +
    'response is sent after the commit.',
  body: Type.Unsafe<EventInput | EventInput[]>(
    Type.Union([EventInput, Type.Array(EventInput, { minItems: 1, maxItems: 1000, title: 'EventInputs' })], {
      description: 'An event, or an array of events.',
    }),
  ),
  bodyAs: 'events',
  bodyBytesMax: 16 * 1024 * 1024,
  consumes: [NDJSON],
  itemwise: 'events',
  itemBytesMax: EVENT_BYTES_MAX,
  replies: {
    201: Receipt,
    200: Type.Object(
      {
        results: Type.Array(
          Type.Object({
            index: whole(0, COUNT_MAX, 'Index of the event in the request, from 0.'),
            id: optional(nullable(uuid('Id of the event; null for a delta.'))),
            position: optional(nullable(POSITION)),
            sequence: optional(nullable(SEQUENCE)),
            duplicate: optional(flag('True when an event with this id was already in the log.')),
            error: optional(ItemError),
          }),
          { description: 'One result per event, in request order.' },
        ),
        total: whole(0, COUNT_MAX, 'Events in the request.'),
        appended: whole(0, COUNT_MAX, 'Events that were appended.'),
        duplicates: whole(0, COUNT_MAX, 'Events that were already in the log.'),
        refused: whole(0, COUNT_MAX, 'Events that were refused.'),
      },
      { title: 'AppendResult' },
    ),
  },
  refusals: ['reserved_type', 'run_not_found', 'run_over'],
})

export const listEvents = route({
  method: 'GET',
  path: '/v1/events',
  needs: 'events:read',
  tag,
  name: 'listEvents',
  summary: 'List events, newest first by default; filters combine with AND.',
  description:
    'With `level`, `status`, `tool`, `step` or `text`, which no index knows, a page examines at most 5,000 of the events ' +
    'that pass the other filters: it may have fewer than `limit` items, or none, with `has_more: true`.',
  query: query({
    type: optional(TYPES),
    resource_type: optional(RESOURCE_TYPE),
    resource_id: optional(
      text(256, 'Events about the resource with this id; requires `resource_type`.', { minLength: 1 }),
    ),
    actor_type: optional(ACTOR_TYPE),
    actor_id: optional(text(256, 'Events of this actor.', { minLength: 1 })),
    correlation_id: optional(CORRELATION_ID),
    run_id: optional(text(256, 'Events about this run.', { minLength: 1 })),
    agent_id: optional(AGENT),
    ...saying,
    ...during,
    order: ORDER('desc'),
    ...paging,
  }),
  replies: { 200: EventList },
  refusals: ['invalid_cursor', 'run_not_found'],
})

export const getEvent = route({
  method: 'GET',
  path: '/v1/events/:event_id',
  needs: 'events:read',
  tag,
  name: 'getEvent',
  summary: 'Get an event.',
  params: Type.Object({ event_id: uuid('Id of the event.') }),
  replies: { 200: Event },
  refusals: ['event_not_found'],
})

const counts = (by: string) =>
  Type.Array(
    Type.Object(
      { key: Type.String({ description: 'What is counted.' }), count: whole(0, COUNT_MAX, 'Events.') },
      { title: 'Count' },
    ),
    { description: `Events by ${by}, most frequent first.` },
  )

export const aggregateEvents = route({
  method: 'GET',
  path: '/v1/events/aggregate',
  needs: 'events:read',
  tag,
  name: 'aggregateEvents',
  summary: 'Count events by type, by resource type and by actor type.',
  query: query(during),
  replies: {
    200: Type.Object(
      {
        occurred_from: timeOrNull('As asked.'),
        occurred_to: timeOrNull('As asked.'),
        total: whole(0, COUNT_MAX, 'Total number of events.'),
        by_type: counts('type'),
        by_resource_type: counts('resource type'),
        by_actor_type: counts('actor type'),
      },
      { title: 'EventAggregate' },
    ),
  },
})

export const listActors = route({
  method: 'GET',
  path: '/v1/events/by-actor',
  needs: 'events:read',
  tag,
  name: 'listActors',
  summary: 'Count events by actor, busiest first.',
  query: query({ ...during, limit: LIMIT }),
  replies: {
    200: Type.Object(
      {
        data: Type.Array(
          Type.Object(
            {
              actor_type: ACTOR_TYPE,
              actor_id: nullable(Type.String(), 'Id of the actor; null when Runyard itself acted.'),
              count: whole(0, COUNT_MAX, 'Events of this actor.'),
              successes: whole(0, COUNT_MAX, 'Events that report a success.'),
              failures: whole(0, COUNT_MAX, 'Events that report a failure; the others report neither.'),
            },
            { title: 'ActorCount' },
          ),
          { description: 'The busiest actors, at most `limit`.' },
        ),
      },
      { title: 'ActorCounts' },
    ),
  },
})

export const listRunEvents = route({
  method: 'GET',
  path: '/v1/runs/:run_id/events',
  needs: 'runs:read',
  orRunToken: true,
  tag,
  name: 'listRunEvents',
  summary: 'List the events of a run, by sequence.',
  params: RunPath,
  query: query({
    after_sequence: withDefault(whole(0, COUNT_MAX, 'Events after this sequence.'), 0),
    level: optional(LEVEL),
    type: optional(TYPES),
    ...paging,
  }),
  replies: { 200: EventList },
  refusals: ['run_not_found', 'invalid_cursor'],
})

const STREAM_FORMATS = ['native', 'ag-ui'] as const
const STREAM_WORDS =
  'Server-sent events: `id` is the cursor to resume from with Last-Event-ID, `event` the type, `data` the event as ' +
  'JSON. A comment is sent every 15 seconds.'

export const streamRun = route({
  method: 'GET',
  path: '/v1/runs/:run_id/stream',
  needs: 'runs:read',
  orRunToken: true,
  tag,
  name: 'streamRun',
  summary: 'Stream the events of a run, from the beginning or after a sequence, until the run ends.',
  description:
    `${STREAM_WORDS} The id is the sequence. The stream ends after the event that ended the run. With \`format=ag-ui\` ` +
    'the data are events of the AG-UI protocol instead, without `event`; chunks are always included.',
  params: RunPath,
  query: query({
    format: withDefault(oneOf(STREAM_FORMATS, 'Whose events: ours, or those of the AG-UI protocol.'), 'native'),
    after_sequence: optional(whole(0, COUNT_MAX, 'Events after this sequence; Last-Event-ID takes precedence.')),
    deltas: withDefault(flag('Whether to include stream chunks and debug logs.'), true),
    type: optional(TYPES),
  }),
  stream: true,
  replies: { 200: null },
  refusals: ['run_not_found', 'overloaded'],
})

export const streamRunChunks = route({
  method: 'GET',
  path: '/v1/runs/:run_id/stream/chunks',
  needs: 'runs:read',
  orRunToken: true,
  tag,
  name: 'streamRunChunks',
  summary: 'Stream the output chunks of a run, such as the tokens of a model.',
  description: `${STREAM_WORDS} The id is the sequence; data is {chunk, stream_id, done}.`,
  params: RunPath,
  query: query({
    after_sequence: optional(whole(0, COUNT_MAX, 'Chunks after this sequence; Last-Event-ID takes precedence.')),
  }),
  stream: true,
  replies: { 200: null },
  refusals: ['run_not_found', 'overloaded'],
})

export const streamEvents = route({
  method: 'GET',
  path: '/v1/events/stream',
  needs: 'events:read',
  tag,
  name: 'streamEvents',
  summary: 'Stream all events of the project, from now on or after a cursor.',
  description: STREAM_WORDS,
  query: query({
    type: optional(TYPES),
    resource_type: optional(repeated(RESOURCE_TYPE, 20, 'Events about these types of resources.')),
    agent_id: optional(AGENT),
    ...saying,
    after: optional(text(512, 'The id of the last event seen; Last-Event-ID takes precedence.', { minLength: 1 })),
  }),
  stream: true,
  replies: { 200: null },
  refusals: ['invalid_cursor', 'overloaded'],
})
