// Webhooks: created, changed, paused, resumed, moved back in the log, tested, deleted. Each change and its event are one
// transaction; the node that carries a webhook is rung and reads it again.
import { randomUUID } from 'node:crypto'
import { checkEndpoint, egressOf } from '#access/egress/egress.ts'
import { requireOwnScope } from '#access/giver.ts'
import { maskUrl } from '#access/mask.ts'
import { newSigningSecret } from '#access/signatures/signature.ts'
import type { Ctx } from '#bell/ctx.ts'
import { refuse, refuseField } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { findEvent } from '#log/find-event.sql.ts'
import { record } from '#log/record.ts'
import { readTailEnd } from '#log/tail.sql.ts'
import { newId } from '#postgres/id.ts'
import type { Db } from '#postgres/sql.ts'
import { insertDelivery, type NewDelivery } from './carriers.sql.ts'
import { cloudEventText, sourceOf } from './cloud-event.ts'
import { deliver } from './deliver.ts'
import { type DeliveryRow, findDelivery } from './deliveries.sql.ts'
import {
  countWebhooksLocked,
  deleteWebhook as deleteRow,
  findPlaceBefore,
  findPlaceSince,
  findWebhook,
  insertWebhook,
  lockWebhook,
  moveCursor,
  pauseWebhook as pauseRow,
  replaceSecret,
  resumeWebhook as resumeRow,
  updateWebhook as updateRow,
  type WebhookRow,
  type WebhookSettings,
} from './webhooks.sql.ts'

export const WEBHOOKS_MAX = 50

type Asked = Cause & { projectId: string }
type AskedOf = Asked & { webhookId: string }

export async function requireWebhook(ctx: Pick<Ctx, 'sql'>, projectId: string, webhookId: string): Promise<WebhookRow> {
  const row = await findWebhook(ctx.sql, projectId, webhookId)
  if (!row) throw refuse('webhook_not_found', { webhookId })
  return row
}

/** It is sent what is committed from now on. */
export async function createWebhook(ctx: Ctx, asked: Asked & { settings: WebhookSettings }): Promise<WebhookRow> {
  const { projectId, settings, actor } = asked
  await checkUrl(ctx, settings.url)
  const id = newId()
  const after = await readTailEnd(ctx.sql)
  return record(ctx, async (tx) => {
    await requireOwnScope(tx, asked, 'events:read')
    if ((await countWebhooksLocked(tx, projectId)) >= WEBHOOKS_MAX)
      throw refuseField('url', `would be one more than the ${WEBHOOKS_MAX} webhooks that a project may have`)
    const signingSecret = newSigningSecret()
    const row = await insertWebhook(tx, { ...settings, id, projectId, signingSecret, createdBy: actor.id, after })
    return { result: row, events: [eventOf(asked, row, { type: 'webhook.created' })], rings: ['webhooks'] }
  })
}

/** What is not named stays as it is. */
export async function updateWebhook(
  ctx: Ctx,
  asked: AskedOf & {
    patch: Partial<Omit<WebhookSettings, 'filter'>> & { filter?: Partial<WebhookSettings['filter']> }
  },
): Promise<WebhookRow> {
  const { patch } = asked
  if (patch.url !== undefined) await checkUrl(ctx, patch.url)
  return change(ctx, asked, async (tx, before) => {
    await requireOwnScope(tx, asked, 'events:read')
    const filter = { ...before.filter, ...patch.filter }
    const row = await updateRow(tx, before.id, { ...before, ...patch, filter })
    const { filter: inFilter = {}, ...others } = patch
    return { row, type: 'webhook.updated', data: { fields: [...Object.keys(others), ...Object.keys(inFilter)] } }
  })
}

async function checkUrl(ctx: Ctx, url: string): Promise<void> {
  const checked = await checkEndpoint(url, egressOf(ctx))
  if (!checked.ok) throw refuseField('url', checked.message)
}

/** A new secret signs at once; the old one signs beside it for the grace. */
export const rotateSecret = (ctx: Ctx, asked: AskedOf & { graceSecs: number }): Promise<WebhookRow> =>
  change(ctx, asked, async (tx, before) => ({
    row: await replaceSecret(tx, before.id, { secret: newSigningSecret(), graceSecs: asked.graceSecs }),
    type: 'webhook.secret_rotated',
    data: { grace_secs: asked.graceSecs },
  }))

