// Rules of alerts: created, changed, silenced, deleted. Each change and its event are one transaction.
import type { Ctx } from '#bell/ctx.ts'
import { type AlertKind, type AlertSettings, unknownSetting, wholeSettings } from '#core/alert.ts'
import { refuse, refuseField } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { record } from '#log/record.ts'
import { newId } from '#postgres/id.ts'
import type { Db } from '#postgres/sql.ts'
import { readKnownChannels } from './channels.sql.ts'
import {
  countRulesLocked,
  deleteRule as deleteRow,
  endAlert,
  findRule,
  insertRule,
  lockRule,
  type RuleRow,
  type RuleSettings,
  updateRule as updateRow,
} from './rules.sql.ts'

const RULES_MAX = 100

type Asked = Cause & { projectId: string }
type AskedOf = Asked & { ruleId: string }
export type NewRule = Omit<RuleSettings, 'settings' | 'silencedUntil'> & { settings: Partial<AlertSettings> }
export type RuleChange = Partial<Omit<RuleSettings, 'kind' | 'settings'>> & { settings?: Partial<AlertSettings> }

export async function requireRule(ctx: Pick<Ctx, 'sql'>, projectId: string, ruleId: string): Promise<RuleRow> {
  const row = await findRule(ctx.sql, projectId, ruleId)
  if (!row) throw refuse('alert_rule_not_found', { ruleId })
  return row
}

export function createRule(ctx: Ctx, asked: Asked & { rule: NewRule }): Promise<RuleRow> {
  const { projectId, rule, actor } = asked
  const settings = checkedSettings(rule.kind, rule.settings)
  return record(ctx, async (tx) => {
    if ((await countRulesLocked(tx, projectId)) >= RULES_MAX)
      throw refuseField('name', `would be one more than the ${RULES_MAX} rules that a project may have`)
    await checkChannels(tx, projectId, rule.channelIds)
    const more = { id: newId(), projectId, createdBy: actor.id, silencedUntil: null }
    const row = await insertRule(tx, { ...rule, ...more, settings })
    return { result: row, events: [eventOf(asked, row, 'alert_rule.created')] }
  })
}

/** What is not named stays as it is. A rule that is disabled ends its alert without a word. */
export function updateRule(ctx: Ctx, asked: AskedOf & { change: RuleChange }): Promise<RuleRow> {
  return record(ctx, async (tx) => {
    const before = await lockRule(tx, asked.projectId, asked.ruleId)
    if (!before) throw refuse('alert_rule_not_found', { ruleId: asked.ruleId })
    const { change } = asked
    if (change.channelIds) await checkChannels(tx, asked.projectId, change.channelIds)
    const settings = { ...before.settings, ...checkedPatch(before.kind, change.settings ?? {}) }
    const row = await updateRow(tx, before.id, { ...before, ...change, settings })
    if (!row.enabled && before.alertId !== null) await endAlert(tx, before.alertId)
    return {
      result: { ...row, alertId: row.enabled ? row.alertId : null },
      events: [eventOf(asked, row, 'alert_rule.updated')],
    }
  })
}

export async function deleteRule(ctx: Ctx, asked: AskedOf): Promise<void> {
  await record(ctx, async (tx) => {
    const row = await lockRule(tx, asked.projectId, asked.ruleId)
    if (!row) throw refuse('alert_rule_not_found', { ruleId: asked.ruleId })
    await deleteRow(tx, row.id)
    return { result: undefined, events: [eventOf(asked, row, 'alert_rule.deleted')] }
  })
}

const checkedSettings = (kind: AlertKind, settings: Partial<AlertSettings>): AlertSettings =>
  wholeSettings(kind, checkedPatch(kind, settings))

function checkedPatch(kind: AlertKind, settings: Partial<AlertSettings>): Partial<AlertSettings> {
  const unknown = unknownSetting(kind, settings)
  const wire = unknown?.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  if (wire !== undefined) throw refuseField(wire, `is not used by rules of the kind ${kind}`)
  return settings
}

async function checkChannels(tx: Db, projectId: string, channelIds: readonly string[]): Promise<void> {
  const known = await readKnownChannels(tx, projectId, channelIds)
  const unknown = channelIds.findIndex((id) => !known.has(id.toLowerCase()))
  if (unknown >= 0) throw refuseField(`channel_ids[${unknown}]`, 'is not a channel of this project')
}

const eventOf = ({ projectId, actor, correlationId, causationId }: Asked, row: RuleRow, type: string) => ({
  projectId,
  actor,
  correlationId,
  causationId,
  type,
  resourceType: 'alert_rule',
  resourceId: row.id,
  data: {
    name: row.name,
    kind: row.kind,
    threshold: row.settings.threshold,
    enabled: row.enabled,
    silenced_until: row.silencedUntil?.toISOString() ?? null,
  },
})
