// Waits: an attempt suspends its run until an event arrives; anyone with access sends the event.

import { Type } from 'typebox'
import { DAY_SECS } from '#core/durations.ts'
import { anyJson, body, optional, pathText, RunPath, time, uuid, whole, withDefault } from '../common.ts'
import { route } from '../route.ts'
import { FENCED } from './executor.ts'
import { RUN_STATUS, Run } from './run.ts'

export const EVENT_KEY = pathText(512, 'Key of the event; only one run of a project can wait for it at a time.')
/** At most a month: for a longer wait, use a scheduled run. */
export const WAIT_SECS = withDefault(
  whole(1, 30 * DAY_SECS, 'Seconds after which the run times out: defaults to an hour, at most 30 days.'),
  3600,
)

export const waitForEvent = route({
  method: 'POST',
  path: '/v1/runs/:run_id/wait-for-event',
  needs: 'run_token',
  tag: 'Running attempt',
  name: 'waitForEvent',
  summary: 'Suspend the run until an event arrives.',
  description:
    'The lease ends and the executor should stop; its reply is ignored. When the event arrives, its payload becomes the ' +
    'latest checkpoint, and the run is queued again with the same attempt.',
  params: RunPath,
  body: body({ event_key: EVENT_KEY, timeout_secs: WAIT_SECS }),
  replies: {
    200: Type.Object(
      {
        status: RUN_STATUS,
        wait_id: uuid('Id of the wait.'),
        event_key: EVENT_KEY,
        expires_at: time('When the run times out unless the event arrives.'),
      },
      { title: 'Waiting' },
    ),
  },
  refusals: [...FENCED, 'wrong_state', 'wait_key_taken', 'pause_requested'],
})

export const sendEvent = route({
  method: 'POST',
  path: '/v1/events/:event_key/send',
  needs: 'runs:write',
  tag: 'Runs',
  name: 'sendEvent',
  summary: 'Send an event to the run that is waiting for it.',
  params: Type.Object({ event_key: EVENT_KEY }),
  body: body({
    payload: optional(
      anyJson('Payload of the event, which becomes the latest checkpoint: any JSON; defaults to null.'),
    ),
  }),
  bodyOptional: true,
  replies: { 200: Run },
  refusals: ['wait_not_found'],
})

export const continueRun = route({
  method: 'POST',
  path: '/v1/runs/:run_id/continue',
  needs: 'run_token',
  tag: 'Running attempt',
  name: 'continueRun',
  summary: 'Continue as a new run of the same job; this run must still be ended.',
  description:
    'Continuations may be at most 10 deep. The new run has the settings, tags, metadata and correlation id of the old one.',
  params: RunPath,
  body: body({ payload: optional(anyJson("Payload of the new run; defaults to this run's.")) }),
  bodyOptional: true,
  replies: { 201: Run },
  refusals: [...FENCED, 'depth_exceeded', 'job_disabled', 'job_paused'],
})
