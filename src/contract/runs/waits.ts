// Waits: an attempt suspends its run until an event arrives; anyone with access sends the event.

import { Type } from 'typebox'
import { DAY_SECS } from '#core/durations.ts'
import {
  anyJson,
  body,
  flag,
  nullable,
  oneOf,
  optional,
  pathText,
  RUN_KEY,
  RunPath,
  seconds,
  text,
  time,
  timeOrNull,
  uuid,
  whole,
  withDefault,
} from '../common.ts'
import { route } from '../route.ts'
import { FENCED } from './executor.ts'
import { RUN_STATUS, Run } from './run.ts'

export const EVENT_KEY = pathText(512, 'Key of the event; a slash in a path is written %2F.')
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
    'latest checkpoint, and the run is queued again with the same attempt. Only one run at a time can wait for a key in ' +
    'this way; a wait with a key of its own (`POST /v1/runs/{run_id}/waits`) has no such limit, leaves the checkpoint ' +
    'alone, and can be asked again after a crash.',
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

export const WAIT_SECS_MAX = 366 * DAY_SECS
const ITEMS_MAX = 100
const Item = body({
  event_key: optional(text(512, 'Key of an event to wait for.', { minLength: 1 })),
  run_id: optional(text(256, 'Id of a run of the project whose end to wait for.', { minLength: 1 })),
})

export const Wait = Type.Object(
  {
    key: RUN_KEY,
    status: oneOf(
      ['waiting', 'done', 'timed_out'],
      'waiting: the run rests, and the executor should stop; otherwise it goes on.',
    ),
    run_status: RUN_STATUS,
    until: timeOrNull('When the sleep is over, or when the wait times out.'),
    winner: nullable(whole(0, ITEMS_MAX, 'With `any`: index of the first item that was done.')),
    items: Type.Array(
      Type.Object(
        {
          event_key: optional(Type.String({ description: 'The event.' })),
          run_id: optional(Type.String({ description: 'The run.' })),
          done: flag('Whether the event has arrived, or the run has ended.'),
          event_id: optional(uuid('The event of the log that says that it arrived.')),
          payload: optional(anyJson('Payload of the event.')),
          received_at: optional(time('When it arrived.')),
          status: optional(nullable(Type.String(), 'How the run ended; null when it is no longer kept.')),
          result: optional(anyJson('Result of the run.')),
          result_omitted: optional(flag('True when the result exceeds 64 KiB; get it from the run.')),
          error: optional(nullable(Type.String(), 'Error of the run.')),
        },
        { title: 'WaitItem' },
      ),
      { description: 'What was waited for, in the order of `for`; empty for a sleep.' },
    ),
  },
  { title: 'Wait' },
)

export const beginWait = route({
  method: 'POST',
  path: '/v1/runs/:run_id/waits',
  needs: 'run_token',
  tag: 'Running attempt',
  name: 'beginWait',
  keepsReply: false,
  summary: 'Sleep, or wait for events and for the ends of runs, under a key.',
  description:
    'Give exactly one of `sleep_secs`, `until` and `for`. While the reply says `waiting`, the lease has ended and the ' +
    'executor should stop; the run is queued again with the same attempt once the wait is over, and the same call is ' +
    'then answered with the outcome, which is also the state value `wait:<key>`. Checkpoints are left alone.',
  params: RunPath,
  body: body({
    key: RUN_KEY,
    sleep_secs: optional(seconds(0, WAIT_SECS_MAX, 'Sleep for this many seconds, at most 366 days.')),
    until: optional(time('Sleep until then, at most 366 days ahead.')),
    for: optional(
      Type.Array(Item, {
        minItems: 1,
        maxItems: ITEMS_MAX,
        description: 'Events and runs to wait for: in each item either `event_key` or `run_id`.',
      }),
    ),
    mode: optional(oneOf(['all', 'any'], 'Wait for all items, or for the first one; defaults to all.')),
    timeout_secs: optional(
      seconds(0.001, WAIT_SECS_MAX, 'Seconds after which a wait with `for` times out; defaults to a day.'),
    ),
    on_timeout: optional(
      oneOf(['fail', 'continue'], 'The run times out, which is the default, or it goes on with the status timed_out.'),
    ),
  }),
  replies: { 200: Wait },
  refusals: [...FENCED, 'wrong_state', 'pause_requested', 'wait_mismatch', 'wait_cycle'],
})

const KEEP_SECS_MAX = 30 * DAY_SECS

export const KeptEvent = Type.Object(
  {
    event_id: uuid('The event of the log that says that it was kept.'),
    event_key: EVENT_KEY,
    to: oneOf(['first', 'all'], 'Who gets it.'),
    delivered: whole(0, Number.MAX_SAFE_INTEGER, 'Number of runs that waited for it already.'),
    expires_at: time('Until when waits that begin get it.'),
  },
  { title: 'KeptEvent' },
)

export const sendEvent = route({
  method: 'POST',
  path: '/v1/events/:event_key/send',
  needs: 'runs:write',
  tag: 'Runs',
  name: 'sendEvent',
  summary: 'Send an event to the run that waits for it, or keep it for one that will.',
  description:
    'The run that has waited longest takes it (200). When none waits, the event is kept for the first wait that begins ' +
    'before it expires (202). With `to: all` every run that waits gets it, and every wait that begins until it expires ' +
    '(202). A project keeps at most 10,000 events and 256 MiB.',
  params: Type.Object({ event_key: EVENT_KEY }),
  body: body({
    payload: optional(anyJson('Payload of the event: any JSON, at most 256 KiB; defaults to null.', 256 * 1024)),
    to: withDefault(oneOf(['first', 'all'], 'Give it to the first run that waits, or to all.'), 'first'),
    keep_secs: withDefault(
      whole(0, KEEP_SECS_MAX, 'Seconds that it is kept: defaults to a day, at most 30 days; 0 to refuse instead.'),
      DAY_SECS,
    ),
  }),
  bodyOptional: true,
  replies: { 200: Run, 202: KeptEvent },
  refusals: ['wait_not_found', 'too_many_kept_events'],
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
