// Addresses that third parties call, and what they delivered.
import type { Sender } from '#core/senders.ts'
import { valuesOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'

export type HookRow = {
  id: string
  projectId: string
  name: string
  shownPrefix: string
  oldUntil: Date | null
  sender: Sender
  signingSecret: string | null
  eventKey: string | null
  jobId: string | null
  job: string | null
  pass: 'request' | 'json'
  rateLimitPerMinute: number
  createdAt: Date
  createdByType: string
  createdById: string | null
}

const columns = (sql: Db) => sql`
  h.id,
  h.project_id as "projectId",
  h.name,
  h.shown_prefix as "shownPrefix",
  case when h.old_until > clock_timestamp() then h.old_until end as "oldUntil",
  h.sender,
  h.signing_secret as "signingSecret",
  h.event_key as "eventKey",
  h.job_id as "jobId",
  (select slug from jobs where jobs.id = h.job_id) as job,
  h.pass,
  h.rate_limit_per_minute as "rateLimitPerMinute",
  h.created_at as "createdAt",
  h.created_by_type as "createdByType",
  h.created_by_id as "createdById"
  from hooks h`

export type NewHook = Omit<HookRow, 'createdAt' | 'oldUntil' | 'job'> & { secretHash: Buffer }

export const insertHook = (tx: Db, it: NewHook) => tx`
  insert into hooks ${valuesOf(tx, {
    id: it.id,
    project_id: it.projectId,
    name: it.name,
    secret_hash: it.secretHash,
    shown_prefix: it.shownPrefix,
    sender: it.sender,
    signing_secret: it.signingSecret,
    event_key: it.eventKey,
    job_id: it.jobId,
    pass: it.pass,
    rate_limit_per_minute: it.rateLimitPerMinute,
    created_by_type: it.createdByType,
    created_by_id: it.createdById,
  })}`

export async function countHooks(sql: Db, projectId: string): Promise<number> {
  const [row] = await sql<{ n: number }[]>`select count(*)::int as n from hooks where project_id = ${projectId}`
  return row!.n
}

export async function findHook(sql: Db, projectId: string, id: string): Promise<HookRow | undefined> {
  const [row] = await sql<HookRow[]>`select ${columns(sql)} where h.id = ${id} and h.project_id = ${projectId}`
  return row
}

/** By the secret of its address, or by the one that was rotated away a moment ago. */
export async function findHookOf(sql: Db, secretHash: Buffer): Promise<HookRow | undefined> {
  const [row] = await sql<HookRow[]>`
    select ${columns(sql)}
    where h.secret_hash = ${secretHash}
      or (h.old_secret_hash = ${secretHash} and h.old_until > clock_timestamp())`
  return row
}

type Page = { after?: { createdAt: string; id: string } | undefined; limit: number }

/** The latest first. */
export const listHooks = async (sql: Db, projectId: string, { after, limit }: Page): Promise<HookRow[]> => [
  ...(await sql<HookRow[]>`
    select ${columns(sql)}
    where h.project_id = ${projectId}
      ${after ? sql`and (h.created_at, h.id) < (${after.createdAt}::timestamptz, ${after.id}::uuid)` : sql``}
    order by h.created_at desc, h.id desc limit ${limit}`),
]

export const rotateSecret = (
  tx: Db,
  it: { id: string; secretHash: Buffer; shownPrefix: string; graceSecs: number; signingSecret?: string | undefined },
) => tx`
  update hooks
  set
    old_secret_hash = secret_hash,
    old_until = clock_timestamp() + ${it.graceSecs} * interval '1 s',
    secret_hash = ${it.secretHash},
    shown_prefix = ${it.shownPrefix},
    signing_secret = coalesce(${it.signingSecret ?? null}, signing_secret)
  where id = ${it.id}`

export async function deleteHook(tx: Db, projectId: string, id: string): Promise<boolean> {
  const [row] = await tx`delete from hooks where id = ${id} and project_id = ${projectId} returning id`
  return row !== undefined
}

/**
 * Keeps the delivery, so that its repeats are known. Whoever deletes the hook meanwhile is waited for: `gone`, then, as
 * it is for the next call.
 */
export async function insertDelivery(
  tx: Db,
  hookId: string,
  deliveryId: string,
): Promise<'kept' | 'duplicate' | 'gone'> {
  const [row] = await tx<{ found: boolean; kept: boolean }[]>`
    with hook as materialized (
      select id from hooks where id = ${hookId} for key share
    ), kept as (
      insert into hook_deliveries (hook_id, delivery_id) select id, ${deliveryId} from hook
      on conflict do nothing
      returning hook_id
    )
    select exists (select from hook) as found, exists (select from kept) as kept`
  if (!row!.found) return 'gone'
  return row!.kept ? 'kept' : 'duplicate'
}

export async function isDelivered(sql: Db, hookId: string, deliveryId: string): Promise<boolean> {
  const [row] = await sql`
    select 1 from hook_deliveries where hook_id = ${hookId} and delivery_id = ${deliveryId}`
  return row !== undefined
}

/** Senders repeat what was not accepted for three days at most. */
export async function deleteOldHookDeliveries(sql: Db, limit: number): Promise<number> {
  const rows = await sql`
    delete from hook_deliveries
    where (hook_id, delivery_id) in (
      select hook_id, delivery_id from hook_deliveries
      where received_at < clock_timestamp() - interval '7 days'
      order by received_at limit ${limit}
    )
    returning 1`
  return rows.length
}
