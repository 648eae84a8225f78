// Which node carries which webhook, and how far it has come. A lease says so; its token is a fencing token.
import type { Place } from '#core/log/seal.ts'
import { rowsOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'
import { type DisabledReason, type WebhookRow, webhookColumns } from './webhooks.sql.ts'

export type CarriedWebhook = WebhookRow & {
  xid: string
  readAt: Date
  revision: number
  leaseToken: string
  eventFailedAt: Date | null
}

const carriedColumns = (sql: Db) => sql`
  ${webhookColumns(sql)},
  xid::text as xid,
  read_at as "readAt",
  revision,
  lease_token as "leaseToken",
  event_failed_at as "eventFailedAt"`

const isActive = (sql: Db) => sql`paused_at is null and disabled_at is null`

/** How long a node counts that does not report any more: as long as its leases hold. */
const CARRIER_SECS = 20

/** Reports this node; answers the most webhooks that it should carry, so that all nodes carry about as many. */
export async function reportCarrier(sql: Db, owner: string): Promise<number> {
  const [row] = await sql<{ share: number }[]>`
    with seen as (
      insert into webhook_carriers (owner, seen_at) values (${owner}, clock_timestamp())
      on conflict (owner) do update set seen_at = excluded.seen_at
    ), gone as (
      delete from webhook_carriers where seen_at < clock_timestamp() - interval '1 day'
    )
    select ceil(active.n / (1 + others.n)::float8)::int as share
    from (select count(*) as n from webhooks where ${isActive(sql)}) active, (
      select count(*) as n from webhook_carriers
      where owner <> ${owner} and seen_at > clock_timestamp() - ${CARRIER_SECS}::int * interval '1 s'
    ) others`
  return row!.share
}

/** A node that stops leaves its share to the others at once. */
export const forgetCarrier = (sql: Db, owner: string) => sql`delete from webhook_carriers where owner = ${owner}`

type Lease = { owner: string; leaseSecs: number }

/** The webhooks of these leases that are still held and active, for another while. */
export const renewLeases = async (
  sql: Db,
  tokens: readonly string[],
  { leaseSecs }: Lease,
): Promise<CarriedWebhook[]> => [
  ...(await sql<CarriedWebhook[]>`
    update webhooks set lease_until = clock_timestamp() + ${leaseSecs}::float8 * interval '1 s'
    where lease_token = any(${tokens as string[]}::uuid[]) and ${isActive(sql)}
    returning ${carriedColumns(sql)}`),
]

/** Takes webhooks that nobody carries, those that waited longest first. */
export const claimWebhooks = async (
  sql: Db,
  { owner, leaseSecs, countMax }: Lease & { countMax: number },
): Promise<CarriedWebhook[]> => [
  ...(await sql<CarriedWebhook[]>`
    update webhooks
    set
      lease_owner = ${owner},
      lease_token = gen_random_uuid(),
      lease_until = clock_timestamp() + ${leaseSecs}::float8 * interval '1 s'
    where id in (
      select webhooks.id from webhooks
      where ${isActive(sql)} and (lease_until is null or lease_until < clock_timestamp())
      order by lease_until nulls first, id limit ${countMax}::int
      for update skip locked
    )
    returning ${carriedColumns(sql)}`),
]

export const releaseLeases = (sql: Db, tokens: readonly string[]) => sql`
  update webhooks set lease_owner = null, lease_token = null, lease_until = null
  where lease_token = any(${tokens as string[]}::uuid[])`

export type Progress = Place & {
  readAt: Date
  /** Failed attempts of the event after the place. */
  attempts: number
  eventFailedAtMs: number | null
  nextAttemptInMs: number | null
  lastError: string | null
  failingSinceMs: number | null
  /** Whether anything was delivered since it was saved last. */
  delivered: boolean
  disabled: DisabledReason | null
}

export type DeliveryOutcome = 'delivered' | 'failed' | 'given_up'

export type NewDelivery = {
  id: string
  eventId: string | null
  eventPosition: number | null
  eventType: string
  attempt: number
  outcome: DeliveryOutcome
  sentAtMs: number
  durationMs: number
  requestBody: string
  status: number | null
  responseBody: string | null
  error: string | null
}

/** Saves what was delivered and how far it has come; false when the lease is lost or the webhook was changed. */
export async function saveProgress(
  sql: Db,
  held: Pick<CarriedWebhook, 'id' | 'leaseToken' | 'revision'>,
  { progress, deliveries }: { progress: Progress; deliveries: readonly NewDelivery[] },
): Promise<boolean> {
  const it = progress
  const [row] = await sql<{ saved: boolean }[]>`
    with saved as (
      update webhooks
      set
        xid = ${it.xid}::text::xid8,
        position = ${it.position},
        read_at = ${it.readAt.toISOString()}::timestamptz,
        attempts = ${it.attempts},
        event_failed_at = to_timestamp(${it.eventFailedAtMs}::float8 / 1000),
        next_attempt_at = clock_timestamp() + ${it.nextAttemptInMs}::float8 * interval '1 ms',
        last_error = ${it.lastError},
        failing_since = to_timestamp(${it.failingSinceMs}::float8 / 1000),
        delivered_at = case when ${it.delivered}::boolean then clock_timestamp() else delivered_at end,
        disabled_at = case when ${it.disabled}::text is not null then date_trunc('milliseconds', clock_timestamp()) end,
        disabled_reason = ${it.disabled}
      where id = ${held.id}::uuid
        and lease_token = ${held.leaseToken}::uuid
        and revision = ${held.revision}
      returning id
    ), kept as (${insertDeliveriesOf(sql, deliveries)})
    select exists (select from saved) as saved`
  return row!.saved
}

const insertDeliveriesOf = (sql: Db, deliveries: readonly NewDelivery[]) => sql`
  insert into webhook_deliveries (
    id, webhook_id, event_id, event_position, event_type, attempt, outcome, sent_at, duration_ms, request_body,
    status, response_body, error)
  select
    d.id, saved.id, d.event_id, d.event_position, d.event_type, d.attempt, d.outcome,
    date_trunc('milliseconds', to_timestamp(d.sent_at_ms / 1000)), d.duration_ms, d.request_body,
    d.status, d.response_body, d.error
  from saved, ${deliveryRows(sql, deliveries)}
  -- A save is repeated when its answer was lost, perhaps after the commit.
  on conflict (id) do nothing`

const deliveryRows = (sql: Db, deliveries: readonly NewDelivery[]) =>
  rowsOf(
    sql,
    deliveries,
    {
      'id uuid': (it) => it.id,
      'event_id uuid': (it) => it.eventId,
      'event_position bigint': (it) => it.eventPosition,
      'event_type text': (it) => it.eventType,
      'attempt int': (it) => it.attempt,
      'outcome text': (it) => it.outcome,
      'sent_at_ms float8': (it) => it.sentAtMs,
      'duration_ms float8': (it) => it.durationMs,
      'request_body text': (it) => it.requestBody,
      'status int': (it) => it.status,
      'response_body text': (it) => it.responseBody,
      'error text': (it) => it.error,
    },
    'd',
  )

/** Keeps a delivery that moved nothing: that of a test. */
export const insertDelivery = (sql: Db, webhookId: string, delivery: NewDelivery) => sql`
  with saved as (select id from webhooks where id = ${webhookId}::uuid)
  ${insertDeliveriesOf(sql, [delivery])}`
