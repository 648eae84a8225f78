// How much of its plan a project has used this month, and what happens beyond its limits.

import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { Ctx } from '#bell/ctx.ts'
import { flag, oneOf, optional, text, withDefault } from '#contract/common.ts'
import { type Route, route } from '#contract/route.ts'
import { DAY_MS } from '#core/durations.ts'
import type { PlanKind } from '#core/usage/plan.ts'
import { implement } from '#http/implement.ts'
import { changeNotices } from '#usage/change-notices.ts'
import { type NamedPlan, planOf, requireFeature } from '#usage/plan-of.ts'
import {
  type DayUse,
  NOTICES,
  type Notices,
  readDays,
  readMonthName,
  readNotices,
  type Used,
} from '#usage/plans.sql.ts'
import { type MonthUse, readMonthUse } from '#usage/quota.ts'
import { fieldRefusal } from './wording.ts'

const tag = 'Account and usage'
const KINDS = ['make', 'ai'] as const
const DAYS_MAX = 366
const DAYS = 30

const NOTICE_FIELDS = {
  email_notifications_enabled: flag('Whether notifications are on at all.'),
  tool_error_notifications_enabled: flag('Whether tool failures are notified.'),
  run_failure_notifications_enabled: flag('Whether run failures are notified.'),
}
const count = (description: string) => Type.Integer({ description })
const MONTH = Type.String({ description: 'The month (UTC).', examples: ['2026-01'] })
const PLAN = Type.String({ description: 'Name of the plan.' })
const part = {
  usage: count('Calls that count against the plan.'),
  limit: count('Monthly limit of the plan.'),
  requests_total_month: count('All calls.'),
  blocked_total_month: count('Calls that were refused: duplicates and calls over the limit.'),
}
const wholePart = Type.Object({
  ...part,
  charged_total_month: count('Calls that were charged.'),
  polling_total_month: count('Calls that only asked for a status.'),
})

const getMe = route({
  method: 'GET',
  path: '/v1/me',
  needs: 'any_key',
  tag,
  name: 'getAccount',
  summary: "Get the key's account and its plan.",
  replies: { 200: Type.Object({ plan: PLAN, namespace: Type.String(), key_id: Type.String(), ...NOTICE_FIELDS }) },
})
const setNotifications = route({
  method: 'POST',
  path: '/v1/me/notifications',
  needs: 'admin',
  tag,
  name: 'setNotifications',
  summary: 'Set the notification preferences of the project. They are stored; Runyard sends no mail.',
  body: Type.Object(Object.fromEntries(NOTICES.map((name) => [name, optional(NOTICE_FIELDS[name])]))),
  replies: { 200: Type.Object(NOTICE_FIELDS) },
})
const getUsage = route({
  method: 'GET',
  path: '/v1/usage',
  needs: 'any_key',
  tag,
  name: 'getUsage',
  summary: "Get this month's use of the plan for one kind of call.",
  query: Type.Object({ kind: withDefault(oneOf(KINDS, 'make: locks. ai: AI leases and governed calls.'), 'make') }),
  replies: { 200: Type.Object({ plan: PLAN, month: MONTH, ...part }) },
})
const getUsageAll = route({
  method: 'GET',
  path: '/v1/usage/all',
  needs: 'any_key',
  tag,
  name: 'getUsageAll',
  summary: "Get this month's use of the plan.",
  replies: { 200: Type.Object({ plan: PLAN, month: MONTH, make: wholePart, ai: wholePart }) },
})
const day = (description: string) => optional(text(10, description, { pattern: '^\\d{4}-\\d{2}-\\d{2}$' }))
const sums = Type.Object({
  requests: Type.Integer(),
  charged: Type.Integer(),
  blocked: Type.Integer(),
  polling: Type.Integer(),
})
const getMetrics = route({
  method: 'GET',
  path: '/v1/metrics',
  needs: 'any_key',
  tag,
  name: 'getMetrics',
  summary: 'Get the use per day (UTC), including both the first and the last day; defaults to the last 30 days.',
  query: Type.Object({ from_day: day('First day, as YYYY-MM-DD.'), to_day: day('Last day, as YYYY-MM-DD.') }),
  replies: {
    200: Type.Object({
      from_day: Type.String(),
      to_day: Type.String(),
      days: Type.Array(Type.Object({ day: Type.String(), make: sums, ai: sums })),
      totals: Type.Object({ make: sums, ai: sums }),
    }),
  },
})

