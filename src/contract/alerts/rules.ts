// Alerts: rules over what is counted, and what they raised.
import { Type } from 'typebox'
import { ALERT_KINDS } from '#core/alert.ts'
import { DAY_SECS } from '#core/durations.ts'
import { AGENT } from '../agents.ts'
import {
  body,
  flag,
  INT_MAX,
  JOB,
  listOf,
  nullable,
  oneOf,
  optional,
  paging,
  query,
  text,
  time,
  timeOrNull,
  uuid,
  whole,
  withDefault,
} from '../common.ts'
import { QUEUE } from '../job.ts'
import { route } from '../route.ts'

const tag = 'Alerts'

const RulePath = Type.Object({ rule_id: uuid('Id of the rule.') })

const NAME = text(128, 'What people call it.', { minLength: 1 })
const THRESHOLD = Type.Number({
  exclusiveMinimum: 0,
  maximum: INT_MAX,
  description: 'The rule holds when what is counted is this or more; unit and default depend on the kind.',
})
const settings = {
  threshold: THRESHOLD,
  window_secs: whole(
    60,
    DAY_SECS,
    'Seconds to look back over; for dead_letters (300), failure_rate and failure_rate_rise (900).',
  ),
  min_runs: whole(
    1,
    100_000,
    'Fewer ended runs say nothing about a rate; for failure_rate and failure_rate_rise (20).',
  ),
  past_days: whole(1, 30, 'Days before the window that its rate is compared with; for failure_rate_rise (1).'),
  job: JOB,
  queue: QUEUE,
  agent: AGENT,
}
const KIND = oneOf(
  ALERT_KINDS,
  'What is counted. dead_letters: runs that became dead letters within the window (1). failure_rate: percent of ended runs that failed (20). ' +
    'failure_rate_rise: percentage points by which the failure rate of the window exceeds that of the past_days before it (10). ' +
    'queue_age: seconds that the oldest due run has waited (300). no_worker: seconds that nobody has claimed from a queue with due runs (120). ' +
    'question_unanswered: seconds that the oldest question has waited (3600). budget: highest percent of a daily budget that is spent (80). ' +
    'agent_disabled: agents that are switched off (1). webhook_disabled: webhooks that Runyard disabled (1). ' +
    'seals: age in seconds of the oldest event that is not sealed (300). ' +
    'seals_broken: 1 while the log of the project does not match its seals; takes no threshold. ' +
    'duty_late: seconds that a background duty of any node has failed or been overdue (120). ' +
    'database_size: size of the database of the installation in GiB (100). ' +
    'disk_used: percent of the disk of the embedded database that is in use (90).',
)
const CHANNEL_IDS = Type.Array(uuid('Id of a channel.'), {
  maxItems: 10,
  uniqueItems: true,
  description: 'Channels to notify; without any, alerts are only listed and logged.',
})
const REPEAT_MINS = nullable(
  whole(1, 10_080, ''),
  'Minutes between reminders while the condition holds; null: notify once.',
)

export const AlertRule = Type.Object(
  {
    id: uuid('Id of the rule.'),
    name: NAME,
    kind: KIND,
    threshold: THRESHOLD,
    window_secs: settings.window_secs,
    min_runs: settings.min_runs,
    past_days: settings.past_days,
    job: nullable(settings.job, 'Only runs of this job; null: all.'),
    queue: nullable(settings.queue, 'Only this queue; null: all.'),
    agent: nullable(settings.agent, 'Only this agent; null: all.'),
    channel_ids: CHANNEL_IDS,
    repeat_mins: REPEAT_MINS,
    enabled: flag('Whether it is looked at.'),
    silenced_until: timeOrNull('Nobody is notified before this time; null: not silenced.'),
    firing: flag('Whether it holds now.'),
    value: nullable(Type.Number(), 'What was counted last; null: nothing yet, or too little to say anything.'),
    checked_at: timeOrNull('When that was.'),
    error: nullable(Type.String(), 'Why it could not be counted.'),
    created_at: time('When it was created.'),
    created_by: nullable(Type.String(), 'Id of the key or user that created it.'),
  },
  { title: 'AlertRule' },
)

