// Channels: where messages of alerts go. Created, tested, deleted; each change and its event are one transaction.
import { checkEndpoint, egressOf } from '#access/egress/egress.ts'
import { requireOwnScope } from '#access/giver.ts'
import { maskPath } from '#access/mask.ts'
import { newSigningSecret } from '#access/signatures/signature.ts'
import type { Ctx } from '#bell/ctx.ts'
import { refuse, refuseField } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { record } from '#log/record.ts'
import { newId } from '#postgres/id.ts'
import type { Db } from '#postgres/sql.ts'
import {
  type ChannelKind,
  type ChannelRow,
  countChannelsLocked,
  deleteChannel as deleteRow,
  findChannel,
  insertChannel,
} from './channels.sql.ts'
import { mailerOf } from './mailer.ts'
import { sendMessage } from './send-message.ts'

const CHANNELS_MAX = 50

type Asked = Cause & { projectId: string }
export type NewChannel = {
  name: string
  kind: ChannelKind
  url?: string | undefined
  recipients?: string[] | undefined
  questions: boolean
}

export async function requireChannel({ sql }: { sql: Db }, projectId: string, channelId: string): Promise<ChannelRow> {
  const row = await findChannel(sql, projectId, channelId)
  if (!row) throw refuse('alert_channel_not_found', { channelId })
  return row
}

export async function createChannel(ctx: Ctx, asked: Asked & { channel: NewChannel }): Promise<ChannelRow> {
  const { projectId, channel, actor } = asked
  await checkChannel(ctx, channel)
  return record(ctx, async (tx) => {
    // Whoever gets its links answers with them.
    if (channel.questions) await requireOwnScope(tx, asked, 'inputs:answer')
    if ((await countChannelsLocked(tx, projectId)) >= CHANNELS_MAX)
      throw refuseField('name', `would be one more than the ${CHANNELS_MAX} channels that a project may have`)
    const row = await insertChannel(tx, {
      id: newId(),
      projectId,
      name: channel.name,
      kind: channel.kind,
      url: channel.url ?? null,
      signingSecret: channel.kind === 'webhook' ? newSigningSecret() : null,
      recipients: channel.recipients ?? [],
      questions: channel.questions,
      createdBy: actor.id,
    })
    return { result: row, events: [eventOf(asked, row, 'alert_channel.created')] }
  })
}

async function checkChannel(ctx: Ctx, { kind, url, recipients }: NewChannel): Promise<void> {
  if (kind === 'email') {
    if (url !== undefined) throw refuseField('url', 'is not used when kind is email')
    if (!recipients?.length) throw refuseField('recipients', 'is required when kind is email')
    if (!mailerOf(ctx)) throw refuseField('kind', 'cannot be email: the operator has not set RUNYARD_SMTP_URL')
    return
  }
  if (recipients !== undefined) throw refuseField('recipients', `is not used when kind is ${kind}`)
  if (url === undefined) throw refuseField('url', `is required when kind is ${kind}`)
  const checked = await checkEndpoint(url, egressOf(ctx))
  if (!checked.ok) throw refuseField('url', checked.message)
}

export async function deleteChannel(ctx: Ctx, asked: Asked & { channelId: string }): Promise<void> {
  await record(ctx, async (tx) => {
    const row = await requireChannel({ sql: tx }, asked.projectId, asked.channelId)
    await deleteRow(tx, row.id)
    return { result: undefined, events: [eventOf(asked, row, 'alert_channel.deleted')] }
  })
}

/** Sends one message now; answers why it could not be sent. */
export async function testChannel(
  ctx: Ctx,
  { projectId, channelId }: { projectId: string; channelId: string },
): Promise<string | undefined> {
  const channel = await requireChannel(ctx, projectId, channelId)
  const content = {
    type: 'alert.test',
    title: `Test of ${channel.name || 'an alert channel'}`,
    text: `Alerts of project ${projectId} arrive here.`,
    data: { project_id: projectId, channel_id: channel.id },
  }
  return sendMessage(ctx, { id: newId(), channel, content })
}

const eventOf = ({ projectId, actor, correlationId, causationId }: Asked, row: ChannelRow, type: string) => ({
  projectId,
  actor,
  correlationId,
  causationId,
  type,
  resourceType: 'alert_channel',
  resourceId: row.id,
  data: { name: row.name, kind: row.kind, ...(row.url !== null && { url: maskPath(row.url) }) },
})