export const pauseWebhook = (ctx: Ctx, asked: AskedOf): Promise<WebhookRow> =>
  change(ctx, asked, async (tx, before) =>
    before.pausedAt ? { row: before } : { row: await pauseRow(tx, before.id), type: 'webhook.paused' },
  )

/** It goes on where it stood, also after it was disabled. */
export const resumeWebhook = (ctx: Ctx, asked: AskedOf): Promise<WebhookRow> =>
  change(ctx, asked, async (tx, before) =>
    before.pausedAt || before.disabledAt
      ? { row: await resumeRow(tx, before.id), type: 'webhook.resumed' }
      : { row: before },
  )

export async function deleteWebhook(ctx: Ctx, asked: AskedOf): Promise<void> {
  await change(ctx, asked, async (tx, before) => {
    await deleteRow(tx, before.id)
    return { row: before, type: 'webhook.deleted' }
  })
}

export type ReplayFrom = { eventId: string } | { time: string }

/** Delivers again from an event on, or from the first event that was recorded at a time or later. */
export async function replayWebhook(ctx: Ctx, asked: AskedOf & { from: ReplayFrom }): Promise<WebhookRow> {
  const { projectId, from } = asked
  const place = await placeBefore(ctx, projectId, from)
  return change(ctx, asked, async (tx, before) => ({
    row: await moveCursor(tx, before.id, place),
    type: 'webhook.replayed',
    data: 'time' in from ? { since: from.time } : { from_event_id: from.eventId },
  }))
}

async function placeBefore(ctx: Ctx, projectId: string, from: ReplayFrom) {
  if ('time' in from) return (await findPlaceSince(ctx.reads, projectId, from.time)) ?? readTailEnd(ctx.reads)
  const event = await findEvent(ctx.reads, projectId, from.eventId)
  const place = event && (await findPlaceBefore(ctx.reads, event))
  if (!place) throw refuse('event_not_found', { eventId: from.eventId })
  return place
}

/** Sends a message of its own at once, whatever waits; it is listed with the deliveries, and moves nothing. */
export async function testWebhook(ctx: Ctx, { projectId, webhookId }: AskedOf): Promise<NewDelivery> {
  const webhook = await requireWebhook(ctx, projectId, webhookId)
  const id = randomUUID()
  const time = new Date(ctx.nowMs()).toISOString()
  const type = 'webhook.test'
  const data = { webhook_id: webhook.id, name: webhook.name }
  const body = cloudEventText({ id, source: sourceOf(projectId), type, time, subject: `webhook/${webhook.id}`, data })
  const { delivery } = await deliver(ctx, webhook, { message: { id, type, body }, attempt: 1 })
  await insertDelivery(ctx.sql, webhook.id, delivery)
  return delivery
}

export async function requireDelivery(
  ctx: Ctx,
  projectId: string,
  it: { webhookId: string; deliveryId: string },
): Promise<DeliveryRow> {
  const { id } = await requireWebhook(ctx, projectId, it.webhookId)
  const delivery = await findDelivery(ctx.sql, id, it.deliveryId)
  if (!delivery) throw refuse('delivery_not_found', { deliveryId: it.deliveryId })
  return delivery
}

/** Without a type, nothing changed. */
type Changed = { row: WebhookRow; type?: `webhook.${string}`; data?: object }

function change(
  ctx: Ctx,
  asked: AskedOf,
  write: (tx: Db, before: WebhookRow) => Promise<Changed>,
): Promise<WebhookRow> {
  return record(ctx, async (tx) => {
    const before = await lockWebhook(tx, asked.projectId, asked.webhookId)
    if (!before) throw refuse('webhook_not_found', { webhookId: asked.webhookId })
    const { row, type, data } = await write(tx, before)
    if (!type) return { result: row, events: [] }
    return { result: row, events: [eventOf(asked, row, { type, data })], rings: ['webhooks'] }
  })
}

const eventOf = (
  { projectId, actor, correlationId, causationId }: Asked,
  row: WebhookRow,
  { type, data }: { type: `webhook.${string}`; data?: object | undefined },
) => ({
  projectId,
  actor,
  correlationId,
  causationId,
  type,
  resourceType: 'webhook',
  resourceId: row.id,
  data: { name: row.name, url: maskUrl(row.url), ...data },
})
