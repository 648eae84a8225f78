// Chains of causes: all events that share a correlation, in order or as the tree of what caused what.
import { Type } from 'typebox'
import { flag, nullable, paging, query, time, uuid, whole } from './common.ts'
import { ACTOR_TYPE, SEQUENCE } from './event.ts'
import { EventList } from './events.ts'
import { route } from './route.ts'
import { CORRELATION_ID } from './runs/run.ts'

const tag = 'Events'
const COUNT_MAX = Number.MAX_SAFE_INTEGER

const ChainPath = Type.Object({ correlation_id: CORRELATION_ID })

export const listChain = route({
  method: 'GET',
  path: '/v1/events/correlation/:correlation_id',
  needs: 'events:read',
  tag,
  name: 'listChain',
  summary: 'List the events of a causal chain, oldest first.',
  params: ChainPath,
  query: query(paging),
  replies: { 200: EventList },
  refusals: ['correlation_not_found', 'invalid_cursor'],
})

export const readChainTree = route({
  method: 'GET',
  path: '/v1/events/correlation/:correlation_id/tree',
  needs: 'events:read',
  tag,
  name: 'readChainTree',
  summary: 'Get a causal chain as a tree: what caused what.',
  description:
    'The oldest 5,000 events, without their data, in depth-first order: with its depths, the list can be shown as it is.',
  params: ChainPath,
  query: query({}),
  replies: {
    200: Type.Object(
      {
        correlation_id: Type.String({ description: 'The chain.' }),
        data: Type.Array(
          Type.Object(
            {
              id: uuid('Id of the event.'),
              depth: whole(0, COUNT_MAX, 'How many causes stand above it.'),
              parent_id: nullable(uuid('The event that it stands below; null for one that nothing in here caused.')),
              causation_id: nullable(uuid('The event that directly caused it, in this chain or elsewhere.')),
              type: Type.String({ description: 'What happened.' }),
              occurred_at: time('When it happened.'),
              actor_type: ACTOR_TYPE,
              actor_id: nullable(Type.String(), 'The actor; null for the system itself.'),
              resource_type: nullable(Type.String(), 'Kind of thing it is about.'),
              resource_id: nullable(Type.String(), 'The thing it is about.'),
              run_id: nullable(Type.String(), 'The run it is about.'),
              sequence: nullable(SEQUENCE, 'Place of the event in its run.'),
            },
            { title: 'EventNode' },
          ),
          { description: 'The events, in the order of the tree.' },
        ),
        truncated: flag('True when the chain has more events, which are not shown.'),
      },
      { title: 'EventTree' },
    ),
  },
  refusals: ['correlation_not_found'],
})
