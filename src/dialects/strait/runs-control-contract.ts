// The controls of Strait's Runs API, for one run or many, and the list of all its 28 operations.
import { Type } from 'typebox'
import {
  anyJson,
  body,
  flag,
  INT_MAX,
  nullable,
  oneOf,
  optional,
  RunPath,
  text,
  time,
  whole,
  withDefault,
} from '#contract/common.ts'
import { type Route, route } from '#contract/route.ts'
import { RUN_STATES } from '#core/run.ts'
import { bodyOf, ofProject, query } from './paging.ts'
import { JobRun, OK, STRAIT_TRIGGERS } from './run-wire.ts'
import * as reads from './runs-contract.ts'

const tag = 'Runs'
const write = { needs: 'runs:write', tag } as const
const NO_BODY = { body: bodyOf({}), bodyOptional: true } as const
const RUN_REPLY = { 200: JobRun } as const
const ACCEPTED = { 202: JobRun } as const

/** Each id has its own result, so an unknown id is not an error of the request. */
const ids = (countMax: number, countMin = 1) =>
  Type.Array(text(256, 'Id of a run.'), { minItems: countMin, maxItems: countMax, description: 'Ids of the runs.' })

/** The schema allows longer lists than the API, so that too long a list is refused in the product's own words. */
const LONG_IDS = Type.Array(text(256, 'Id of a run.'), {
  maxItems: 10_000,
  description: 'Ids of the runs; at most 100.',
})

export const cancelRun = route({
  ...write,
  ...NO_BODY,
  method: 'DELETE',
  path: '/v1/runs/:run_id',
  name: 'cancelRun',
  summary: 'Cancel a run and its children.',
  params: RunPath,
  replies: { 204: null },
  refusals: ['run_not_found'],
})

export const replayRun = route({
  ...write,
  ...NO_BODY,
  method: 'POST',
  path: '/v1/runs/:run_id/replay',
  name: 'replayRun',
  summary: 'Replay a failed run as a new run.',
  params: RunPath,
  query: query({ from_checkpoint: optional(whole(1, INT_MAX, 'Start from this checkpoint of the original run.')) }),
  replies: ACCEPTED,
  refusals: ['run_not_found', 'checkpoint_not_found', 'payload_gone', 'job_paused', 'invalid'],
})

export const redriveRun = route({
  ...write,
  needs: 'runs:redrive',
  ...NO_BODY,
  method: 'POST',
  path: '/v1/runs/:run_id/dlq-replay',
  name: 'redriveRun',
  summary: 'Redrive a dead-lettered run: queue it again, with its attempts counted from 1.',
  params: RunPath,
  replies: ACCEPTED,
  refusals: ['run_not_found', 'wrong_state'],
})

export const resetIdempotencyKey = route({
  ...write,
  ...NO_BODY,
  method: 'DELETE',
  path: '/v1/runs/:run_id/idempotency-key',
  name: 'resetIdempotencyKey',
  summary: 'Release the idempotency key of a run, if it has one.',
  params: RunPath,
  replies: {
    200: Type.Object(
      { status: oneOf(['reset'], 'The key can be used again.'), run_id: Type.String({ description: 'The run.' }) },
      { title: 'IdempotencyReset' },
    ),
  },
  refusals: ['run_not_found'],
})

export const rescheduleRun = route({
  ...write,
  method: 'POST',
  path: '/v1/runs/:run_id/reschedule',
  name: 'rescheduleRun',
  summary: 'Reschedule a run that has not started.',
  params: RunPath,
  body: bodyOf({
    scheduled_at: time('When to start; a time in the past means now. At most a year ahead.'),
    payload: optional(anyJson('Replaces the payload.')),
  }),
  replies: RUN_REPLY,
  refusals: ['run_not_found'],
})

export const pauseRun = route({
  ...write,
  ...NO_BODY,
  method: 'POST',
  path: '/v1/runs/:run_id/pause',
  name: 'pauseRun',
  summary: 'Pause an executing run; responds once it is paused, or after the grace period.',
  params: RunPath,
  replies: RUN_REPLY,
  refusals: ['run_not_found', 'wrong_state'],
})

export const resumeRun = route({
  ...write,
  ...NO_BODY,
  method: 'POST',
  path: '/v1/runs/:run_id/resume',
  name: 'resumeRun',
  summary: 'Resume a paused run; it is queued, and continues from its latest checkpoint.',
  params: RunPath,
  replies: RUN_REPLY,
  refusals: ['run_not_found', 'wrong_state'],
})

