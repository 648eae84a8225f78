// Causal chains: all events that share a correlation id, in order or as a tree of causes.
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
    'The oldest 5,000 events, without their data, in depth-first order; `depth` is enough to show the list as a tree.',
  params: ChainPath,
  query: query({}),
  replies: {
    200: Type.Object(
      {
        correlation_id: Type.String({ description: 'Id of the causal chain.' }),
        data: Type.Array(
          Type.Object(
            {
              id: uuid('Id of the event.'),
              depth: whole(0, COUNT_MAX, 'Depth in the tree: number of causes above it.'),
              parent_id: nullable(uuid('The event above it in the tree; null when its cause is not part of the tree.')),
              causation_id: nullable(uuid('The event that directly caused it, in this chain or another.')),
              type: Type.String({ description: 'What happened.' }),
              occurred_at: time('When it happened.'),
              actor_type: ACTOR_TYPE,
              actor_id: nullable(Type.String(), 'Id of the actor; null when Runyard itself acted.'),
              actor_name: nullable(
                Type.String(),
                'Name of the user who acted, as it is now; null for all other actors.',
              ),
              resource_type: nullable(Type.String(), 'Type of the resource it is about.'),
              resource_id: nullable(Type.String(), 'Id of the resource it is about.'),
              run_id: nullable(Type.String(), 'The run it is about.'),
              sequence: nullable(SEQUENCE, 'Position of the event within its run.'),
            },
            { title: 'EventNode' },
          ),
          { description: 'The events in depth-first order.' },
        ),
        truncated: flag('Whether the chain has more events than are returned.'),
      },
      { title: 'EventTree' },
    ),
  },
  refusals: ['correlation_not_found'],
})
