// How an attempt goes on or ends on Strait's SDK plane, and the list of all that may be called there.
import { Type } from 'typebox'
import { anyJson, flag, oneOf, optional, RunPath, text, time, uuid, whole, withDefault } from '#contract/common.ts'
import { PRIORITY } from '#contract/job.ts'
import { type Route, route } from '#contract/route.ts'
import { FENCED } from '#contract/runs/executor.ts'
import { bodyOf } from './paging.ts'
import { JobRun, STATUS, TRIGGERED_BY } from './run-wire.ts'
import * as writes from './sdk-contract.ts'

const post = { method: 'POST', needs: 'run_token', tag: 'Running attempt', params: RunPath, refusals: FENCED } as const
const DAYS_30_SECS = 30 * 86_400

export const completeRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/complete',
  name: 'completeRun',
  summary: 'Complete the run.',
  body: bodyOf({ result: optional(anyJson('What the run gave; 1 MiB at most.')) }),
  bodyOptional: true,
  replies: { 200: JobRun },
})

export const failRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/fail',
  name: 'failRun',
  summary: 'Fail the run for good.',
  body: bodyOf({
    error: Type.Unsafe<string | Record<string, unknown>>({
      type: ['string', 'object'],
      description: 'What went wrong: a sentence, or an object with a message.',
    }),
  }),
  replies: { 200: JobRun },
})

export const spawnRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/spawn',
  name: 'spawnRun',
  summary: 'Trigger a child run, and wait for it if you like.',
  body: bodyOf({
    job_slug: optional(text(64, 'Slug or id of the job.', { minLength: 1 })),
    job_id: optional(text(64, 'The same.', { minLength: 1 })),
    project_id: optional(text(256, 'The project of this run.', { minLength: 1 })),
    payload: optional(anyJson('What the child works on.')),
    priority: optional(PRIORITY),
    await_completion: withDefault(flag('Rest until the child is over.'), false),
    await_timeout_secs: withDefault(whole(1, DAYS_30_SECS, 'How long to wait at most.'), 3600),
  }),
  replies: {
    201: Type.Object(
      {
        id: Type.String({ description: 'The child.' }),
        job_id: Type.String({ description: 'Its job.' }),
        project_id: Type.String({ description: 'Its project.' }),
        status: STATUS,
        parent_run_id: Type.String({ description: 'This run.' }),
        triggered_by: TRIGGERED_BY,
        await_completion: optional(flag('This run waits for it.')),
        await_event_key: optional(Type.String({ description: 'The key of that wait.' })),
      },
      { title: 'SpawnedRun' },
    ),
  },
  refusals: [...FENCED, 'job_not_found', 'job_paused', 'depth_exceeded', 'wrong_state'],
})

export const continueRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/continue',
  name: 'continueRun',
  summary: 'Go on as a new run, with another payload or the same.',
  body: bodyOf({ payload: optional(anyJson('What the new run works on.')) }),
  bodyOptional: true,
  replies: { 201: JobRun },
  refusals: [...FENCED, 'depth_exceeded'],
})

export const waitForEventRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/wait-for-event',
  name: 'waitForEventRun',
  summary: 'Rest until somebody sends an event.',
  description: 'A notify_url is accepted for the sake of clients that send one, and is not called.',
  body: bodyOf({
    event_key: text(512, 'Key of the event.', { minLength: 1 }),
    timeout_secs: withDefault(whole(1, DAYS_30_SECS, 'How long to wait at most; 30 days are the most.'), 3600),
  }),
  replies: {
    200: Type.Object(
      {
        status: oneOf(['waiting'], 'The run rests.'),
        event_key: Type.String({ description: 'Key of the event.' }),
        expires_at: time('When the run times out.'),
        trigger_id: uuid('Id of the wait.'),
      },
      { title: 'EventWait' },
    ),
  },
  refusals: [...FENCED, 'wrong_state', 'wait_key_taken'],
})

export const SDK_ROUTES: readonly Route[] = [
  writes.getPayload,
  writes.logRun,
  writes.progressRun,
  writes.annotateRun,
  writes.heartbeatRun,
  writes.checkpointRun,
  writes.usageRun,
  writes.toolCallRun,
  writes.outputRun,
  completeRun,
  failRun,
  spawnRun,
  continueRun,
  waitForEventRun,
  writes.stateRun,
  writes.listStateOfRun,
  writes.getStateOfRun,
  writes.deleteState,
  writes.streamChunk,
  writes.resourcesRun,
]