export const restartRun = route({
  ...write,
  method: 'POST',
  path: '/v1/runs/:run_id/restart',
  name: 'restartRun',
  summary: 'Restart an executing or paused run from the beginning, optionally with another preset.',
  params: RunPath,
  body: bodyOf({ machine_preset: optional(nullable(text(64, ''), 'Name of the preset; null or empty: unchanged.')) }),
  bodyOptional: true,
  replies: RUN_REPLY,
  refusals: ['run_not_found', 'wrong_state'],
})

export const debugRun = route({
  ...write,
  method: 'POST',
  path: '/v1/runs/:run_id/debug',
  name: 'debugRun',
  summary: 'Turn debug mode of a run on or off.',
  params: RunPath,
  body: bodyOf({ debug_mode: withDefault(flag('Whether debug mode is on.'), false) }),
  bodyOptional: true,
  replies: { 200: OK },
  refusals: ['run_not_found'],
})

const BulkCancelResponse = Type.Object(
  {
    results: Type.Array(
      Type.Object(
        {
          id: Type.String({ description: 'Id of the run, as it was sent.' }),
          status: Type.String({ description: 'Current state of the run, or failed when it was not found.' }),
          error: optional(Type.String({ description: 'Why it was not canceled.' })),
        },
        { title: 'BulkCancelResult' },
      ),
      { description: 'One result per run; those that were not canceled come first.' },
    ),
    total: whole(0, INT_MAX, 'Distinct runs in the request.'),
    canceled: whole(0, INT_MAX, 'Runs that were canceled.'),
    failed: whole(0, INT_MAX, 'Runs that could not be canceled.'),
  },
  { title: 'BulkCancelResponse' },
)

export const cancelRuns = route({
  ...write,
  method: 'POST',
  path: '/v1/runs/bulk-cancel',
  name: 'cancelRuns',
  summary: 'Cancel up to 100 runs.',
  body: bodyOf({ run_ids: optional(LONG_IDS), ids: optional(LONG_IDS) }),
  bodyOptional: true,
  replies: { 200: BulkCancelResponse },
})

export const cancelMatching = route({
  ...write,
  method: 'POST',
  path: '/v1/runs/bulk-cancel-all',
  name: 'cancelMatching',
  summary: 'Cancel all runs that match the filters and have not ended; at most 10,000.',
  query: query(ofProject),
  description:
    'Empty filters are ignored. Unknown filters are refused: if they were ignored, too much would be canceled.',
  body: body({
    job_id: optional(text(64, 'Runs of this job.')),
    batch_id: optional(text(64, 'Runs of this batch (a UUID).')),
    triggered_by: optional(oneOf([...STRAIT_TRIGGERS, ''], 'Runs with this trigger.')),
    status: optional(oneOf([...RUN_STATES, ''], 'Runs in this state.')),
  }),
  bodyOptional: true,
  replies: { 200: BulkCancelResponse },
  refusals: ['job_not_found'],
})

export const replayRuns = route({
  ...write,
  method: 'POST',
  path: '/v1/runs/bulk-replay',
  name: 'replayRuns',
  summary: 'Replay up to 100 failed runs; responds with the new runs and omits runs that cannot be replayed.',
  body: bodyOf({ run_ids: ids(100) }),
  replies: { 200: Type.Array(JobRun) },
})

export const redriveRuns = route({
  ...write,
  needs: 'runs:redrive',
  method: 'POST',
  path: '/v1/runs/bulk-dlq-replay',
  name: 'redriveRuns',
  summary: 'Redrive dead-lettered runs: the listed ones, or the oldest of the project.',
  body: bodyOf({
    run_ids: optional(nullable(ids(500, 0))),
    ...ofProject,
    limit: withDefault(whole(0, 500, 'With project_id: how many; 0 means 100.'), 0),
  }),
  bodyOptional: true,
  replies: {
    200: Type.Object(
      {
        replayed: Type.Array(JobRun, { description: 'The runs that were queued again.' }),
        count: whole(0, 500, 'Number of those runs.'),
      },
      { title: 'BulkDLQReplayResponse' },
    ),
  },
  refusals: ['run_not_found', 'wrong_state'],
})

/** In the order of Strait's documentation. */
export const RUN_ROUTES: readonly Route[] = [
  reads.listRuns,
  reads.listDeadLetters,
  cancelRuns,
  reads.getRun,
  cancelRun,
  replayRun,
  redriveRun,
  redriveRuns,
  cancelMatching,
  replayRuns,
  reads.streamRun,
  reads.listChildren,
  reads.listEvents,
  reads.listCheckpoints,
  reads.listUsage,
  reads.listToolCalls,
  reads.listOutputs,
  reads.getDebugBundle,
  debugRun,
  reads.listLineage,
  reads.getDependencyStatus,
  resetIdempotencyKey,
  rescheduleRun,
  pauseRun,
  resumeRun,
  restartRun,
  reads.streamChunks,
  reads.listState,
]
