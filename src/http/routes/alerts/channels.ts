import type { FastifyInstance } from 'fastify'
import { maskPath } from '#access/mask.ts'
import { type ChannelRow, listChannels, listMessages } from '#alerts/channels.sql.ts'
import { createChannel, deleteChannel, requireChannel, testChannel } from '#alerts/channels.ts'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/alerts/channels.ts'
import { askedBy } from '../../caller.ts'
import { implement } from '../../implement.ts'
import { createdCursor, createdKey, encodeCursor, pageOf } from '../../wire/cursor.ts'
import { toWire } from '../../wire/words.ts'

const MESSAGES_MAX = 100

const channelWire = ({ projectId: _, signingSecret: __, url, ...row }: ChannelRow) => ({
  ...toWire(row),
  url: url && maskPath(url),
})

export function alertChannelRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.listAlertChannels, async ({ cursor, limit }, { projectId }) => {
    const rows = await listChannels(ctx.reads, projectId, {
      after: createdCursor('alert_channels', cursor),
      limit: limit + 1,
    })
    return pageOf(rows, limit, { wire: channelWire, cursor: (row) => encodeCursor('alert_channels', createdKey(row)) })
  })
  implement(app, contract.createAlertChannel, async (channel, caller) => {
    const row = await createChannel(ctx, { ...askedBy(caller), channel })
    return { ...channelWire(row), signing_secret: row.signingSecret }
  })
  implement(app, contract.deleteAlertChannel, async ({ channel_id }, caller) => {
    await deleteChannel(ctx, { ...askedBy(caller), channelId: channel_id })
    return undefined
  })
  implement(app, contract.testAlertChannel, async ({ channel_id }, { projectId }) => {
    const error = await testChannel(ctx, { projectId, channelId: channel_id })
    return { sent: error === undefined, error: error ?? null }
  })
  implement(app, contract.listAlertMessages, async ({ channel_id }, { projectId }) => {
    const { id } = await requireChannel(ctx, projectId, channel_id)
    const rows = await listMessages(ctx.reads, id, MESSAGES_MAX)
    return { data: rows.map((row) => toWire(row)), next_cursor: null, has_more: false }
  })
}