export const listAlertRules = route({
  method: 'GET',
  path: '/v1/alerts/rules',
  needs: 'events:read',
  tag,
  name: 'listAlertRules',
  summary: 'List the rules of the project, oldest first, with what they counted last.',
  query: query(paging),
  replies: { 200: listOf(AlertRule, 'AlertRuleList') },
  refusals: ['invalid_cursor'],
})

export const createAlertRule = route({
  method: 'POST',
  path: '/v1/alerts/rules',
  needs: 'alerts:write',
  tag,
  name: 'createAlertRule',
  summary: 'Create a rule (at most 100 per project).',
  body: body(
    {
      name: NAME,
      kind: KIND,
      threshold: optional(settings.threshold),
      window_secs: optional(settings.window_secs),
      min_runs: optional(settings.min_runs),
      past_days: optional(settings.past_days),
      job: optional(settings.job),
      queue: optional(settings.queue),
      agent: optional(settings.agent),
      channel_ids: withDefault(CHANNEL_IDS, []),
      repeat_mins: withDefault(REPEAT_MINS, 240),
      enabled: withDefault(flag('Whether it is looked at.'), true),
    },
    { examples: [{ name: 'Invoices fail', kind: 'dead_letters', job: 'invoice', channel_ids: [] }] },
  ),
  replies: { 201: AlertRule },
})

export const getAlertRule = route({
  method: 'GET',
  path: '/v1/alerts/rules/:rule_id',
  needs: 'events:read',
  tag,
  name: 'getAlertRule',
  summary: 'Get a rule with what it counted last.',
  params: RulePath,
  replies: { 200: AlertRule },
  refusals: ['alert_rule_not_found'],
})

export const updateAlertRule = route({
  method: 'PATCH',
  path: '/v1/alerts/rules/:rule_id',
  needs: 'alerts:write',
  tag,
  name: 'updateAlertRule',
  summary: 'Update or silence a rule; fields that are left out keep their values, and its kind stays.',
  params: RulePath,
  body: body({
    name: optional(NAME),
    threshold: optional(settings.threshold),
    window_secs: optional(settings.window_secs),
    min_runs: optional(settings.min_runs),
    past_days: optional(settings.past_days),
    job: optional(nullable(settings.job, 'Only runs of this job; null: all.')),
    queue: optional(nullable(settings.queue, 'Only this queue; null: all.')),
    agent: optional(nullable(settings.agent, 'Only this agent; null: all.')),
    channel_ids: optional(CHANNEL_IDS),
    repeat_mins: optional(REPEAT_MINS),
    enabled: optional(flag('Whether it is looked at; an alert of a rule that is disabled ends.')),
    silenced_until: optional(
      timeOrNull('Nobody is notified before this time; null or a time in the past ends the silence.'),
    ),
  }),
  replies: { 200: AlertRule },
  refusals: ['alert_rule_not_found'],
})

export const deleteAlertRule = route({
  method: 'DELETE',
  path: '/v1/alerts/rules/:rule_id',
  needs: 'alerts:write',
  tag,
  name: 'deleteAlertRule',
  summary: 'Delete a rule with its alerts.',
  params: RulePath,
  replies: { 204: null },
  refusals: ['alert_rule_not_found'],
})

const Alert = Type.Object(
  {
    id: uuid('Id of the alert.'),
    rule_id: uuid('Id of the rule that raised it.'),
    rule_name: Type.String({ description: 'Name of the rule.' }),
    kind: KIND,
    started_at: time('When the rule began to hold.'),
    resolved_at: timeOrNull('When it no longer held; null while it fires.'),
    value: Type.Number({ description: 'What was counted last.' }),
    peak: Type.Number({ description: 'The most that was counted.' }),
    summary: Type.String({ description: 'What was counted, as a sentence.' }),
    told_at: timeOrNull('When somebody was last notified; null while the rule is silenced.'),
  },
  { title: 'Alert' },
)

export const listAlerts = route({
  method: 'GET',
  path: '/v1/alerts',
  needs: 'events:read',
  tag,
  name: 'listAlerts',
  summary: 'List alerts, newest first; those that are over are kept for 90 days.',
  query: query({
    rule_id: optional(uuid('Only alerts of this rule.')),
    firing: optional(flag('true: only alerts that fire now; false: only those that are over.')),
    ...paging,
  }),
  replies: { 200: listOf(Alert, 'AlertList') },
  refusals: ['invalid_cursor'],
})
