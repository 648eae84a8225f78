// What an event is on the wire. The log is append-only: an event is never changed and never sent twice.
import { type Static, Type } from 'typebox'
import { ACTOR_TYPES, LEVELS } from '#core/event.ts'
import { anyJson, body, INT_MAX, nullable, oneOf, optional, text, time, uuid, whole } from './common.ts'

export const EVENT_BYTES_MAX = 256 * 1024

export const EVENT_TYPE = Type.String({
  maxLength: 128,
  pattern: '^[a-z][a-z0-9_]*(\\.[a-z0-9_]+)*$',
  description: 'A fact, in dotted lower case and the past tense.',
  examples: ['agent.tool_call.completed'],
})
export const SEQUENCE = whole(1, Number.MAX_SAFE_INTEGER, 'Place of the event in its run, from 1 and without gaps.')
export const POSITION = whole(1, Number.MAX_SAFE_INTEGER, 'Number of the event in the whole log; unique, not dense.')
export const LEVEL = oneOf(LEVELS, 'How loud the event is.')
export const ACTOR_TYPE = oneOf(ACTOR_TYPES, 'Kind of actor that caused the event.')

const word = (description: string) => text(128, description, { minLength: 1 })
const id = (description: string) => text(256, description, { minLength: 1 })
const DURATION = Type.Number({ minimum: 0, maximum: INT_MAX, description: 'How long it took, in milliseconds.' })

// What an event may say about its place in a run; a sender may leave out each of them.
const place = {
  attempt: whole(1, INT_MAX, 'Number of the attempt.'),
  step: word('Step of the run.'),
  tool: word('Tool that was called.'),
  agent_id: word('The agent that acted.'),
  req_id: word('Id of the request that led to it.'),
  lease_id: word('Id of the lease it was done under.'),
  level: LEVEL,
  status: word('How the thing that the event is about stands.'),
  message: text(8192, 'One line for a person.'),
  duration_ms: DURATION,
}

export const EventInput = body(
  {
    id: optional(uuid('Makes the append idempotent: an id that is in the log already changes nothing.')),
    type: EVENT_TYPE,
    occurred_at: optional(time('When it happened; now when left out.')),
    run_id: optional(id('The run it is about. The first event of an unknown id begins an external run.')),
    resource_type: optional(word('Kind of thing it is about.')),
    resource_id: optional(id('The thing it is about.')),
    correlation_id: optional(word("Chain of causes; its run's when left out, or else a new one.")),
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
    data: optional(anyJson('Whatever else there is to say; any JSON.')),
  },
  {
    title: 'EventInput',
    description: 'An event of 256 KiB at most.',
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
    recorded_at: time('When it was written.'),
    actor_type: nullable(ACTOR_TYPE, 'Kind of actor that caused the event; null for a delta.'),
    actor_id: nullableText('The actor; null for the system itself.'),
    resource_type: nullableText('Kind of thing it is about.'),
    resource_id: nullableText('The thing it is about.'),
    correlation_id: nullableText('Shared by the whole chain of causes; null for a delta.'),
    causation_id: nullableText('Id of the event that directly caused this one.'),
    run_id: nullableText('The run it is about.'),
    sequence: nullable(SEQUENCE, 'Place of the event in its run; null for an event of no run.'),
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
    data: anyJson('Whatever else there is to say; null for nothing.'),
  },
  { title: 'Event' },
)
export type Event = Static<typeof Event>

/** The answer to one append. */
export const Receipt = Type.Object(
  {
    id: nullableText('Id of the event; null for a delta.'),
    position: nullable(POSITION, 'Number of the event in the whole log; null for a delta.'),
    sequence: nullable(SEQUENCE, 'Place of the event in its run; null for an event of no run.'),
    run_id: nullableText('The run it is about.'),
  },
  { title: 'Receipt', description: 'Where an event stands in the log.' },
)
export type Receipt = Static<typeof Receipt>
