import type { FastifyInstance } from 'fastify'
import { listAlerts, listRules, type RuleRow } from '#alerts/rules.sql.ts'
import { createRule, deleteRule, type RuleChange, requireRule, updateRule } from '#alerts/rules.ts'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/alerts/rules.ts'
import { type AlertSettings, wholeSettings } from '#core/alert.ts'
import { instantText } from '#postgres/instant.ts'
import { askedBy } from '../../caller.ts'
import { implement } from '../../implement.ts'
import { createdCursor, createdKey, decodeCursor, encodeCursor, pageOf, TIME, UUID } from '../../wire/cursor.ts'
import { fromWire, toWire } from '../../wire/words.ts'

const ruleWire = ({ projectId: _, settings, alertId, ...row }: RuleRow) => ({
  ...toWire(row),
  // A rule keeps the settings that there were when it was written.
  ...toWire(wholeSettings(row.kind, settings)),
  firing: alertId !== null,
})

/** The settings among the fields of a body. */
const SETTINGS = ['threshold', 'window_secs', 'min_runs', 'past_days', 'job', 'queue', 'agent'] as const
type SettingFields = Partial<Record<(typeof SETTINGS)[number], unknown>>

const settingsFrom = (fields: SettingFields): Partial<AlertSettings> => {
  const given = SETTINGS.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]]]))
  return fromWire(Object.fromEntries(given)) as Partial<AlertSettings>
}

export function alertRuleRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.listAlertRules, async ({ cursor, limit }, { projectId }) => {
    const rows = await listRules(ctx.reads, projectId, {
      after: createdCursor('alert_rules', cursor),
      limit: limit + 1,
    })
    return pageOf(rows, limit, { wire: ruleWire, cursor: (row) => encodeCursor('alert_rules', createdKey(row)) })
  })
  implement(app, contract.createAlertRule, async (input, caller) => {
    const { name, kind, channel_ids: channelIds, repeat_mins: repeatMins, enabled, ...fields } = input
    const rule = { name, kind, channelIds, repeatMins, enabled, settings: settingsFrom(fields) }
    return ruleWire(await createRule(ctx, { ...askedBy(caller), rule }))
  })
  implement(app, contract.getAlertRule, async ({ rule_id }, { projectId }) =>
    ruleWire(await requireRule(ctx, projectId, rule_id)),
  )
  implement(app, contract.updateAlertRule, async ({ rule_id, ...input }, caller) => {
    const { name, channel_ids, repeat_mins, enabled, silenced_until, ...fields } = input
    const change: RuleChange = {
      ...(name !== undefined && { name }),
      ...(channel_ids !== undefined && { channelIds: channel_ids }),
      ...(repeat_mins !== undefined && { repeatMins: repeat_mins }),
      ...(enabled !== undefined && { enabled }),
      ...(silenced_until !== undefined && { silencedUntil: silenced_until === null ? null : new Date(silenced_until) }),
      settings: settingsFrom(fields),
    }
    return ruleWire(await updateRule(ctx, { ...askedBy(caller), ruleId: rule_id, change }))
  })
  implement(app, contract.deleteAlertRule, async ({ rule_id }, caller) => {
    await deleteRule(ctx, { ...askedBy(caller), ruleId: rule_id })
    return undefined
  })
  implement(app, contract.listAlerts, async ({ rule_id, firing, cursor, limit }, { projectId }) => {
    const [startedAt, id] = decodeCursor('alerts', cursor, [TIME, UUID]) ?? []
    const rows = await listAlerts(ctx.reads, {
      projectId,
      ruleId: rule_id,
      isFiring: firing,
      before: startedAt === undefined || id === undefined ? undefined : { startedAt, id },
      limit: limit + 1,
    })
    return pageOf(rows, limit, {
      wire: (row) => toWire(row),
      cursor: (row) => encodeCursor('alerts', [instantText(row.startedAt), row.id]),
    })
  })
}
