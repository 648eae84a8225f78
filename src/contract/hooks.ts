// Hooks: addresses that third parties call without a key, each of which sends an event or triggers a job.

import { Type } from 'typebox'
import { SENDERS } from '#core/senders.ts'
import {
  body,
  INT_MAX,
  JOB,
  listOf,
  nullable,
  oneOf,
  optional,
  paging,
  query,
  text,
  time,
  timeOrNull,
  uuid,
  whole,
  withDefault,
} from './common.ts'
import { route } from './route.ts'

const tag = 'Hooks'
const HOOK_PATH = Type.Object({ hook_id: uuid('Id of the hook.') })
const SENDER = oneOf(SENDERS, 'Whose way of signing calls is checked; none: calls are not signed.')
const PASS = oneOf(
  ['request', 'json'],
  'Payload of the event or run. request: headers, query and the body as it came. json: the JSON of the body alone.',
)
const SIGNING_SECRET = text(512, 'The secret that the sender signs with; it is never shown.', { minLength: 1 })
const DAY_SECS = 86_400
const GRACE_SECS_MAX = 30 * DAY_SECS

const hook = {
  id: uuid('Id of the hook.'),
  name: text(255, 'What the hook is for.', { minLength: 1 }),
  prefix: Type.String({ description: 'First characters of the secret in its address, for recognising it.' }),
  sender: SENDER,
  event_key: nullable(Type.String(), 'Key of the event that it sends; null when it triggers a job.'),
  job: nullable(Type.String(), 'Slug of the job that it triggers; null when it sends an event.'),
  pass: PASS,
  rate_limit_per_minute: whole(1, INT_MAX, 'Maximum calls per minute.'),
  created_at: time('When it was created.'),
  created_by: nullable(Type.String(), 'Id of the actor who created it.'),
  old_address_until: timeOrNull('Until when the address before the last rotation is good; null when it no longer is.'),
}
export const Hook = Type.Object(hook, { title: 'Hook' })

export const NewHook = Type.Object(
  {
    ...hook,
    url: Type.String({
      description: 'The address to give to the third party. Shown only once; Runyard stores only a hash of its secret.',
    }),
  },
  { title: 'NewHook' },
)

export const createHook = route({
  method: 'POST',
  path: '/v1/hooks',
  needs: 'runs:write',
  tag,
  name: 'createHook',
  // The reply holds a secret, which is shown once and kept nowhere.
  keepsReply: false,
  summary: 'Create an address that a third party may call without a key.',
  description:
    'Each `POST` to it, of at most 256 KiB, sends an event or triggers a run. Give either `event_key` or `job`. A ' +
    'delivery that its sender repeats is dropped. An event that no run waits for is kept for a day.',
  body: body({
    name: text(255, 'What the hook is for.', { minLength: 1 }),
    event_key: optional(
      text(
        512,
        'Key of the event to send. `{/data/id}` in it stands for the member of the JSON body at that JSON Pointer.',
        { minLength: 1 },
      ),
    ),
    job: optional(JOB),
    sender: withDefault(SENDER, 'none'),
    signing_secret: optional(SIGNING_SECRET),
    pass: withDefault(PASS, 'request'),
    rate_limit_per_minute: withDefault(whole(1, 60_000, 'Maximum calls per minute; defaults to 600.'), 600),
  }),
  replies: { 201: NewHook },
  refusals: ['job_not_found', 'exceeds_own_rights'],
})

export const listHooks = route({
  method: 'GET',
  path: '/v1/hooks',
  needs: 'runs:read',
  tag,
  name: 'listHooks',
  summary: 'List the hooks, newest first.',
  query: query(paging),
  replies: { 200: listOf(Hook, 'HookList') },
  refusals: ['invalid_cursor'],
})

export const getHook = route({
  method: 'GET',
  path: '/v1/hooks/:hook_id',
  needs: 'runs:read',
  tag,
  name: 'getHook',
  summary: 'Get a hook.',
  params: HOOK_PATH,
  replies: { 200: Hook },
  refusals: ['hook_not_found'],
})

export const rotateHook = route({
  method: 'POST',
  path: '/v1/hooks/:hook_id/rotate',
  needs: 'runs:write',
  tag,
  name: 'rotateHook',
  keepsReply: false,
  summary: 'Give a hook a new address, and optionally a new signing secret.',
  params: HOOK_PATH,
  body: body({
    grace_secs: withDefault(
      whole(0, GRACE_SECS_MAX, 'Seconds that the old address stays good: defaults to a day, at most 30 days.'),
      DAY_SECS,
    ),
    signing_secret: optional(SIGNING_SECRET),
  }),
  bodyOptional: true,
  replies: { 201: NewHook },
  refusals: ['hook_not_found', 'exceeds_own_rights'],
})

export const deleteHook = route({
  method: 'DELETE',
  path: '/v1/hooks/:hook_id',
  needs: 'runs:write',
  tag,
  name: 'deleteHook',
  summary: 'Delete a hook; its address is unknown from then on.',
  params: HOOK_PATH,
  replies: { 204: null },
  refusals: ['hook_not_found'],
})
