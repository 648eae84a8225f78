// Controlling runs, one or many: cancel, reschedule, pause, resume, restart, replay, redrive.
import { Type } from 'typebox'
import {
  anyJson,
  body,
  flag,
  INT_MAX,
  JOB,
  metadata,
  oneOf,
  optional,
  RUN_ID,
  RunPath,
  tags,
  text,
  time,
  whole,
} from '../common.ts'
import { route } from '../route.ts'
import { Run, RunResult, runSettings } from './run.ts'

const tag = 'Runs'
const Reason = body({ reason: optional(text(500, 'Why; stored in the event log.')) })
const RunIds = Type.Array(RUN_ID, { minItems: 1, maxItems: 500, description: 'Ids of the runs.' })

export const cancelRun = route({
  method: 'DELETE',
  path: '/v1/runs/:run_id',
  needs: 'runs:write',
  tag,
  name: 'cancelRun',
  summary: 'Cancel a run and its children, or dismiss a dead letter.',
  description:
    'A request in flight is aborted, and a worker is told to stop. Canceling a canceled run is not an error. A dead letter ' +
    'becomes `failed`, keeps its error, and can no longer be redriven.',
  params: RunPath,
  body: Reason,
  bodyOptional: true,
  replies: { 200: Run },
  refusals: ['run_not_found', 'run_over'],
})

export const rescheduleRun = route({
  method: 'POST',
  path: '/v1/runs/:run_id/reschedule',
  needs: 'runs:write',
  tag,
  name: 'rescheduleRun',
  summary: 'Reschedule a run that has not started.',
  params: RunPath,
  body: body({
    scheduled_at: time('When to start; a time in the past means now. At most a year ahead.'),
    payload: optional(anyJson('Replaces the payload.')),
  }),
  replies: { 200: Run },
  refusals: ['run_not_found', 'run_over', 'wrong_state'],
})

export const pauseRun = route({
  method: 'POST',
  path: '/v1/runs/:run_id/pause',
  needs: 'runs:write',
  tag,
  name: 'pauseRun',
  summary: 'Pause an executing run: its executor is asked to save a checkpoint and stop.',
  params: RunPath,
  body: Reason,
  bodyOptional: true,
  replies: { 200: Run },
  refusals: ['run_not_found', 'run_over', 'run_external', 'wrong_state'],
})

export const resumeRun = route({
  method: 'POST',
  path: '/v1/runs/:run_id/resume',
  needs: 'runs:write',
  tag,
  name: 'resumeRun',
  summary: 'Resume a paused run; it is queued, and continues from its latest checkpoint.',
  params: RunPath,
  body: body({}),
  bodyOptional: true,
  replies: { 200: Run },
  refusals: ['run_not_found', 'run_over', 'wrong_state'],
})

export const restartRun = route({
  method: 'POST',
  path: '/v1/runs/:run_id/restart',
  needs: 'runs:write',
  tag,
  name: 'restartRun',
  summary:
    'Restart an executing or paused run from the beginning, without its checkpoints, optionally with other settings.',
  description: 'The attempt in progress loses its lease: its request is aborted and its late writes are refused.',
  params: RunPath,
  body: body({ preset: optional(text(63, 'Name of a preset; see /v1/presets.', { minLength: 1 })) }),
  bodyOptional: true,
  replies: { 200: Run },
  refusals: ['run_not_found', 'run_over', 'run_external', 'wrong_state', 'preset_not_found'],
})

