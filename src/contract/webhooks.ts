// Webhooks: events of the log, sent to receivers as they are committed.
import { type Static, Type } from 'typebox'
import { DAY_SECS } from '#core/durations.ts'
import { RUN_STATES } from '#core/run.ts'
import { AGENT } from './agents.ts'
import {
  body,
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
import { POSITION } from './event.ts'
import { route } from './route.ts'

const tag = 'Webhooks'
const COUNT_MAX = Number.MAX_SAFE_INTEGER
export const WEBHOOK_DELIVERY_OUTCOMES = ['delivered', 'failed', 'given_up'] as const

const WebhookPath = Type.Object({ webhook_id: uuid('Id of the webhook.') })
const DeliveryPath = Type.Object({
  webhook_id: uuid('Id of the webhook.'),
  delivery_id: uuid('Id of the delivery.'),
})

const NAME = text(128, 'What people call it.')
const URL_TO_CALL = text(
  2_048,
  'Receives the events by POST. Only public addresses, unless the operator allows more.',
  {
    minLength: 1,
  },
)
const TYPE_PATTERN = text(128, 'A type of events, a prefix such as `run.*`, or `*`.', {
  pattern: '^(\\*|[a-z][a-z0-9_]*(\\.[a-z0-9_]+)*(\\.\\*)?)$',
})

const list = <S extends Parameters<typeof Type.Array>[0]>(item: S, countMax: number, description: string) =>
  Type.Array(item, { maxItems: countMax, uniqueItems: true, description })

/** Conditions hold together; an empty one holds for every event. */
const filter = {
  types: list(TYPE_PATTERN, 100, 'Types of events; empty: all. Events about webhooks (`webhook.*`) are never sent.'),
  jobs: list(JOB, 100, 'Ids or slugs of jobs: only events of their runs; empty: all.'),
  agents: list(AGENT, 100, 'Ids of agents: only events in which one of them acted; empty: all.'),
  states: list(
    oneOf(RUN_STATES, 'A state.'),
    RUN_STATES.length,
    'Only events by which a run entered one of these states; empty: all.',
  ),
  tags: Type.Unsafe<Record<string, string | null>>({
    type: 'object',
    additionalProperties: { type: ['string', 'null'], maxLength: 256 },
    propertyNames: { type: 'string', minLength: 1, maxLength: 64 },
    maxProperties: 20,
    description: 'Only events of runs with all of these tags; null: whatever the value.',
  }),
}
const DISABLE_AFTER_DAYS = whole(
  1,
  30,
  'Days without any successful delivery after which the webhook is disabled. Resume it to go on where it stood.',
)

export const Webhook = Type.Object(
  {
    id: uuid('Id of the webhook.'),
    name: NAME,
    url: URL_TO_CALL,
    ...filter,
    disable_after_days: DISABLE_AFTER_DAYS,
    status: oneOf(
      ['active', 'paused', 'disabled'],
      'Whether events are sent; disabled: Runyard stopped it, see `disabled_reason`.',
    ),
    disabled_reason: nullable(
      oneOf(['gone', 'failing'], ''),
      'Why it was disabled: the receiver answered 410, or nothing was delivered for `disable_after_days`.',
    ),
    disabled_at: timeOrNull('When it was disabled.'),
    paused_at: timeOrNull('When it was paused.'),
    position: whole(0, COUNT_MAX, 'Position of the last event in the log that was delivered or did not match.'),
    delivered_at: timeOrNull('When an event was last delivered.'),
    attempts: whole(0, COUNT_MAX, 'Failed attempts to deliver the event that is next; 0: none.'),
    next_attempt_at: timeOrNull('When it is tried again; null: as soon as there is an event.'),
    failing_since: timeOrNull('Since when nothing could be delivered; null while deliveries succeed.'),
    last_error: nullable(Type.String(), 'What the latest attempt failed with; null after a success.'),
    old_secret_until: timeOrNull('Until when the secret before the current one signs too.'),
    created_at: time('When it was created.'),
    updated_at: time('When its settings were last changed.'),
    created_by: nullable(Type.String(), 'Id of the key or user that created it.'),
  },
  { title: 'Webhook' },
)
export type Webhook = Static<typeof Webhook>

const SIGNING_SECRET = Type.String({ description: 'Verifies its signatures (Standard Webhooks). Shown only once.' })
const WebhookWithSecret = Type.Object(
  { ...Webhook.properties, signing_secret: SIGNING_SECRET },
  { title: 'WebhookWithSecret' },
)

export const listWebhooks = route({
  method: 'GET',
  path: '/v1/webhooks',
  needs: 'events:read',
  tag,
  name: 'listWebhooks',
  summary: 'List the webhooks of the project, oldest first.',
  query: query(paging),
  replies: { 200: listOf(Webhook, 'WebhookList') },
  refusals: ['invalid_cursor'],
})

export const createWebhook = route({
  method: 'POST',
  path: '/v1/webhooks',
  needs: 'webhooks:write',
  tag,
  name: 'createWebhook',
  summary: 'Create a webhook (at most 50 per project): it is sent the events that are committed from now on.',
  description:
    'Needs the scope events:read too. Events are sent as CloudEvents 1.0 with Standard Webhooks signatures, in the order of ' +
    'the log, at least once. See docs/guides/webhooks.md.',
  body: body(
    {
      name: withDefault(NAME, ''),
      url: URL_TO_CALL,
      types: withDefault(filter.types, []),
      jobs: withDefault(filter.jobs, []),
      agents: withDefault(filter.agents, []),
      states: withDefault(filter.states, []),
      tags: withDefault(filter.tags, {}),
      disable_after_days: withDefault(DISABLE_AFTER_DAYS, 5),
    },
    { examples: [{ url: 'https://example.com/hook', types: ['run.*'], states: ['failed', 'dead_letter'] }] },
  ),
  // The reply holds a secret, which is shown once.
  keepsReply: false,
  replies: { 201: WebhookWithSecret },
})

export const getWebhook = route({
  method: 'GET',
  path: '/v1/webhooks/:webhook_id',
  needs: 'events:read',
  tag,
  name: 'getWebhook',
  summary: 'Get a webhook, and how far it has come.',
  params: WebhookPath,
  replies: { 200: Webhook },
  refusals: ['webhook_not_found'],
})

export const updateWebhook = route({
  method: 'PATCH',
  path: '/v1/webhooks/:webhook_id',
  needs: 'webhooks:write',
  tag,
  name: 'updateWebhook',
  summary: 'Update a webhook; fields that are left out keep their values, and it goes on where it stands.',
  params: WebhookPath,
  body: body({
    name: optional(NAME),
    url: optional(URL_TO_CALL),
    types: optional(filter.types),
    jobs: optional(filter.jobs),
    agents: optional(filter.agents),
    states: optional(filter.states),
    tags: optional(filter.tags),
    disable_after_days: optional(DISABLE_AFTER_DAYS),
  }),
  replies: { 200: Webhook },
  refusals: ['webhook_not_found'],
})

export const deleteWebhook = route({
  method: 'DELETE',
  path: '/v1/webhooks/:webhook_id',
  needs: 'webhooks:write',
  tag,
  name: 'deleteWebhook',
  summary: 'Delete a webhook with its deliveries.',
  params: WebhookPath,
  replies: { 204: null },
  refusals: ['webhook_not_found'],
})

const act = <const Name extends string, const What extends string>(name: Name, what: What, summary: string) =>
  ({
    method: 'POST',
    path: `/v1/webhooks/:webhook_id/${what}`,
    needs: 'webhooks:write',
    tag,
    name,
    summary,
    params: WebhookPath,
    body: body({}),
    bodyOptional: true,
    replies: { 200: Webhook },
    refusals: ['webhook_not_found'],
  }) as const

export const pauseWebhook = route(
  act('pauseWebhook', 'pause', 'Pause a webhook; what happens meanwhile is sent when it is resumed.'),
)
export const resumeWebhook = route(
  act('resumeWebhook', 'resume', 'Resume a webhook that was paused or disabled; it goes on where it stood.'),
)

export const rotateWebhookSecret = route({
  ...act('rotateWebhookSecret', 'rotate', 'Replace the signing secret; for a while the old one signs beside it.'),
  body: body({
    grace_secs: withDefault(whole(0, 30 * DAY_SECS, 'How long the old secret signs too, in seconds.'), DAY_SECS),
  }),
  keepsReply: false,
  replies: { 200: WebhookWithSecret },
})

export const replayWebhook = route({
  ...act('replayWebhook', 'replay', 'Send again everything from an event, or from a time on, in order.'),
  description: 'One of the two. Receivers see the same ids again. Events that retention has deleted are not sent.',
  body: body({
    from_event_id: optional(uuid('Id of the first event to send.')),
    since: optional(time('Send from the first event that was recorded at this time or later.')),
  }),
  refusals: ['webhook_not_found', 'event_not_found'],
})

const delivery = {
  id: uuid('Id of the delivery.'),
  event_id: nullable(uuid(''), 'Id of the event; null for a test.'),
  event_position: nullable(POSITION, 'Position of the event in the log; null for a test.'),
  event_type: Type.String({ description: 'Type of the event.' }),
  attempt: whole(1, COUNT_MAX, 'Number of the attempt.'),
  outcome: oneOf(
    WEBHOOK_DELIVERY_OUTCOMES,
    'delivered: the receiver answered with a 2xx status. failed: it is tried again. given_up: it was the last attempt.',
  ),
  sent_at: time('When it was sent.'),
  duration_ms: Type.Number({ minimum: 0, description: 'Milliseconds until the end of the answer.' }),
  status: nullable(whole(100, 599, ''), 'Status of the answer; null without one.'),
  error: nullable(Type.String(), 'Why it failed.'),
}
const Delivery = Type.Object(delivery, { title: 'WebhookDelivery' })
const WholeDelivery = Type.Object(
  {
    ...delivery,
    request_body: Type.String({ description: 'What was sent; at most its first 16,384 characters.' }),
    response_body: nullable(Type.String(), 'What was answered; at most its first 4,096 characters.'),
  },
  { title: 'WebhookDeliveryInFull' },
)

export const testWebhook = route({
  ...act('testWebhook', 'test', 'Send a message of type webhook.test at once, and get what was answered.'),
  description: 'It waits for the receiver for at most 15 seconds. The webhook may be paused or disabled.',
  keepsReply: false,
  mayWait: true,
  replies: { 200: WholeDelivery },
})

export const listWebhookDeliveries = route({
  method: 'GET',
  path: '/v1/webhooks/:webhook_id/deliveries',
  needs: 'events:read',
  tag,
  name: 'listWebhookDeliveries',
  summary: 'List the deliveries of a webhook, newest first: its latest 1,000, for at most 7 days.',
  params: WebhookPath,
  query: query({
    outcome: optional(oneOf(WEBHOOK_DELIVERY_OUTCOMES, 'Only deliveries with this outcome.')),
    ...paging,
  }),
  replies: { 200: listOf(Delivery, 'WebhookDeliveryList') },
  refusals: ['webhook_not_found', 'invalid_cursor'],
})

export const getWebhookDelivery = route({
  method: 'GET',
  path: '/v1/webhooks/:webhook_id/deliveries/:delivery_id',
  needs: 'events:read',
  tag,
  name: 'getWebhookDelivery',
  summary: 'Get a delivery with what was sent and answered.',
  params: DeliveryPath,
  replies: { 200: WholeDelivery },
  refusals: ['webhook_not_found', 'delivery_not_found'],
})
