// Looks at the rules whose time has come, and writes what follows: the alert, its event and its messages are one
// transaction under the lock of the rule's row.
import type { Ctx } from '#bell/ctx.ts'
import { ALERT_KINDS, type AlertKind, afterLook, alertSentence, type Measured } from '#core/alert.ts'
import { SYSTEM } from '#core/event.ts'
import { cutText } from '#core/storable.ts'
import { record } from '#log/record.ts'
import { newId } from '#postgres/id.ts'
import type { Db } from '#postgres/sql.ts'
import { insertMessages, type MessageContent } from './channels.sql.ts'
import { measure, NotMeasurable } from './measure.ts'
import {
  type AlertRow,
  endAlert,
  findOpenAlert,
  insertAlert,
  lockRule,
  noteLook,
  type RuleRow,
  takeDueRules,
  updateAlert,
} from './rules.sql.ts'

const RULES_MAX = 20
/** A dead letter is reported within seconds; what counts much or changes slowly is looked at less often. */
const EVERY_SECS = 2
const SLOWLY: { kinds: AlertKind[]; everySecs: number } = {
  kinds: ALERT_KINDS.filter((kind) => kind !== 'dead_letters' && kind !== 'agent_disabled'),
  everySecs: 15,
}
const ERROR_LENGTH_MAX = 500

/** Whether there may be more that are due. */
export async function checkDueRules(ctx: Ctx): Promise<boolean> {
  const rules = await takeDueRules(ctx.sql, { limit: RULES_MAX, everySecs: EVERY_SECS, slowly: SLOWLY })
  for (const rule of rules) {
    try {
      await checkRule(ctx, rule)
    } catch (error) {
      // The other rules are looked at all the same.
      const known = error instanceof NotMeasurable ? error.message : undefined
      if (known === undefined) ctx.log.error({ err: error, rule: rule.id }, 'a rule of alerts could not be checked')
      await noteLook(ctx.sql, rule.id, { value: null, error: known ?? cutText(String(error), ERROR_LENGTH_MAX) })
    }
  }
  return rules.length === RULES_MAX
}

export async function checkRule(ctx: Ctx, rule: RuleRow): Promise<void> {
  const measured = await measure(ctx, rule.kind, rule)
  const holds = measured !== null && measured.value >= rule.settings.threshold
  // Most looks find nothing, and write one row.
  if (!holds && rule.alertId === null) return void (await noteLook(ctx.sql, rule.id, looked(measured)))
  await record(ctx, async (tx) => {
    const now = await lockRule(tx, rule.projectId, rule.id)
    if (!now?.enabled) return { result: undefined, events: [] }
    await noteLook(tx, rule.id, looked(measured))
    return moveOn(tx, ctx.nowMs(), { rule: now, measured })
  })
}

const looked = (measured: Measured) => ({ value: measured?.value ?? null, error: null })

async function moveOn(tx: Db, nowMs: number, { rule, measured }: { rule: RuleRow; measured: Measured }) {
  const open = await findOpenAlert(tx, rule.id)
  const { change, tell } = afterLook({
    open: open && { toldAtMs: open.toldAt?.getTime() ?? null },
    measured,
    threshold: rule.settings.threshold,
    isSilenced: rule.silencedUntil !== null,
    repeatMs: rule.repeatMins === null ? null : rule.repeatMins * 60_000,
    nowMs,
  })
  const id = open?.id ?? newId()
  const value = measured?.value ?? 0
  const summary = measured ? alertSentence(rule.kind, rule.settings, measured) : (open?.summary ?? '')
  const told = tell !== null
  if (change === 'begin') await insertAlert(tx, { id, rule, value, summary, told })
  if (change === 'go on') await updateAlert(tx, id, { value, summary, told })
  if (change === 'end') await endAlert(tx, id)
  const about = { id, rule, open, value, summary }
  if (tell) await insertMessages(tx, { ...rule, content: contentOf(tell, about) })
  const events = change === 'begin' || change === 'end' ? [eventOf(change, about)] : []
  return { result: undefined, events, rings: told ? (['alerts'] as const) : [] }
}

type About = { id: string; rule: RuleRow; open: AlertRow | undefined; value: number; summary: string }

const dataOf = ({ id, rule, open, value }: About) => ({
  alert_id: id,
  rule_id: rule.id,
  rule: rule.name,
  kind: rule.kind,
  value,
  peak: Math.max(value, open?.peak ?? value),
  threshold: rule.settings.threshold,
})

const eventOf = (change: 'begin' | 'end', about: About) => ({
  projectId: about.rule.projectId,
  type: change === 'begin' ? 'alert.fired' : 'alert.resolved',
  actor: SYSTEM,
  resourceType: 'alert_rule',
  resourceId: about.rule.id,
  message: about.summary,
  data: dataOf(about),
})

const WORDS = {
  fired: { type: 'alert.fired', title: 'Alert' },
  'still firing': { type: 'alert.fired', title: 'Still firing' },
  resolved: { type: 'alert.resolved', title: 'Resolved' },
} as const

function contentOf(tell: keyof typeof WORDS, about: About): MessageContent {
  const { rule, open, summary } = about
  const { type, title } = WORDS[tell]
  const since = open ? ` It began at ${open.startedAt.toISOString()}.` : ''
  const ended = tell === 'resolved' ? `It is over. At its peak: ${open?.summary ?? summary}.` : `${capital(summary)}.`
  return {
    type,
    title: `${title}: ${rule.name}`,
    text: `${ended}${since} Project ${rule.projectId}.`,
    data: { ...dataOf(about), project_id: rule.projectId, summary },
  }
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