export const replayRun = route({
  method: 'POST',
  path: '/v1/runs/:run_id/replay',
  needs: 'runs:write',
  tag,
  name: 'replayRun',
  summary: 'Replay a run as a new run; `replayed_from` names the original.',
  description:
    'The new run has the payload and the settings of the original, except for those that the body sets, and the current ' +
    'version of its job. A replay with a payload of its own also works when the original payload is past its retention period.',
  params: RunPath,
  body: body({
    from_checkpoint: optional(
      whole(1, INT_MAX, 'Start from this checkpoint of the original run; cannot be combined with payload.'),
    ),
    payload: optional(anyJson('Replaces the payload; must be valid under the payload schema of the job.')),
    tags: optional(tags("Replaces the tags, and is merged over the job's.")),
    metadata: optional(metadata("Replaces the metadata, and is merged over the job's.")),
    ...runSettings,
  }),
  bodyOptional: true,
  replies: { 201: Run },
  refusals: [
    'run_not_found',
    'wrong_state',
    'payload_gone',
    'checkpoint_not_found',
    'job_not_found',
    'job_paused',
    'job_disabled',
    'job_external',
  ],
})

export const redriveRun = route({
  method: 'POST',
  path: '/v1/runs/:run_id/dlq-replay',
  needs: 'runs:redrive',
  tag,
  name: 'redriveRun',
  summary: 'Redrive a dead letter: the same run again, with its attempts counted from 1.',
  params: RunPath,
  body: body({}),
  bodyOptional: true,
  replies: { 200: Run },
  refusals: ['run_not_found', 'wrong_state'],
})

export const resetIdempotencyKey = route({
  method: 'DELETE',
  path: '/v1/runs/:run_id/idempotency-key',
  needs: 'runs:write',
  tag,
  name: 'resetIdempotencyKey',
  summary: 'Release the idempotency key of a run, so that it can be used again.',
  params: RunPath,
  replies: {
    200: Type.Object(
      { status: oneOf(['reset'], 'The key is free, also if the run had none.'), run_id: RUN_ID },
      { title: 'IdempotencyReset' },
    ),
  },
  refusals: ['run_not_found'],
})

export const debugRun = route({
  method: 'POST',
  path: '/v1/runs/:run_id/debug',
  needs: 'runs:write',
  tag,
  name: 'debugRun',
  summary: 'Turn debug mode of a run on or off.',
  params: RunPath,
  body: body({ debug_mode: flag('Whether debug mode is on.') }),
  replies: { 200: Run },
  refusals: ['run_not_found'],
})

export const redriveRuns = route({
  method: 'POST',
  path: '/v1/runs/bulk-dlq-replay',
  needs: 'runs:redrive',
  tag,
  name: 'redriveRuns',
  summary: 'Redrive dead letters: those of `run_ids`, or the oldest of a job.',
  description: 'Send either `run_ids`, or `job` and optionally `limit`.',
  body: body({
    run_ids: optional(RunIds),
    job: optional(JOB),
    limit: optional(whole(1, 500, 'With job: how many, oldest first; defaults to 100.')),
  }),
  replies: {
    200: Type.Object(
      {
        results: Type.Array(RunResult, { description: 'One result per run.' }),
        total: whole(0, 500, 'Runs processed.'),
        redriven: whole(0, 500, 'Runs that were queued again.'),
        failed: whole(0, 500, 'Runs that could not be redriven.'),
      },
      { title: 'RedriveResult' },
    ),
  },
  refusals: ['job_not_found'],
})

export const cancelRuns = route({
  method: 'POST',
  path: '/v1/runs/bulk-cancel',
  needs: 'runs:write',
  tag,
  name: 'cancelRuns',
  summary: 'Cancel up to 500 runs, or dismiss those that are dead letters, with one result each.',
  body: body({ run_ids: RunIds, reason: optional(text(500, 'Why; stored in the event log.')) }),
  replies: {
    200: Type.Object(
      {
        results: Type.Array(RunResult, { description: 'One result per id, in request order.' }),
        total: whole(0, 500, 'Ids in the request.'),
        canceled: whole(0, 500, 'Runs that were canceled.'),
        dismissed: whole(0, 500, 'Dead letters that were dismissed; their status is now `failed`.'),
        failed: whole(0, 500, 'Runs that could not be canceled or dismissed.'),
      },
      { title: 'CancelResult' },
    ),
  },
})
