// The worker protocol: claim runs under leases, renew the leases, settle the runs. All in batches.

import { Type } from 'typebox'
import { YEAR_SECS } from '#core/durations.ts'
import { RUN_STATES } from '#core/run.ts'
import {
  anyJson,
  body,
  flag,
  INT_MAX,
  ItemError,
  metadata,
  nullable,
  OWN_RUN_ID,
  oneOf,
  optional,
  query,
  RUN_ID,
  seconds,
  tags,
  text,
  time,
  uuid,
  whole,
  withDefault,
} from '../common.ts'
import { PRIORITY, QUEUE } from '../job.ts'
import { route } from '../route.ts'

const tag = 'Workers'
const WORKER = text(128, 'Name of the worker, unique among running workers.', { minLength: 1 })
const LEASE_TOKEN = uuid('Fencing token of the attempt, from the claim.')
const MS_MAX = Number.MAX_SAFE_INTEGER

const ClaimedRun = Type.Object(
  {
    run: Type.Object(
      {
        id: RUN_ID,
        job_id: uuid('Id of the job.'),
        job_slug: Type.String({ description: 'Slug of the job.' }),
        job_version: whole(1, INT_MAX, 'Version of the job that the run is bound to.'),
        attempt: whole(1, INT_MAX, 'Number of this attempt.'),
        queue: Type.String({ description: 'Queue that it was claimed from.' }),
        priority: PRIORITY,
        correlation_id: Type.String({ description: 'Id of the causal chain.' }),
        tags: tags('Tags of the run.'),
        metadata: metadata('Metadata of the run.'),
        agent_id: nullable(Type.String(), 'The agent that the run acts for.'),
        timeout_secs: whole(1, INT_MAX, 'Timeout of the attempt, in seconds.'),
        created_at: time('When the run was triggered.'),
      },
      { description: 'The run.' },
    ),
    payload: anyJson('Payload of the run.'),
    lease_token: LEASE_TOKEN,
    lease_expires_in_ms: whole(0, MS_MAX, 'Milliseconds until the lease expires unless a heartbeat renews it.'),
    timeout_in_ms: whole(0, MS_MAX, 'Milliseconds until the attempt times out.'),
    run_token: Type.String({ description: 'Bearer token for the endpoints of a running attempt.' }),
    checkpoint: nullable(
      Type.Object({
        number: whole(1, INT_MAX, 'Number of the checkpoint.'),
        state: anyJson('The saved state.'),
        created_at: time('When it was saved.'),
      }),
      'The latest checkpoint, to continue from; null when there is none.',
    ),
    previous_error: nullable(Type.String(), 'Error of the previous attempt.'),
    traceparent: Type.String({
      description: 'W3C trace context of the run, as its trigger sent it or else made from its id.',
    }),
    preset: nullable(Type.String(), 'Name of the preset.'),
    environment: Type.Unsafe<Record<string, string>>({
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'Values of the preset, by name.',
    }),
  },
  { title: 'ClaimedRun' },
)

export const claimRuns = route({
  method: 'POST',
  path: '/v1/workers/claim',
  needs: 'workers',
  tag,
  name: 'claimRuns',
  mayWait: true,
  summary: 'Claim runs; waits up to `wait_secs` if none are ready.',
  body: body({
    worker_id: WORKER,
    queues: withDefault(
      Type.Array(QUEUE, { minItems: 1, maxItems: 64, uniqueItems: true, description: 'Queues to claim from.' }),
      ['default'],
    ),
    limit: withDefault(whole(1, 500, 'Maximum number of runs.'), 1),
    wait_secs: withDefault(
      seconds(
        0,
        60,
        'Long polling: if no run is ready, wait up to this many seconds, but at most 50, because proxies give up after 60.',
      ),
      0,
    ),
    lease_secs: withDefault(whole(5, 300, 'Seconds until a lease expires without a heartbeat.'), 15),
    buffer: withDefault(
      flag('Claim into a buffer (prefetch): the runs are only dequeued, and /v1/workers/start starts their attempts.'),
      false,
    ),
  }),
  replies: {
    200: Type.Object(
      { runs: Type.Array(ClaimedRun, { description: 'The claimed runs; empty when none was ready in time.' }) },
      { title: 'ClaimAnswer' },
    ),
  },
  refusals: ['overloaded'],
})

const Lease = body({ run_id: OWN_RUN_ID, lease_token: LEASE_TOKEN }, { title: 'Lease' })

export const SettleResult = Type.Object(
  {
    run_id: nullable(Type.String(), 'Id of the run; null when the item had none.'),
    status: nullable(oneOf(RUN_STATES, ''), 'Current state of the run; null when the item was refused.'),
    error: optional(ItemError),
  },
  { title: 'SettleResult' },
)

const SettleResults = Type.Object(
  { results: Type.Array(SettleResult, { description: 'One result per item, in request order.' }) },
  { title: 'SettleAnswer' },
)

