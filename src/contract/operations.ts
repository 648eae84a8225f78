// Health, metrics and counts, for operators and their tools.
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
  replies: { 200: Type.Object({ status: oneOf(['ok'], 'The process is alive.') }, { title: 'Live' }) },
})

const Readiness = Type.Object(
  {
    status: oneOf(['ready', 'not_ready'], 'Whether this node should be sent requests.'),
    checks: Type.Array(
      Type.Object({
        name: Type.String({
          description:
            'What is checked: the database, whether it accepts writes (`database_writes`), each background duty, Redis, how far project feeds (`tail`) and seals ' +
            '(`seals`) lag behind the log, whether the node is ' +
            'stopping (`draining`), and whether its embedded PostgreSQL is being restarted after a crash (`database_restart`).',
        }),
        ok: flag('Whether it succeeded recently.'),
        age_ms: nullable(
          whole(0, COUNT_MAX, ''),
          'Milliseconds since it last succeeded; null: never so far. For `tail` and `seals`: age of the oldest event that is not processed yet.',
        ),
        reason: optional(Type.String({ description: 'Why it fails, if known.' })),
        advisory: optional(flag('True for a check that is only reported and does not make the node unready.')),
      }),
      { description: 'All checks, required and advisory.' },
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
  summary: 'Check readiness: 503 unless the database accepts writes and all duties succeeded recently.',
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
    'They cover all projects. Callers on the same machine as the node need no key, unless RUNYARD_METRICS_ADDRESS ' +
    'serves them elsewhere.',
  produces: 'text/plain; version=0.0.4; charset=utf-8',
  replies: { 200: Type.String({ description: 'The metrics.' }) },
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
        pending_input_requests: whole(0, COUNT_MAX, 'Questions and approvals that wait for a person.'),
        queues: Type.Array(
          Type.Object({
            queue: Type.String({
              description: 'Name of the queue; @http holds the runs that Runyard dispatches itself.',
            }),
            queued: whole(0, COUNT_MAX, 'Runs that can be claimed now.'),
            delayed: whole(0, COUNT_MAX, 'Runs that are scheduled for later.'),
            executing: whole(0, COUNT_MAX, 'Attempts in progress.'),
            oldest_age_ms: nullable(
              whole(0, COUNT_MAX, ''),
              'Milliseconds that the oldest queued run has waited; null: no run is queued.',
            ),
          }),
          { description: 'One entry per queue that has runs.' },
        ),
      },
      { title: 'Stats' },
    ),
  },
})
