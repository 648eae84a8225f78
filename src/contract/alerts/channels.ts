// Channels: where messages of alerts, and questions to people, are sent.
import { Type } from 'typebox'
import {
  body,
  flag,
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
} from '../common.ts'
import { route } from '../route.ts'

const tag = 'Alerts'
const COUNT_MAX = Number.MAX_SAFE_INTEGER
const CHANNEL_KINDS = ['webhook', 'slack', 'email'] as const

const ChannelPath = Type.Object({ channel_id: uuid('Id of the channel.') })

const NAME = text(128, 'What people call it.', { minLength: 1 })
const CHANNEL_KIND = oneOf(
  CHANNEL_KINDS,
  'webhook: a signed CloudEvent. slack: an incoming webhook of Slack or of a compatible chat (Mattermost, Rocket.Chat). email: a mail through the server of the operator.',
)
const CHANNEL_URL = text(2_048, 'Where messages are posted; not for email.', { minLength: 1 })
const RECIPIENTS = Type.Array(
  text(254, 'An e-mail address.', { minLength: 3, pattern: '^[^\\s@<>,;:"]+@[^\\s@<>,;:"]+$' }),
  { minItems: 1, maxItems: 20, uniqueItems: true, description: 'Addresses that mails go to; for email only.' },
)

const QUESTIONS = flag(
  'Whether questions to people and approvals are sent here too, with a link that answers one of them without a key.',
)

export const AlertChannel = Type.Object(
  {
    id: uuid('Id of the channel.'),
    name: NAME,
    kind: CHANNEL_KIND,
    url: nullable(Type.String(), 'Where messages are posted, without its secrets; null for email.'),
    recipients: Type.Array(Type.String(), { description: 'Addresses that mails go to; empty for the others.' }),
    questions: QUESTIONS,
    created_at: time('When it was created.'),
    created_by: nullable(Type.String(), 'Id of the key or user that created it.'),
  },
  { title: 'AlertChannel' },
)

export const listAlertChannels = route({
  method: 'GET',
  path: '/v1/alerts/channels',
  needs: 'events:read',
  tag,
  name: 'listAlertChannels',
  summary: 'List the channels that alerts are sent to, oldest first.',
  query: query(paging),
  replies: { 200: listOf(AlertChannel, 'AlertChannelList') },
  refusals: ['invalid_cursor'],
})

export const createAlertChannel = route({
  method: 'POST',
  path: '/v1/alerts/channels',
  needs: 'alerts:write',
  tag,
  name: 'createAlertChannel',
  summary: 'Create a channel (at most 50 per project); test it before a rule relies on it.',
  description: 'With `questions`, it needs the scope inputs:answer too.',
  body: body(
    {
      name: NAME,
      kind: CHANNEL_KIND,
      url: optional(CHANNEL_URL),
      recipients: optional(RECIPIENTS),
      questions: withDefault(QUESTIONS, false),
    },
    { examples: [{ name: 'on call', kind: 'slack', url: 'https://hooks.slack.com/services/T0/B0/x' }] },
  ),
  // The reply may hold a secret, which is shown once.
  keepsReply: false,
  replies: {
    201: Type.Object(
      {
        ...AlertChannel.properties,
        signing_secret: nullable(
          Type.String(),
          'Verifies the signatures of a webhook (Standard Webhooks); shown only once. Null for the other kinds.',
        ),
      },
      { title: 'NewAlertChannel' },
    ),
  },
})

export const deleteAlertChannel = route({
  method: 'DELETE',
  path: '/v1/alerts/channels/:channel_id',
  needs: 'alerts:write',
  tag,
  name: 'deleteAlertChannel',
  summary: 'Delete a channel; rules no longer send to it.',
  params: ChannelPath,
  replies: { 204: null },
  refusals: ['alert_channel_not_found'],
})

export const testAlertChannel = route({
  method: 'POST',
  path: '/v1/alerts/channels/:channel_id/test',
  needs: 'alerts:write',
  tag,
  name: 'testAlertChannel',
  summary: 'Send a test message to a channel now, and get whether it was taken.',
  params: ChannelPath,
  body: body({}),
  bodyOptional: true,
  keepsReply: false,
  mayWait: true,
  replies: {
    200: Type.Object(
      {
        sent: flag('Whether the receiver took it.'),
        error: nullable(Type.String(), 'Why it could not be sent; null if it was.'),
      },
      { title: 'AlertChannelTest' },
    ),
  },
  refusals: ['alert_channel_not_found'],
})

const AlertMessage = Type.Object(
  {
    id: uuid('Id of the message.'),
    type: Type.String({ description: 'alert.fired, alert.resolved or input.requested.' }),
    title: Type.String({ description: 'Its first line.' }),
    attempts: whole(0, COUNT_MAX, 'How often it was tried to send it.'),
    created_at: time('When it was written.'),
    sent_at: timeOrNull('When the receiver took it; null: not yet.'),
    given_up_at: timeOrNull('When it was given up, after a day of retries; null: it was not.'),
    error: nullable(Type.String(), 'Why the latest attempt failed.'),
  },
  { title: 'AlertMessage' },
)

export const listAlertMessages = route({
  method: 'GET',
  path: '/v1/alerts/channels/:channel_id/messages',
  needs: 'events:read',
  tag,
  name: 'listAlertMessages',
  summary: 'List the latest 100 messages of a channel, newest first; they are kept for 7 days.',
  params: ChannelPath,
  query: query({}),
  replies: { 200: listOf(AlertMessage, 'AlertMessageList') },
  refusals: ['alert_channel_not_found'],
})
