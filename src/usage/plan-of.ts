// The plan of a project, as each node remembers it for a moment, and what the plan includes.
import { LRUCache } from 'lru-cache'
import type { Ctx } from '#bell/ctx.ts'
import { part } from '#bell/part.ts'
import { refuse } from '#core/error.ts'
import { type Feature, PLAN_NAMES, PLANS, type Plan, type PlanName, USUAL_PLAN } from '#core/usage/plan.ts'
import { findPlan } from './plans.sql.ts'

export type NamedPlan = Plan & { name: PlanName }

/** A change of plan is noticed after this long. */
const REMEMBERED_MS = 2_000
const REMEMBERED_MAX = 10_000
const remembered = part(() => new LRUCache<string, NamedPlan>({ max: REMEMBERED_MAX, ttl: REMEMBERED_MS }))

export async function planOf(ctx: Ctx, projectId: string): Promise<NamedPlan> {
  const known = remembered(ctx).get(projectId)
  if (known) return known
  const plan = namedPlan(await findPlan(ctx.sql, projectId))
  remembered(ctx).set(projectId, plan)
  return plan
}

/** An unknown name can only be one that a newer version wrote; it holds nothing back. */
function namedPlan(written: string | undefined): NamedPlan {
  const name = PLAN_NAMES.find((one) => one === written) ?? USUAL_PLAN
  return { name, ...PLANS[name] }
}

export async function requireFeature(ctx: Ctx, projectId: string, feature: Feature): Promise<void> {
  const { name: plan, features } = await planOf(ctx, projectId)
  if (features.includes(feature)) return
  const from = PLAN_NAMES.find((name) => PLANS[name].features.includes(feature))!
  throw refuse('plan_feature_missing', { plan, feature, from })
}
