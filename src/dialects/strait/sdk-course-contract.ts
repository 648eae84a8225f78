// How an attempt continues or ends on Strait's SDK plane, and the list of all its operations.

import { Type } from 'typebox'
import { anyJson, flag, oneOf, optional, RunPath, text, time, uuid, whole, withDefault } from '#contract/common.ts'
import { PRIORITY } from '#contract/job.ts'
import { type Route, route } from '#contract/route.ts'
import { FENCED } from '#contract/runs/executor.ts'
import { DAY_SECS } from '#core/durations.ts'
import { bodyOf } from './paging.ts'
import { JobRun, STATUS, TRIGGERED_BY } from './run-wire.ts'
import * as writes from './sdk-contract.ts'

const post = { method: 'POST', needs: 'run_token', tag: 'Running attempt', params: RunPath, refusals: FENCED } as const
const DAYS_30_SECS = 30 * DAY_SECS

export const completeRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/complete',
  name: 'completeRun',
  summary: 'Complete the run.',
  body: bodyOf({ result: optional(anyJson('Result of the run; at most 1 MiB.')) }),
  bodyOptional: true,
  replies: { 200: JobRun },
})

export const failRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/fail',
  name: 'failRun',
  summary: 'Fail the run permanently.',
  body: bodyOf({
    error: Type.Unsafe<string | Record<string, unknown>>({
      type: ['string', 'object'],
      description: 'What went wrong: a message, or an object with a message.',
    }),
  }),
  replies: { 200: JobRun },
})

export const spawnRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/spawn',
  name: 'spawnRun',
  ownKey: true,
  summary: 'Trigger a child run, and optionally wait for it.',
  body: bodyOf({
    job_slug: optional(text(64, 'Slug or id of the job.', { minLength: 1 })),
    job_id: optional(text(64, 'Alias of job_slug.', { minLength: 1 })),
    project_id: optional(text(256, 'The project of this run.', { minLength: 1 })),
    payload: optional(anyJson('Payload of the child: any JSON.')),
    priority: optional(PRIORITY),
    await_completion: withDefault(flag('Suspend the run until the child ends.'), false),
    await_timeout_secs: withDefault(whole(1, DAYS_30_SECS, 'Timeout of the wait, in seconds.'), 3600),
  }),
  replies: {
    201: Type.Object(
      {
        id: Type.String({ description: 'Id of the child.' }),
        job_id: Type.String({ description: 'Id of its job.' }),
        project_id: Type.String({ description: 'Id of its project.' }),
        status: STATUS,
        parent_run_id: Type.String({ description: 'Id of this run.' }),
        triggered_by: TRIGGERED_BY,
        await_completion: optional(flag('True when this run waits for the child.')),
        await_event_key: optional(Type.String({ description: 'Key of the event that ends the wait.' })),
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
  summary: 'Continue as a new run, with a new payload or the same one.',
  body: bodyOf({ payload: optional(anyJson("Payload of the new run; defaults to this run's.")) }),
  bodyOptional: true,
  replies: { 201: JobRun },
  refusals: [...FENCED, 'depth_exceeded'],
})

export const waitForEventRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/wait-for-event',
  name: 'waitForEventRun',
  summary: 'Suspend the run until an event arrives.',
  description: 'A notify_url is accepted, because clients send one, but is never called.',
  body: bodyOf({
    event_key: text(512, 'Key of the event.', { minLength: 1 }),
    timeout_secs: withDefault(whole(1, DAYS_30_SECS, 'Timeout of the wait in seconds; at most 30 days.'), 3600),
  }),
  replies: {
    200: Type.Object(
      {
        status: oneOf(['waiting'], 'The run is suspended.'),
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
