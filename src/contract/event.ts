// What an event is on the wire. The log is append-only: an event never changes and is never sent twice.
import { type Static, Type } from 'typebox'
import { ACTOR_TYPES, LEVELS } from '#core/event.ts'
import { anyJson, body, INT_MAX, nullable, oneOf, optional, pathText, text, time, uuid, whole } from './common.ts'

export const EVENT_BYTES_MAX = 256 * 1024

export const EVENT_TYPE = Type.String({
  maxLength: 128,
  pattern: '^[a-z][a-z0-9_]*(\\.[a-z0-9_]+)*$',
  description: 'What happened: dotted lower case, in the past tense.',
  examples: ['agent.tool_call.completed'],
})
export const SEQUENCE = whole(
  1,
  Number.MAX_SAFE_INTEGER,
  'Position of the event within its run: counts from 1 without gaps.',
)
export const POSITION = whole(
  1,
  Number.MAX_SAFE_INTEGER,
  'Number of the event in the whole log: unique, increasing, with gaps.',
)
export const LEVEL = oneOf(LEVELS, 'Severity of the event.')
export const ACTOR_TYPE = oneOf(ACTOR_TYPES, 'Kind of actor that caused the event.')

const word = (description: string) => text(128, description, { minLength: 1 })
const id = (description: string) => text(256, description, { minLength: 1 })
const DURATION = Type.Number({ minimum: 0, maximum: INT_MAX, description: 'Duration in milliseconds.' })

// Where in a run the event happened; all of these are optional.
const place = {
  attempt: whole(1, INT_MAX, 'Number of the attempt.'),
  step: word('Step of the run.'),
  tool: word('Tool that was called.'),
  agent_id: pathText(128, 'Agent that acted.'),
  req_id: word('Id of the request that caused it.'),
  lease_id: word('Id of the lease under which it happened.'),
  level: LEVEL,
  status: word('Status of the subject of the event.'),
  message: text(8192, 'One line for people.'),
  duration_ms: DURATION,
}

export const EventInput = body(
  {
    id: optional(uuid('Makes the append idempotent: an event whose id is already in the log changes nothing.')),
    type: EVENT_TYPE,
    occurred_at: optional(time('When it happened; defaults to now.')),
    run_id: optional(
      pathText(256, 'The run it is about. The first event with an unknown run id starts an external run.'),
    ),
    resource_type: optional(word('Type of the resource it is about.')),
    resource_id: optional(id('Id of the resource it is about.')),
    correlation_id: optional(pathText(128, "Id of the causal chain; defaults to its run's, or else to a new one.")),
    causation_id: optional(uuid('Id of the event that directly caused this one.')),
    attempt: optional(place.attempt),
    step: optional(place.step),
    tool: optional(place.tool),
    agent_id: optional(place.agent_id),
    req_id: optional(place.req_id),
    lease_id: optional(place.lease_id),
    level: optional(place.level),
    status: optional(place.status),
    message: optional(place.message),
    duration_ms: optional(place.duration_ms),
    data: optional(anyJson('Anything else, as JSON.')),
  },
  {
    title: 'EventInput',
    description: 'An event of at most 256 KiB.',
    examples: [
      { type: 'agent.tool_call.completed', run_id: 'run-42', tool: 'search', duration_ms: 180, data: { hits: 3 } },
    ],
  },
)
export type EventInput = Static<typeof EventInput>

const nullableText = (description: string) => nullable(Type.String(), description)

export const Event = Type.Object(
  {
    position: nullable(POSITION, 'Number of the event in the whole log; null for a delta (stream chunk, debug log).'),
    id: nullableText('Id of the event; null for a delta.'),
    project_id: Type.String({ description: 'Project that the event belongs to.' }),
    type: Type.String({ description: 'What happened.' }),
    occurred_at: time('When it happened.'),
    recorded_at: time('When it was written to the log.'),
    actor_type: nullable(ACTOR_TYPE, 'Kind of actor that caused the event; null for a delta.'),
    actor_id: nullableText('Id of the actor; null when Runyard itself acted.'),
    actor_name: nullableText('Name of the user who acted, as it is now; null for all other actors.'),
    resource_type: nullableText('Type of the resource it is about.'),
    resource_id: nullableText('Id of the resource it is about.'),
    correlation_id: nullableText('Id of the causal chain; null for a delta.'),
    causation_id: nullableText('Id of the event that directly caused this one.'),
    run_id: nullableText('The run it is about.'),
    sequence: nullable(SEQUENCE, 'Position of the event within its run; null for an event without a run.'),
    attempt: nullable(place.attempt),
    step: nullable(place.step),
    tool: nullable(place.tool),
    agent_id: nullable(place.agent_id),
    req_id: nullable(place.req_id),
    lease_id: nullable(place.lease_id),
    level: nullable(place.level),
    status: nullable(place.status),
    message: nullable(place.message),
    duration_ms: nullable(place.duration_ms),
    data: anyJson('Anything else, as JSON; null when empty.'),
  },
  { title: 'Event' },
)
/** An event of the log as the API returns it. */
export type Event = Static<typeof Event>

/** The response to one append. */
export const Receipt = Type.Object(
  {
    id: nullableText('Id of the event; null for a delta.'),
    position: nullable(POSITION, 'Number of the event in the whole log; null for a delta.'),
    sequence: nullable(SEQUENCE, 'Position of the event within its run; null for an event without a run.'),
    run_id: nullableText('The run it is about.'),
  },
  { title: 'Receipt', description: 'Where an event is in the log.' },
)
export type Receipt = Static<typeof Receipt>