export const USAGE_ROUTES: readonly Route[] = [getMe, setNotifications, getUsage, getUsageAll, getMetrics]

export function usageRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, getMe, async (_, { projectId, keyId }) => ({
    plan: (await planOf(ctx, projectId)).name,
    namespace: projectId,
    key_id: keyId,
    ...(await readNotices(ctx.sql, projectId)),
  }))
  implement(app, setNotifications, (wanted, { projectId, actor }) =>
    changeNotices(ctx, { projectId, actor, wanted: wanted as Partial<Notices> }),
  )
  implement(app, getUsage, async ({ kind }, { projectId }) => {
    const { plan, month, used } = await monthOf(ctx, projectId)
    return { plan: plan.name, month, ...partOf(plan, kind as PlanKind, used) }
  })
  implement(app, getUsageAll, async (_, { projectId }, _request, reply) => {
    const { plan, month, used } = await monthOf(ctx, projectId)
    reply.headers({ 'x-onceonly-plan': plan.name, 'x-onceonly-month': month })
    const wholeOf = (kind: PlanKind) => ({
      ...partOf(plan, kind, used),
      charged_total_month: used[kind].charged,
      polling_total_month: used[kind].polling,
    })
    return { plan: plan.name, month, make: wholeOf('make'), ai: wholeOf('ai') }
  })
  implement(app, getMetrics, async ({ from_day, to_day }, { projectId }) => {
    await requireFeature(ctx, projectId, 'observability')
    const span = spanOf(ctx, from_day, to_day)
    return { from_day: span.from, to_day: span.to, ...summed(await readDays(ctx.reads, projectId, span)) }
  })
}

type Month = { plan: NamedPlan; month: string; used: MonthUse }

async function monthOf(ctx: Ctx, projectId: string): Promise<Month> {
  const [plan, month, used] = await Promise.all([
    planOf(ctx, projectId),
    readMonthName(ctx.reads),
    readMonthUse(ctx.reads, projectId),
  ])
  return { plan, month, used }
}

const partOf = (plan: NamedPlan, kind: PlanKind, used: Month['used']) => ({
  usage: used[kind].charged,
  limit: plan.months[kind],
  requests_total_month: used[kind].requests,
  blocked_total_month: used[kind].blocked,
})

function spanOf(ctx: Ctx, fromDay: string | undefined, toDay: string | undefined): { from: string; to: string } {
  const to = toDay ?? new Date(ctx.nowMs()).toISOString().slice(0, 10)
  const toMs = dayMs('to_day', to)
  const from = fromDay ?? new Date(toMs - (DAYS - 1) * DAY_MS).toISOString().slice(0, 10)
  const days = (toMs - dayMs('from_day', from)) / DAY_MS + 1
  if (days < 1) throw fieldRefusal(['query', 'from_day'], 'must not be after to_day', from)
  if (days > DAYS_MAX)
    throw fieldRefusal(['query', 'from_day'], `must not be more than ${DAYS_MAX} days before to_day`, from)
  return { from, to }
}

/** Refuses text that looks like a day but is not one, such as 30 February. */
function dayMs(name: string, text: string): number {
  const ms = Date.parse(`${text}T00:00:00Z`)
  if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== text)
    throw fieldRefusal(['query', name], 'must be a calendar day', text)
  return ms
}

const NOTHING: Used = { requests: 0, charged: 0, blocked: 0, polling: 0 }
type Sums = Record<PlanKind, Used>
const plus = (a: Used, b: Used): Used => ({
  requests: a.requests + b.requests,
  charged: a.charged + b.charged,
  blocked: a.blocked + b.blocked,
  polling: a.polling + b.polling,
})

function summed(rows: readonly DayUse[]) {
  const days = new Map<string, Sums>()
  const totals: Sums = { make: NOTHING, ai: NOTHING }
  for (const { day: name, kind, ...used } of rows) {
    const sumsOfDay = days.get(name) ?? { make: NOTHING, ai: NOTHING }
    days.set(name, { ...sumsOfDay, [kind]: used })
    totals[kind as PlanKind] = plus(totals[kind as PlanKind], used)
  }
  return { days: [...days].map(([name, sumsOfDay]) => ({ day: name, ...sumsOfDay })), totals }
}
