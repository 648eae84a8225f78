// What was sent lately, and what was answered: the newest of each webhook, for some days.
import type { Db } from '#postgres/sql.ts'
import type { NewDelivery } from './carriers.sql.ts'

export type DeliveryRow = Omit<NewDelivery, 'sentAtMs'> & { webhookId: string; sentAt: Date }

const columns = (sql: Db) => sql`
  id,
  webhook_id as "webhookId",
  event_id as "eventId",
  event_position as "eventPosition",
  event_type as "eventType",
  attempt,
  outcome,
  sent_at as "sentAt",
  duration_ms as "durationMs",
  request_body as "requestBody",
  status,
  response_body as "responseBody",
  error`

type Page = { webhookId: string; outcome?: string | undefined; before?: string | undefined; limit: number }

/** Newest first. */
export const listDeliveries = async (sql: Db, { webhookId, outcome, before, limit }: Page): Promise<DeliveryRow[]> => [
  ...(await sql<DeliveryRow[]>`
    select ${columns(sql)} from webhook_deliveries
    where webhook_id = ${webhookId}::uuid
      ${outcome === undefined ? sql`` : sql`and outcome = ${outcome}`}
      ${before === undefined ? sql`` : sql`and id < ${before}::uuid`}
    order by id desc limit ${limit}::int`),
]

export async function findDelivery(sql: Db, webhookId: string, id: string): Promise<DeliveryRow | undefined> {
  const [row] = await sql<DeliveryRow[]>`
    select ${columns(sql)} from webhook_deliveries where id = ${id}::uuid and webhook_id = ${webhookId}::uuid`
  return row
}

/** Deletes all but the newest deliveries of a webhook. */
export const trimDeliveries = (sql: Db, webhookId: string, kept: number) => sql`
  delete from webhook_deliveries
  where webhook_id = ${webhookId}::uuid
    and id < (
      select id from webhook_deliveries
      where webhook_id = ${webhookId}::uuid
      order by id desc offset ${kept}::int - 1 limit 1
    )`

/** By id, which holds the time of its making and has an index. */
export async function deleteOldDeliveries(sql: Db, days: number, limit: number): Promise<number> {
  const rows = await sql`
    delete from webhook_deliveries where id in (
      select webhook_deliveries.id from webhook_deliveries
      where id < (
        lpad(to_hex((extract(epoch from now() - ${days}::float8 * interval '1 day') * 1000)::bigint), 12, '0')
          || repeat('0', 20)
      )::uuid
      order by id limit ${limit}::int)
    returning 1`
  return rows.length
}
