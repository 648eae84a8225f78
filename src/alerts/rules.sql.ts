// Rules, and the alerts that they raised.
import type { AlertKind, AlertSettings } from '#core/alert.ts'
import { valuesOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'

export type RuleRow = {
  id: string
  projectId: string
  name: string
  kind: AlertKind
  settings: AlertSettings
  channelIds: string[]
  repeatMins: number | null
  enabled: boolean
  silencedUntil: Date | null
  createdAt: Date
  createdBy: string | null
  checkedAt: Date | null
  value: number | null
  error: string | null
  /** The alert that is firing. */
  alertId: string | null
}

const columns = (sql: Db) => sql`
  id,
  project_id as "projectId",
  name,
  kind,
  settings,
  channel_ids as "channelIds",
  repeat_mins as "repeatMins",
  enabled,
  case when silenced_until > clock_timestamp() then silenced_until end as "silencedUntil",
  created_at as "createdAt",
  created_by as "createdBy",
  checked_at as "checkedAt",
  value,
  error,
  (select a.id from alerts a where a.rule_id = alert_rules.id and a.resolved_at is null) as "alertId"`

export async function findRule(sql: Db, projectId: string, id: string): Promise<RuleRow | undefined> {
  const [row] = await sql<RuleRow[]>`
    select ${columns(sql)} from alert_rules where id = ${id}::uuid and project_id = ${projectId}`
  return row
}

export async function lockRule(tx: Db, projectId: string, id: string): Promise<RuleRow | undefined> {
  const [row] = await tx<RuleRow[]>`
    select ${columns(tx)} from alert_rules where id = ${id}::uuid and project_id = ${projectId} for no key update`
  return row
}

type Page = { after?: { createdAt: string; id: string } | undefined; limit: number }

/** Oldest first. */
export const listRules = async (sql: Db, projectId: string, { after, limit }: Page): Promise<RuleRow[]> => [
  ...(await sql<RuleRow[]>`
    select ${columns(sql)} from alert_rules
    where project_id = ${projectId}
      ${after ? sql`and (created_at, id) > (${after.createdAt}::timestamptz, ${after.id}::uuid)` : sql``}
    order by created_at, id limit ${limit}::int`),
]

export async function countRulesLocked(tx: Db, projectId: string): Promise<number> {
  await tx`select from projects where id = ${projectId} for no key update`
  const [row] = await tx<{ n: number }[]>`select count(*)::int as n from alert_rules where project_id = ${projectId}`
  return row!.n
}

export type RuleSettings = Pick<
  RuleRow,
  'name' | 'kind' | 'settings' | 'channelIds' | 'repeatMins' | 'enabled' | 'silencedUntil'
>

const settingsOf = (sql: Db, it: RuleSettings) => ({
  name: it.name,
  kind: it.kind,
  settings: sql`${JSON.stringify(it.settings)}::text::jsonb`,
  channel_ids: sql`${it.channelIds}::uuid[]`,
  repeat_mins: it.repeatMins,
  enabled: it.enabled,
  silenced_until: sql`${it.silencedUntil?.toISOString() ?? null}::timestamptz`,
})

export async function insertRule(
  tx: Db,
  it: RuleSettings & { id: string; projectId: string; createdBy: string | null },
): Promise<RuleRow> {
  const row = { id: it.id, project_id: it.projectId, created_by: it.createdBy, ...settingsOf(tx, it) }
  const [inserted] = await tx<RuleRow[]>`insert into alert_rules ${valuesOf(tx, row)} returning ${columns(tx)}`
  return inserted!
}

/** It is looked at again at once. */
export async function updateRule(tx: Db, id: string, it: RuleSettings): Promise<RuleRow> {
  const [row] = await tx<RuleRow[]>`
    update alert_rules
    set
      name = ${it.name},
      settings = ${JSON.stringify(it.settings)}::text::jsonb,
      channel_ids = ${it.channelIds}::uuid[],
      repeat_mins = ${it.repeatMins},
      enabled = ${it.enabled},
      silenced_until = ${it.silencedUntil?.toISOString() ?? null}::timestamptz,
      check_at = clock_timestamp()
    where id = ${id}::uuid
    returning ${columns(tx)}`
  return row!
}

export async function deleteRule(tx: Db, id: string): Promise<void> {
  await tx`delete from alert_rules where id = ${id}::uuid`
}

/** Takes rules whose time has come, and sets their next: `everySecs` for those that are to be told within seconds. */
export const takeDueRules = async (
  sql: Db,
  { limit, everySecs, slowly }: { limit: number; everySecs: number; slowly: { kinds: AlertKind[]; everySecs: number } },
): Promise<RuleRow[]> => [
  ...(await sql<RuleRow[]>`
    update alert_rules
    set check_at = clock_timestamp() + interval '1 s' *
      case when kind = any(${slowly.kinds}::text[]) then ${slowly.everySecs}::float8 else ${everySecs}::float8 end
    where id in (
      select alert_rules.id from alert_rules
      where enabled and check_at <= clock_timestamp()
      order by check_at limit ${limit}::int
      for update skip locked
    )
    returning ${columns(sql)}`),
]

export const noteLook = (sql: Db, id: string, { value, error }: { value: number | null; error: string | null }) => sql`
  update alert_rules set checked_at = clock_timestamp(), value = ${value}, error = ${error} where id = ${id}::uuid`

export type AlertRow = {
  id: string
  ruleId: string
  ruleName: string
  kind: AlertKind
  startedAt: Date
  resolvedAt: Date | null
  value: number
  peak: number
  summary: string
  toldAt: Date | null
}

const alertColumns = (sql: Db) => sql`
  a.id,
  a.rule_id as "ruleId",
  r.name as "ruleName",
  r.kind,
  a.started_at as "startedAt",
  a.resolved_at as "resolvedAt",
  a.value,
  a.peak,
  a.summary,
  a.told_at as "toldAt"
  from alerts a
  join alert_rules r on r.id = a.rule_id`

export async function findOpenAlert(sql: Db, ruleId: string): Promise<AlertRow | undefined> {
  const [row] = await sql<AlertRow[]>`
    select ${alertColumns(sql)} where a.rule_id = ${ruleId}::uuid and a.resolved_at is null`
  return row
}

type AlertPage = {
  projectId: string
  ruleId?: string | undefined
  isFiring?: boolean | undefined
  before?: { startedAt: string; id: string } | undefined
  limit: number
}

/** Newest first. */
export const listAlerts = async (
  sql: Db,
  { projectId, ruleId, isFiring, before, limit }: AlertPage,
): Promise<AlertRow[]> => [
  ...(await sql<AlertRow[]>`
    select ${alertColumns(sql)}
    where a.project_id = ${projectId}
      ${ruleId === undefined ? sql`` : sql`and a.rule_id = ${ruleId}::uuid`}
      ${isFiring === undefined ? sql`` : sql`and (a.resolved_at is null) = ${isFiring}`}
      ${before ? sql`and (a.started_at, a.id) < (${before.startedAt}::timestamptz, ${before.id}::uuid)` : sql``}
    order by a.started_at desc, a.id desc limit ${limit}::int`),
]

export const insertAlert = (
  tx: Db,
  it: { id: string; rule: Pick<RuleRow, 'id' | 'projectId'>; value: number; summary: string; told: boolean },
) => tx`
  insert into alerts ${valuesOf(tx, {
    id: it.id,
    project_id: it.rule.projectId,
    rule_id: it.rule.id,
    value: it.value,
    peak: it.value,
    summary: it.summary,
    told_at: it.told ? tx`clock_timestamp()` : null,
  })}`

export const updateAlert = (
  tx: Db,
  id: string,
  { value, summary, told }: { value: number; summary: string; told: boolean },
) => tx`
  update alerts
  set
    value = ${value},
    peak = greatest(peak, ${value}),
    summary = ${summary},
    told_at = case when ${told}::boolean then clock_timestamp() else told_at end
  where id = ${id}::uuid`

export const endAlert = (tx: Db, id: string) => tx`
  update alerts set resolved_at = date_trunc('milliseconds', clock_timestamp()) where id = ${id}::uuid`

export async function deleteOldAlerts(sql: Db, days: number, limit: number): Promise<number> {
  const rows = await sql`
    delete from alerts where id in (
      select alerts.id from alerts where resolved_at < now() - ${days}::float8 * interval '1 day' limit ${limit}::int)
    returning 1`
  return rows.length
}