export const startRuns = route({
  method: 'POST',
  path: '/v1/workers/start',
  needs: 'workers',
  tag,
  name: 'startRuns',
  summary: 'Start the attempts of runs that were claimed into a buffer.',
  body: body({ leases: Type.Array(Lease, { minItems: 1, maxItems: 500, description: 'The leases of the runs.' }) }),
  replies: { 200: SettleResults },
})

export const heartbeatWorker = route({
  method: 'POST',
  path: '/v1/workers/heartbeat',
  needs: 'workers',
  tag,
  name: 'heartbeatWorker',
  summary: 'Renew all held leases, and learn which runs to stop, pause or return.',
  body: body({
    worker_id: WORKER,
    leases: Type.Array(Lease, { maxItems: 2000, description: 'All leases that the worker holds.' }),
  }),
  replies: {
    200: Type.Object(
      {
        leases: Type.Array(
          Type.Object({
            run_id: RUN_ID,
            told: oneOf(
              ['continue', 'pause', 'stop', 'drain'],
              'continue: keep working. pause: save a checkpoint, then settle as paused. stop: the lease is lost, drop the work. ' +
                'drain: finish or return it soon.',
            ),
            lease_expires_in_ms: whole(0, MS_MAX, 'Milliseconds until the lease expires unless it is renewed.'),
          }),
          { description: 'One entry per lease, in request order.' },
        ),
      },
      { title: 'WorkerHeartbeatAnswer' },
    ),
  },
})

export const Settlement = body(
  {
    run_id: OWN_RUN_ID,
    lease_token: LEASE_TOKEN,
    outcome: oneOf(
      ['completed', 'failed', 'paused', 'returned'],
      'completed, failed, paused (on request), or returned to its queue unfinished.',
    ),
    result: optional(anyJson('With completed: result of the run.')),
    error: optional(
      Type.Unsafe<string | Record<string, unknown>>({
        type: ['string', 'object'],
        description: 'With failed: what went wrong, as a message or an object.',
      }),
    ),
    error_code: optional(text(128, 'With failed: stable code of the error.', { minLength: 1 })),
    retryable: withDefault(flag('With failed: whether another attempt may succeed.'), true),
    retry_in_secs: optional(
      seconds(
        0,
        YEAR_SECS,
        "With failed: retry after this many seconds instead of the policy's delay, at most retry_max_delay_secs.",
      ),
    ),
  },
  {
    title: 'Settlement',
    examples: [
      {
        run_id: '019a6b3e-8f10-7c52-9a41-3f6f2d9f5f01',
        lease_token: '019a6b3e-8f55-7d10-8b1c-0c9a7a6f1e22',
        outcome: 'completed',
        result: { pages: 12 },
      },
    ],
  },
)

export const settleRuns = route({
  method: 'POST',
  path: '/v1/workers/settle',
  needs: 'workers',
  tag,
  name: 'settleRuns',
  summary: 'Settle up to 500 attempts, with one result each.',
  description: 'A refused settlement, such as one whose lease has ended, does not affect the others.',
  body: body({
    settlements: Type.Array(Settlement, { minItems: 1, maxItems: 500, description: 'Outcomes of the attempts.' }),
  }),
  bodyBytesMax: 16 * 1024 * 1024,
  itemwise: 'settlements',
  itemBytesMax: 1024 * 1024,
  replies: { 200: SettleResults },
})

export const listWorkers = route({
  method: 'GET',
  path: '/v1/workers',
  needs: 'runs:read',
  tag,
  name: 'listWorkers',
  summary: 'List the workers and nodes that execute runs now, and the queues that workers claim from.',
  query: query({}),
  replies: {
    200: Type.Object(
      {
        data: Type.Array(
          Type.Object({
            id: Type.String({ description: 'Name of the worker; of a node, its own name.' }),
            kind: oneOf(['worker', 'node'], 'node: Runyard itself, which calls HTTP endpoints.'),
            queues: Type.Array(Type.String(), { description: 'Queues of the runs that it executes.' }),
            held: whole(0, INT_MAX, 'Number of runs that it executes.'),
            run_ids: Type.Array(Type.String(), {
              description: 'Internal ids of the runs, longest running first; 10 at most.',
            }),
            oldest_claim_at: time('When it claimed the first of them.'),
            seen_at: time('When its last heartbeat came.'),
          }),
          {
            description:
              'Those that hold leases, most leases first; 500 at most. A worker that waits for runs holds none.',
          },
        ),
        queues: Type.Array(
          Type.Object({
            queue: Type.String({ description: 'Name of the queue.' }),
            last_claim_at: time('When a worker last asked for runs of it.'),
          }),
          { description: 'Queues that workers asked for runs within the last day, latest first; 500 at most.' },
        ),
      },
      { title: 'WorkerList' },
    ),
  },
})
