// What Strait's Runs API does to runs, one or many, and the list of all its 28 operations.
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

/** Each id has a result of its own, so one that is nobody's is no error of the request. */
const ids = (countMax: number, countMin = 1) =>
  Type.Array(text(256, 'Id of a run.'), { minItems: countMin, maxItems: countMax, description: 'Ids of the runs.' })

/** Longer than is taken, so that the refusal of a long list can be in the product's own words. */
const LONG_IDS = Type.Array(text(256, 'Id of a run.'), {
  maxItems: 10_000,
  description: 'Ids of the runs; 100 at most.',
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
  summary: 'Do a failed run again, as a new run.',
  params: RunPath,
  query: query({ from_checkpoint: optional(whole(1, INT_MAX, 'Begin from this checkpoint of the old run.')) }),
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
  summary: 'Queue a dead-lettered run again, its attempts counted anew.',
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
  summary: 'Free the idempotency key of a run; fine when it has none.',
  params: RunPath,
  replies: {
    200: Type.Object(
      { status: oneOf(['reset'], 'The key may be used again.'), run_id: Type.String({ description: 'The run.' }) },
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
  summary: 'Give a run that has not begun another time.',
  params: RunPath,
  body: bodyOf({
    scheduled_at: time('When it is to begin; a past time means now, a year ahead is the most.'),
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
  summary: 'Pause an executing run; answers when it is paused, or was given its time to be.',
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
  summary: 'Queue a paused run again, to go on from its latest checkpoint.',
  params: RunPath,
  replies: RUN_REPLY,
  refusals: ['run_not_found', 'wrong_state'],
})

export const restartRun = route({
  ...write,
  method: 'POST',
  path: '/v1/runs/:run_id/restart',
  name: 'restartRun',
  summary: 'Begin an executing or paused run anew, with another preset if one is named.',
  params: RunPath,
  body: bodyOf({ machine_preset: optional(nullable(text(64, ''), 'Name of the preset; null or nothing: as it is.')) }),
  bodyOptional: true,
  replies: RUN_REPLY,
  refusals: ['run_not_found', 'wrong_state'],
})

export const debugRun = route({
  ...write,
  method: 'POST',
  path: '/v1/runs/:run_id/debug',
  name: 'debugRun',
  summary: 'Mark a run for inspection, or take the mark away.',
  params: RunPath,
  body: bodyOf({ debug_mode: withDefault(flag('Whether the run is marked.'), false) }),
  bodyOptional: true,
  replies: { 200: OK },
  refusals: ['run_not_found'],
})

const BulkCancelResponse = Type.Object(
  {
    results: Type.Array(
      Type.Object(
        {
          id: Type.String({ description: 'Id of the run, as it was given.' }),
          status: Type.String({ description: 'Its state now, or failed when there is no such run.' }),
          error: optional(Type.String({ description: 'Why it was not canceled.' })),
        },
        { title: 'BulkCancelResult' },
      ),
      { description: 'Those that were not canceled first.' },
    ),
    total: whole(0, INT_MAX, 'Runs in the request, each once.'),
    canceled: whole(0, INT_MAX, 'Runs that are canceled.'),
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
  summary: 'Cancel all runs that match the filters and are not over; 10,000 at most.',
  query: query(ofProject),
  description: 'An empty filter is none. A filter that is not known is refused: passed over, it would cancel too much.',
  body: body({
    job_id: optional(text(64, 'Runs of this job.')),
    batch_id: optional(text(64, 'Runs of this batch, a UUID.')),
    triggered_by: optional(oneOf([...STRAIT_TRIGGERS, ''], 'Runs that were triggered in this way.')),
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
  summary: 'Do up to 100 failed runs again; answers the new runs, and leaves out what cannot be replayed.',
  body: bodyOf({ run_ids: ids(100) }),
  replies: { 200: Type.Array(JobRun) },
})

export const redriveRuns = route({
  ...write,
  needs: 'runs:redrive',
  method: 'POST',
  path: '/v1/runs/bulk-dlq-replay',
  name: 'redriveRuns',
  summary: 'Queue dead-lettered runs again: those that are named, or the oldest of the project.',
  body: bodyOf({
    run_ids: optional(nullable(ids(500, 0))),
    ...ofProject,
    limit: withDefault(whole(0, 500, 'With project_id: how many; 0 is 100.'), 0),
  }),
  bodyOptional: true,
  replies: {
    200: Type.Object(
      {
        replayed: Type.Array(JobRun, { description: 'The runs that are queued again.' }),
        count: whole(0, 500, 'How many they are.'),
      },
      { title: 'BulkDLQReplayResponse' },
    ),
  },
  refusals: ['run_not_found', 'wrong_state'],
})

/** In the order of Strait's page. */
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
