import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/webhooks.ts'
import { refuseField } from '#core/error.ts'
import type { NewDelivery } from '#webhooks/carriers.sql.ts'
import { type DeliveryRow, listDeliveries } from '#webhooks/deliveries.sql.ts'
import { listWebhooks, type WebhookFilter, type WebhookRow } from '#webhooks/webhooks.sql.ts'
import {
  createWebhook,
  deleteWebhook,
  pauseWebhook,
  type ReplayFrom,
  replayWebhook,
  requireDelivery,
  requireWebhook,
  resumeWebhook,
  rotateSecret,
  testWebhook,
  updateWebhook,
} from '#webhooks/webhooks.ts'
import { askedBy } from '../caller.ts'
import { implement } from '../implement.ts'
import { createdCursor, createdKey, decodeCursor, encodeCursor, pageOf, UUID } from '../wire/cursor.ts'
import { iso, toWire } from '../wire/words.ts'

const webhookWire = ({ projectId: _, signingSecret: __, oldSecret: ___, filter, ...row }: WebhookRow) => ({
  ...toWire(row),
  // Settings as they were stored; lists and tags are the same words on the wire.
  types: [...filter.types],
  jobs: [...filter.jobs],
  agents: [...filter.agents],
  states: [...filter.states],
  tags: filter.tags,
  status: row.disabledAt ? ('disabled' as const) : row.pausedAt ? ('paused' as const) : ('active' as const),
})

const withSecret = (row: WebhookRow) => ({ ...webhookWire(row), signing_secret: row.signingSecret })

const briefWire = ({ webhookId: _, requestBody: __, responseBody: ___, ...row }: DeliveryRow) => toWire(row)
const deliveryWire = ({ webhookId: _, ...row }: DeliveryRow) => toWire(row)
const testWire = ({ sentAtMs, ...delivery }: NewDelivery) => ({
  ...toWire(delivery),
  sent_at: iso(new Date(sentAtMs))!,
})

export function webhookRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.listWebhooks, async ({ cursor, limit }, { projectId }) => {
    const rows = await listWebhooks(ctx.reads, projectId, {
      after: createdCursor('webhooks', cursor),
      limit: limit + 1,
    })
    return pageOf(rows, limit, { wire: webhookWire, cursor: (row) => encodeCursor('webhooks', createdKey(row)) })
  })
  implement(app, contract.createWebhook, async (input, caller) => {
    const { name, url, disable_after_days: disableAfterDays, ...filter } = input
    const { types, jobs, agents, states, tags } = filter
    const settings = { name, url, disableAfterDays, filter: { types, jobs, agents, states, tags } }
    return withSecret(await createWebhook(ctx, { ...askedBy(caller), settings }))
  })
  implement(app, contract.getWebhook, async ({ webhook_id }, { projectId }) =>
    webhookWire(await requireWebhook(ctx, projectId, webhook_id)),
  )
  implement(app, contract.updateWebhook, async ({ webhook_id, name, url, disable_after_days, ...filter }, caller) => {
    const patch = {
      ...(name !== undefined && { name }),
      ...(url !== undefined && { url }),
      ...(disable_after_days !== undefined && { disableAfterDays: disable_after_days }),
      filter: filter as Partial<WebhookFilter>,
    }
    return webhookWire(await updateWebhook(ctx, { ...askedBy(caller), webhookId: webhook_id, patch }))
  })
  implement(app, contract.deleteWebhook, async ({ webhook_id }, caller) => {
    await deleteWebhook(ctx, { ...askedBy(caller), webhookId: webhook_id })
    return undefined
  })
  implement(app, contract.pauseWebhook, async ({ webhook_id }, caller) =>
    webhookWire(await pauseWebhook(ctx, { ...askedBy(caller), webhookId: webhook_id })),
  )
  implement(app, contract.resumeWebhook, async ({ webhook_id }, caller) =>
    webhookWire(await resumeWebhook(ctx, { ...askedBy(caller), webhookId: webhook_id })),
  )
  implement(app, contract.rotateWebhookSecret, async ({ webhook_id, grace_secs }, caller) =>
    withSecret(await rotateSecret(ctx, { ...askedBy(caller), webhookId: webhook_id, graceSecs: grace_secs })),
  )
  implement(app, contract.replayWebhook, async ({ webhook_id, from_event_id, since }, caller) =>
    webhookWire(
      await replayWebhook(ctx, { ...askedBy(caller), webhookId: webhook_id, from: replayFrom(from_event_id, since) }),
    ),
  )
  implement(app, contract.testWebhook, async ({ webhook_id }, caller) =>
    testWire(await testWebhook(ctx, { ...askedBy(caller), webhookId: webhook_id })),
  )
  implement(app, contract.listWebhookDeliveries, async ({ webhook_id, outcome, cursor, limit }, { projectId }) => {
    const { id } = await requireWebhook(ctx, projectId, webhook_id)
    const before = decodeCursor('webhook_deliveries', cursor, [UUID])?.[0]
    const rows = await listDeliveries(ctx.reads, { webhookId: id, outcome, before, limit: limit + 1 })
    return pageOf(rows, limit, { wire: briefWire, cursor: (row) => encodeCursor('webhook_deliveries', [row.id]) })
  })
  implement(app, contract.getWebhookDelivery, async ({ webhook_id, delivery_id }, { projectId }) =>
    deliveryWire(await requireDelivery(ctx, projectId, { webhookId: webhook_id, deliveryId: delivery_id })),
  )
}

function replayFrom(eventId: string | undefined, time: string | undefined): ReplayFrom {
  if (eventId !== undefined && time !== undefined) throw refuseField('since', 'cannot be given with from_event_id')
  if (eventId !== undefined) return { eventId }
  if (time !== undefined) return { time }
  throw refuseField('from_event_id', 'or since is required')
}
