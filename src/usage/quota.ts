// The monthly quota of a plan. Plans with a hard stop are refused beyond it, exactly, on all nodes; other plans go on, and
// the recent feed says so once a month.
import { LRUCache } from 'lru-cache'
import type { Ctx } from '#bell/ctx.ts'
import { part } from '#bell/part.ts'
import { Refusal, refuse } from '#core/error.ts'
import type { PlanKind } from '#core/usage/plan.ts'
import { feedOf } from '#log/recent-feed.ts'
import type { Db } from '#postgres/sql.ts'
import type { NamedPlan } from './plan-of.ts'
import { addUse, lockMonths, readMonth, readMonthName, type Used } from './plans.sql.ts'

/** What counts, against which plan of which project. */
export type Quota = { projectId: string; plan: NamedPlan; kind: PlanKind }
export type MonthUse = Readonly<Record<PlanKind, Used>>

const NOTHING: Used = { requests: 0, charged: 0, blocked: 0, polling: 0 }

/** What a project has used of its plan this month. */
export async function readMonthUse(sql: Db, projectId: string): Promise<MonthUse> {
  const rows = await readMonth(sql, [projectId])
  const of = (kind: PlanKind): Used => rows.find((row) => row.kind === kind) ?? NOTHING
  return { make: of('make'), ai: of('ai') }
}

const readCharged = async (sql: Db, { projectId, kind }: Quota): Promise<number> =>
  (await readMonthUse(sql, projectId))[kind].charged

export const quotaExceeded = ({ plan, kind }: Quota, usage: number): Refusal =>
  refuse('quota_exceeded', { plan: plan.name, kind, limit: plan.months[kind], usage })

/** Until the transaction ends, nobody else spends what is left of the month. Refuses when nothing is. */
export async function requireQuota(tx: Db, quota: Quota): Promise<void> {
  const { plan, projectId, kind } = quota
  if (!plan.hardStop) return
  await lockMonths(tx, [projectId])
  const usage = await readCharged(tx, quota)
  if (usage >= plan.months[kind]) throw quotaExceeded(quota, usage)
}

/** Without a lock, so it may be about to change. */
export const isUsedUp = async (sql: Db, quota: Quota): Promise<boolean> =>
  quota.plan.hardStop && (await readCharged(sql, quota)) >= quota.plan.months[quota.kind]

/** For the catch of a call that needs quota: counts a refusal for its quota, and writes it to the recent feed. */
export const countRefusal =
  (ctx: Ctx, { projectId, plan, kind }: Quota, key?: string) =>
  async (error: unknown): Promise<never> => {
    if (error instanceof Refusal && error.code === 'quota_exceeded') {
      await addUse(ctx.sql, [{ projectId, kind, requests: 1, blocked: 1 }])
      const meta = { kind, plan: plan.name, limit: plan.months[kind] }
      feedOf(ctx).write(projectId, { type: 'over_limit', ...(key !== undefined && { key }), meta })
    }
    throw error
  }

/** The month of a project is looked at this often for each kind. */
const LOOK_EVERY_MS = 10_000
const LOOKED_MAX = 10_000
const looked = part(() => new LRUCache<string, true>({ max: LOOKED_MAX, ttl: LOOK_EVERY_MS }))

/** After a call that counted: whether the plan is exceeded is looked up in the background now and then. */
export function watchQuota(ctx: Ctx, quota: Quota): void {
  if (quota.plan.hardStop) return
  const name = `${quota.kind} ${quota.projectId}`
  if (looked(ctx).has(name)) return
  looked(ctx).set(name, true)
  void noteExceeded(ctx, quota).catch((error: unknown) => ctx.log.warn({ err: error }, 'Failed to check plan usage'))
}

async function noteExceeded(ctx: Ctx, quota: Quota): Promise<void> {
  const { projectId, plan, kind } = quota
  const [month, usage] = await Promise.all([readMonthName(ctx.reads), readCharged(ctx.reads, quota)])
  const limit = plan.months[kind]
  if (usage <= limit) return
  const isNoted = (await feedOf(ctx).read(projectId)).some(({ type, data }) => {
    const meta = data?.meta as { month?: string; kind?: string } | undefined
    return type === 'over_limit' && meta?.month === month && meta.kind === kind
  })
  if (isNoted) return
  feedOf(ctx).write(projectId, { type: 'over_limit', meta: { kind, plan: plan.name, month, usage, limit } })
}
