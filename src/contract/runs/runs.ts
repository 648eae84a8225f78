// Runs: trigger one or many, list and get them, and explain why one is not progressing.
import { Type } from 'typebox'
import {
  body,
  commaList,
  ItemError,
  JOB,
  JobPath,
  ORDER,
  oneOf,
  optional,
  paging,
  query,
  RUN_ID,
  RunPath,
  time,
  uuid,
  whole,
  withDefault,
} from '../common.ts'
import { QUEUE } from '../job.ts'
import { route } from '../route.ts'
import { AGENT_ID, RUN_STATUS, Run, RunInput, RunList, Why } from './run.ts'
import { runFilter } from './run-filter.ts'

const tag = 'Runs'
export const TRIGGER_REFUSALS = [
  'job_not_found',
  'job_paused',
  'job_disabled',
  'job_external',
  'job_rate_limited',
  'run_not_found',
  'depth_exceeded',
  'preset_not_found',
] as const

export const triggerRun = route({
  method: 'POST',
  path: '/v1/jobs/:job/runs',
  needs: 'runs:trigger',
  tag,
  name: 'triggerRun',
  // A repeated key is answered with the run itself.
  keepsReply: false,
  ownKey: true,
  summary: 'Trigger a run of a job.',
  description:
    'With an idempotency key, in the Idempotency-Key header or the body, the same key and payload are answered with 200, ' +
    'the first run and `replayed: true`; a different payload with 409. The key is kept for 24 hours after the run ends, ' +
    'and is free again immediately if the run fails. A trigger that the debounce of its job merges into a run that is yet ' +
    'to start is answered with 200, that run and `debounced: true`; one beyond the rate limit of its job with 429.',
  params: JobPath,
  body: RunInput,
  bodyOptional: true,
  replies: { 201: Run, 200: Run },
  refusals: [...TRIGGER_REFUSALS, 'idempotency_mismatch'],
})

export const triggerRuns = route({
  method: 'POST',
  path: '/v1/jobs/:job/runs/batch',
  needs: 'runs:trigger',
  tag,
  name: 'triggerRuns',
  summary: 'Trigger up to 500 runs of a job, with one result each.',
  description: 'A refused item does not affect the others.',
  params: JobPath,
  body: body({
    items: Type.Array(RunInput, { minItems: 1, maxItems: 500, description: 'The runs to trigger.' }),
  }),
  bodyBytesMax: 16 * 1024 * 1024,
  itemwise: 'items',
  itemBytesMax: 1024 * 1024,
  replies: {
    200: Type.Object(
      {
        batch_id: uuid('Id of the batch; the batch_id of its runs.'),
        results: Type.Array(
          Type.Object({
            index: whole(0, 499, 'Index of the item in the request, from 0.'),
            status: oneOf(['created', 'replayed', 'debounced', 'refused'], 'Result for the item.'),
            run: optional(Type.Object({ id: RUN_ID, status: RUN_STATUS }, { description: 'The run, unless refused.' })),
            error: optional(ItemError),
          }),
          { description: 'One result per item, in request order.' },
        ),
        total: whole(0, 500, 'Items in the request.'),
        created: whole(0, 500, 'Runs that were created.'),
        replayed: whole(0, 500, 'Items whose idempotency key returned an earlier run.'),
        debounced: whole(0, 500, 'Items that were merged into a run that is yet to start.'),
        refused: whole(0, 500, 'Items that were refused.'),
      },
      { title: 'BatchResult' },
    ),
  },
  refusals: ['job_not_found', 'job_paused', 'job_disabled', 'job_external', 'job_rate_limited'],
})

export const listRuns = route({
  method: 'GET',
  path: '/v1/runs',
  needs: 'runs:read',
  tag,
  name: 'listRuns',
  summary: 'List runs, newest first; filters combine with AND.',
  description:
    'A page examines at most 5,000 runs. If few of them match, it has fewer than `limit` items, or none, with ' +
    '`has_more: true`; the next page continues from there.',
  query: query({
    ...runFilter,
    ...paging,
  }),
  replies: { 200: RunList },
  refusals: ['invalid_cursor', 'job_not_found'],
})

export const listDeadLetters = route({
  method: 'GET',
  path: '/v1/runs/dlq',
  needs: 'runs:read',
  tag,
  name: 'listDeadLetters',
  summary: 'List the dead letters: runs whose retries are exhausted, kept until they are redriven or dismissed.',
  query: query({
    job: optional(JOB),
    queue: optional(QUEUE),
    agent_id: optional(AGENT_ID),
    order: ORDER('desc'),
    ...paging,
  }),
  replies: { 200: RunList },
  refusals: ['invalid_cursor', 'job_not_found'],
})

export const getRun = route({
  method: 'GET',
  path: '/v1/runs/:run_id',
  needs: 'runs:read',
  orRunToken: 'of_parent',
  tag,
  name: 'getRun',
  summary: 'Get a run.',
  description: 'The token of a running attempt gets its own run and the children of it; other runs are not found.',
  params: RunPath,
  query: query({
    include: withDefault(
      commaList(oneOf(['payload', 'result'], 'Name of a body.'), 2, 'Bodies to include; `include=` for none.'),
      ['payload', 'result'],
    ),
  }),
  replies: { 200: Run },
  refusals: ['run_not_found'],
})

export const whyRun = route({
  method: 'GET',
  path: '/v1/runs/:run_id/why',
  needs: 'runs:read',
  tag,
  name: 'whyRun',
  summary: 'Explain why a run is not progressing, and what would move it.',
  params: RunPath,
  replies: { 200: Why },
  refusals: ['run_not_found'],
})

export const listChildren = route({
  method: 'GET',
  path: '/v1/runs/:run_id/children',
  needs: 'runs:read',
  orRunToken: true,
  tag,
  name: 'listChildren',
  summary: 'List the children of a run, newest first.',
  params: RunPath,
  query: query(paging),
  replies: { 200: RunList },
  refusals: ['run_not_found', 'invalid_cursor'],
})

export const listLineage = route({
  method: 'GET',
  path: '/v1/runs/:run_id/lineage',
  needs: 'runs:read',
  tag,
  name: 'listLineage',
  summary: 'List the runs that a run continues and that continue it, in order.',
  params: RunPath,
  query: query(paging),
  replies: { 200: RunList },
  refusals: ['run_not_found', 'invalid_cursor'],
})

const VIEW_SECS_MAX = 3600

export const createViewToken = route({
  method: 'POST',
  path: '/v1/runs/:run_id/tokens',
  needs: 'runs:read',
  tag,
  name: 'createViewToken',
  keepsReply: false,
  summary: 'Create a short-lived token that can only read this run, for use in a browser.',
  description:
    'Send it as `Authorization: Bearer <token>`: it reads the run, its events, streams, children, records and state values. ' +
    'It cannot be revoked, and streams opened with it end when it expires. Pages of another origin need `RUNYARD_CORS_ORIGINS`.',
  params: RunPath,
  body: body({
    expires_in_secs: withDefault(
      whole(10, VIEW_SECS_MAX, 'Seconds until it expires: defaults to 15 minutes, at most an hour.'),
      900,
    ),
  }),
  bodyOptional: true,
  replies: {
    201: Type.Object(
      {
        token: Type.String({ description: 'The token.' }),
        run_id: RUN_ID,
        expires_at: time('When it expires.'),
      },
      { title: 'ViewToken' },
    ),
  },
  refusals: ['run_not_found'],
})
