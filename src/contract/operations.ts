// What operators and their tools ask: is it alive, is it ready, how is it doing.
import { Type } from 'typebox'
import { RUN_STATES } from '#core/run.ts'
import { flag, jsonObject, nullable, oneOf, optional, time, whole } from './common.ts'
import { route } from './route.ts'

const tag = 'Operations'
const COUNT_MAX = Number.MAX_SAFE_INTEGER

export const getLive = route({
  method: 'GET',
  path: '/health/live',
  needs: 'nothing',
  tag,
  name: 'getLive',
  summary: 'Check that the process is alive.',
  replies: { 200: Type.Object({ status: oneOf(['ok'], 'It does.') }, { title: 'Live' }) },
})

const Readiness = Type.Object(
  {
    status: oneOf(['ready', 'not_ready'], 'Whether this node should be sent requests.'),
    checks: Type.Array(
      Type.Object({
        name: Type.String({
          description:
            'What is checked: the database, whether it takes writes (`database_writes`), a duty of the engine, Redis, how far project feeds (`tail`) and seals ' +
            '(`seals`) are behind the log, that the node is about to ' +
            'stop (`draining`), or that its own PostgreSQL has died and is started again (`database_restart`).',
        }),
        ok: flag('Whether it has succeeded lately.'),
        age_ms: nullable(
          whole(0, COUNT_MAX, ''),
          'Milliseconds since it last succeeded; null: not yet. Of `tail` and `seals`, the age of the oldest event that waits.',
        ),
        reason: optional(Type.String({ description: 'Why it fails, where that is known.' })),
        advisory: optional(flag('True for what is told and does not make the node unready.')),
      }),
      { description: 'One for each thing that must work, and those that are told beside them.' },
    ),
  },
  { title: 'Readiness' },
)

export const getReady = route({
  method: 'GET',
  path: '/health/ready',
  needs: 'nothing',
  tag,
  name: 'getReady',
  summary: 'Check readiness: 503 unless the database takes writes and all duties have succeeded recently.',
  replies: { 200: Readiness, 503: Readiness },
})

export const getMetrics = route({
  method: 'GET',
  path: '/metrics',
  needs: 'projects',
  orLocal: true,
  tag,
  name: 'getMetrics',
  summary: 'Get metrics in the Prometheus text format.',
  description:
    'They cover all projects. A caller on the same machine as the node needs no key, unless RUNYARD_METRICS_ADDRESS ' +
    'serves them elsewhere.',
  produces: 'text/plain; version=0.0.4; charset=utf-8',
  replies: { 200: Type.String({ description: 'Metrics.' }) },
})

export const getOpenapi = route({
  method: 'GET',
  path: '/openapi.json',
  needs: 'nothing',
  tag,
  name: 'getOpenapi',
  summary: 'Get this document.',
  replies: { 200: jsonObject('OpenAPI 3.1.') },
})

export const getStats = route({
  method: 'GET',
  path: '/v1/stats',
  needs: 'runs:read',
  tag,
  name: 'getStats',
  summary: "Get counts of the project's runs by state, and the backlog of each queue.",
  replies: {
    200: Type.Object(
      {
        as_of: time('When the counters were read.'),
        runs: Type.Object(
          Object.fromEntries(RUN_STATES.map((state) => [state, whole(0, COUNT_MAX, `Runs that are ${state}.`)])) as {
            [State in (typeof RUN_STATES)[number]]: ReturnType<typeof whole>
          },
          { description: 'Runs by state.', title: 'RunCounts' },
        ),
        queues: Type.Array(
          Type.Object({
            queue: Type.String({ description: 'The queue; @http is what Runyard itself dispatches.' }),
            queued: whole(0, COUNT_MAX, 'Runs that may be claimed now.'),
            delayed: whole(0, COUNT_MAX, 'Runs that wait for a time.'),
            executing: whole(0, COUNT_MAX, 'Attempts under way.'),
            oldest_age_ms: nullable(
              whole(0, COUNT_MAX, ''),
              'Milliseconds that the oldest has waited; null: none waits.',
            ),
          }),
          { description: 'One for each queue that has runs.' },
        ),
      },
      { title: 'Stats' },
    ),
  },
})
