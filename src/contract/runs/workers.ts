// The worker protocol: claim runs under leases, keep the leases, settle the runs. All of it in batches.
import { Type } from 'typebox'
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
  RUN_ID,
  seconds,
  tags,
  text,
  time,
  uuid,
  whole,
  withDefault,
  YEAR_SECS,
} from '../common.ts'
import { PRIORITY, QUEUE } from '../job.ts'
import { route } from '../route.ts'

const tag = 'Workers'
const WORKER = text(128, 'Name of the worker, unique among those that run.', { minLength: 1 })
const LEASE_TOKEN = uuid('The fence of the attempt, from the claim.')
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
        correlation_id: Type.String({ description: 'Shared by the whole chain of causes.' }),
        tags: tags('Tags of the run.'),
        metadata: metadata('Metadata of the run.'),
        agent_id: nullable(Type.String(), 'The agent that the run acts for.'),
        timeout_secs: whole(1, INT_MAX, 'Seconds that the attempt may take.'),
        created_at: time('When the run was triggered.'),
      },
      { description: 'The run.' },
    ),
    payload: anyJson('What the run works on.'),
    lease_token: LEASE_TOKEN,
    lease_expires_in_ms: whole(0, MS_MAX, 'Milliseconds until the lease ends unless a heartbeat renews it.'),
    timeout_in_ms: whole(0, MS_MAX, 'Milliseconds until the attempt times out.'),
    run_token: Type.String({ description: 'Bearer token for what a running attempt may call.' }),
    checkpoint: nullable(
      Type.Object({
        number: whole(1, INT_MAX, 'Number of the checkpoint.'),
        state: anyJson('The state that was kept.'),
        created_at: time('When it was written.'),
      }),
      'The latest checkpoint, to begin from; null for none.',
    ),
    previous_error: nullable(Type.String(), 'What the attempt before it failed with.'),
    preset: nullable(Type.String(), 'The preset that it is executed with.'),
    environment: Type.Unsafe<Record<string, string>>({
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'Values of that preset, by name.',
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
  summary: 'Claim runs; waits up to `wait_secs` if none are ready.',
  body: body({
    worker_id: WORKER,
    queues: withDefault(
      Type.Array(QUEUE, { minItems: 1, maxItems: 64, uniqueItems: true, description: 'Queues to claim from.' }),
      ['default'],
    ),
    limit: withDefault(whole(1, 500, 'Runs at most.'), 1),
    wait_secs: withDefault(
      seconds(0, 60, 'Wait this many seconds for a run when there is none, but 50 at most: proxies give up after 60.'),
      0,
    ),
    lease_secs: withDefault(whole(5, 300, 'Seconds that a lease lasts without a heartbeat.'), 15),
    buffer: withDefault(
      flag('Claim into a buffer: the runs are dequeued, and /v1/workers/start begins their attempts.'),
      false,
    ),
  }),
  replies: {
    200: Type.Object(
      { runs: Type.Array(ClaimedRun, { description: 'The runs; empty when there was none in time.' }) },
      { title: 'ClaimAnswer' },
    ),
  },
  refusals: ['overloaded'],
})

const Lease = body({ run_id: OWN_RUN_ID, lease_token: LEASE_TOKEN }, { title: 'Lease' })

export const SettleResult = Type.Object(
  {
    run_id: nullable(Type.String(), 'Id of the run; null when the item named none.'),
    status: nullable(oneOf(RUN_STATES, ''), 'State of the run now; null when it was refused.'),
    error: optional(ItemError),
  },
  { title: 'SettleResult' },
)

const SettleResults = Type.Object(
  { results: Type.Array(SettleResult, { description: 'One for each item, in the order of the request.' }) },
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
  summary: 'Renew all leases held, and learn which runs to stop, pause or give back.',
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
              'continue: go on. pause: checkpoint, then settle as paused. stop: the lease is gone, drop the work. ' +
                'drain: finish or return it soon.',
            ),
            lease_expires_in_ms: whole(0, MS_MAX, 'Milliseconds until the lease ends unless it is renewed.'),
          }),
          { description: 'One for each lease, in the order of the request.' },
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
      'completed, failed, paused after having been told to, or returned to its queue unfinished.',
    ),
    result: optional(anyJson('With completed: what the run gave.')),
    error: optional(
      Type.Unsafe<string | Record<string, unknown>>({
        type: ['string', 'object'],
        description: 'With failed: what went wrong, a sentence or an object.',
      }),
    ),
    error_code: optional(text(128, 'With failed: stable code of what went wrong.', { minLength: 1 })),
    retryable: withDefault(flag('With failed: whether another attempt may help.'), true),
    retry_in_secs: optional(
      seconds(
        0,
        YEAR_SECS,
        "With failed: retry after this many seconds instead of the policy's delay; retry_max_delay_secs is the most.",
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
    settlements: Type.Array(Settlement, { minItems: 1, maxItems: 500, description: 'What became of the attempts.' }),
  }),
  bodyBytesMax: 16 * 1024 * 1024,
  itemwise: 'settlements',
  itemBytesMax: 1024 * 1024,
  replies: { 200: SettleResults },
})
