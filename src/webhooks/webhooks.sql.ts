// Webhooks as their owners see and change them. Each change counts the revision, by which the carrier notices it.

import type { Place } from '#core/log/seal.ts'
import type { RunState } from '#core/run.ts'
import { valuesOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'

export type WebhookFilter = {
  /** Types, or prefixes that end in `.*`; none: every type. */
  types: readonly string[]
  /** Ids or slugs of jobs; none: every event. */
  jobs: readonly string[]
  agents: readonly string[]
  /** States that a run enters; none: every event. */
  states: readonly RunState[]
  /** All of these; null: any value. */
  tags: Readonly<Record<string, string | null>>
}

export type DisabledReason = 'gone' | 'failing'

export type WebhookRow = {
  id: string
  projectId: string
  name: string
  url: string
  filter: WebhookFilter
  signingSecret: string
  /** Null once its time is over. */
  oldSecret: string | null
  oldSecretUntil: Date | null
  disableAfterDays: number
  pausedAt: Date | null
  disabledAt: Date | null
  disabledReason: DisabledReason | null
  createdAt: Date
  updatedAt: Date
  createdBy: string | null
  position: number
  attempts: number
  nextAttemptAt: Date | null
  lastError: string | null
  failingSince: Date | null
  deliveredAt: Date | null
}

export const webhookColumns = (sql: Db) => sql`
  id,
  project_id as "projectId",
  name,
  url,
  filter,
  signing_secret as "signingSecret",
  case when old_secret_until > clock_timestamp() then old_secret end as "oldSecret",
  case when old_secret_until > clock_timestamp() then old_secret_until end as "oldSecretUntil",
  disable_after_days as "disableAfterDays",
  paused_at as "pausedAt",
  disabled_at as "disabledAt",
  disabled_reason as "disabledReason",
  created_at as "createdAt",
  updated_at as "updatedAt",
  created_by as "createdBy",
  position,
  attempts,
  next_attempt_at as "nextAttemptAt",
  last_error as "lastError",
  failing_since as "failingSince",
  delivered_at as "deliveredAt"`

export async function findWebhook(sql: Db, projectId: string, id: string): Promise<WebhookRow | undefined> {
  const [row] = await sql<WebhookRow[]>`
    select ${webhookColumns(sql)} from webhooks where id = ${id}::uuid and project_id = ${projectId}`
  return row
}

type Page = { after?: { createdAt: string; id: string } | undefined; limit: number }

/** Oldest first. */
export const listWebhooks = async (sql: Db, projectId: string, { after, limit }: Page): Promise<WebhookRow[]> => [
  ...(await sql<WebhookRow[]>`
    select ${webhookColumns(sql)} from webhooks
    where project_id = ${projectId}
      ${after ? sql`and (created_at, id) > (${after.createdAt}::timestamptz, ${after.id}::uuid)` : sql``}
    order by created_at, id limit ${limit}::int`),
]

/** Locks the project for the creation of a webhook: two at once must not both take the last place. */
export async function countWebhooksLocked(tx: Db, projectId: string): Promise<number> {
  await tx`select from projects where id = ${projectId} for no key update`
  const [row] = await tx<{ n: number }[]>`select count(*)::int as n from webhooks where project_id = ${projectId}`
  return row!.n
}

export type WebhookSettings = Pick<WebhookRow, 'name' | 'url' | 'filter' | 'disableAfterDays'>

export type NewWebhook = WebhookSettings & {
  id: string
  projectId: string
  signingSecret: string
  createdBy: string | null
  /** It is sent what comes after this event. */
  after: Place
}

export async function insertWebhook(sql: Db, it: NewWebhook): Promise<WebhookRow> {
  const [row] = await sql<WebhookRow[]>`
    insert into webhooks ${valuesOf(sql, {
      id: it.id,
      project_id: it.projectId,
      name: it.name,
      url: it.url,
      filter: sql`${JSON.stringify(it.filter)}::text::jsonb`,
      signing_secret: it.signingSecret,
      disable_after_days: it.disableAfterDays,
      created_by: it.createdBy,
      xid: sql`${it.after.xid}::text::xid8`,
      position: it.after.position,
      read_at: sql`clock_timestamp()`,
    })}
    returning ${webhookColumns(sql)}`
  return row!
}

export async function lockWebhook(tx: Db, projectId: string, id: string): Promise<WebhookRow | undefined> {
  const [row] = await tx<WebhookRow[]>`
    select ${webhookColumns(tx)} from webhooks
    where id = ${id}::uuid and project_id = ${projectId} for no key update`
  return row
}

export async function updateWebhook(tx: Db, id: string, it: WebhookSettings): Promise<WebhookRow> {
  const [row] = await tx<WebhookRow[]>`
    update webhooks
    set
      name = ${it.name},
      url = ${it.url},
      filter = ${JSON.stringify(it.filter)}::text::jsonb,
      disable_after_days = ${it.disableAfterDays},
      -- What failed may succeed now.
      next_attempt_at = null,
      updated_at = date_trunc('milliseconds', clock_timestamp()),
      revision = revision + 1
    where id = ${id}::uuid
    returning ${webhookColumns(tx)}`
  return row!
}

export async function replaceSecret(
  tx: Db,
  id: string,
  { secret, graceSecs }: { secret: string; graceSecs: number },
): Promise<WebhookRow> {
  const [row] = await tx<WebhookRow[]>`
    update webhooks
    set
      old_secret = signing_secret,
      old_secret_until = clock_timestamp() + ${graceSecs}::float8 * interval '1 s',
      signing_secret = ${secret},
      updated_at = date_trunc('milliseconds', clock_timestamp()),
      revision = revision + 1
    where id = ${id}::uuid
    returning ${webhookColumns(tx)}`
  return row!
}

export async function pauseWebhook(tx: Db, id: string): Promise<WebhookRow> {
  const [row] = await tx<WebhookRow[]>`
    update webhooks set paused_at = date_trunc('milliseconds', clock_timestamp()), revision = revision + 1
    where id = ${id}::uuid
    returning ${webhookColumns(tx)}`
  return row!
}

/** Neither paused nor disabled any more, and with all its time to try again. */
export async function resumeWebhook(tx: Db, id: string): Promise<WebhookRow> {
  const [row] = await tx<WebhookRow[]>`
    update webhooks
    set
      paused_at = null,
      disabled_at = null,
      disabled_reason = null,
      attempts = 0,
      event_failed_at = null,
      next_attempt_at = null,
      failing_since = null,
      revision = revision + 1
    where id = ${id}::uuid
    returning ${webhookColumns(tx)}`
  return row!
}

/** The next event is the one after `place`. Its partitions are looked at again, so the time to read from goes back. */
export async function moveCursor(tx: Db, id: string, place: Place & { readAt: Date }): Promise<WebhookRow> {
  const [row] = await tx<WebhookRow[]>`
    update webhooks
    set
      xid = ${place.xid}::text::xid8,
      position = ${place.position},
      read_at = ${place.readAt.toISOString()}::timestamptz,
      attempts = 0,
      event_failed_at = null,
      next_attempt_at = null,
      revision = revision + 1
    where id = ${id}::uuid
    returning ${webhookColumns(tx)}`
  return row!
}

export async function deleteWebhook(tx: Db, id: string): Promise<void> {
  await tx`delete from webhooks where id = ${id}::uuid`
}

/** The place just before an event of the log. */
export async function findPlaceBefore(
  sql: Db,
  { projectId, occurredAt, position }: { projectId: string; occurredAt: Date; position: number },
): Promise<(Place & { readAt: Date }) | undefined> {
  const [row] = await sql<(Place & { readAt: Date })[]>`
    select xid::text as xid, position - 1 as position, recorded_at as "readAt" from events
    where project_id = ${projectId}
      and occurred_at = ${occurredAt.toISOString()}::timestamptz
      and position = ${position}`
  return row
}

/** The place just before the first event of the project that was recorded at a time or later. */
export async function findPlaceSince(
  sql: Db,
  projectId: string,
  time: string,
): Promise<(Place & { readAt: Date }) | undefined> {
  // In the order of the log, not that of the clock: an event that was recorded later may come before it.
  const [row] = await sql<(Place & { readAt: Date })[]>`
    select xid::text as xid, position - 1 as position, recorded_at as "readAt" from events
    where project_id = ${projectId} and recorded_at >= ${time}::timestamptz
    order by xid, position limit 1`
  return row
}
