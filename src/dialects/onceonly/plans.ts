// The plan of a project, and the refusals when the plan lacks something.
import { LRUCache } from 'lru-cache'
import type { Ctx } from '#bell/ctx.ts'
import { type Feature, PLAN_NAMES, PLANS, type Plan, type PlanName, USUAL_PLAN } from '#core/plan.ts'
import { findPlan } from '#usage/plans.sql.ts'
import { onceRefusal } from './wording.ts'

export { type Feature, type Plan, type PlanKind, type PlanName, ttlWithin } from '#core/plan.ts'

export type NamedPlan = Plan & { name: PlanName }

/** A change of plan is noticed after at most this long. */
const REMEMBERED_MS = 2_000
const REMEMBERED_MAX = 10_000
const remembered = new WeakMap<Ctx, LRUCache<string, NamedPlan>>()

export async function planOf(ctx: Ctx, projectId: string): Promise<NamedPlan> {
  let plans = remembered.get(ctx)
  if (!plans) {
    plans = new LRUCache({ max: REMEMBERED_MAX, ttl: REMEMBERED_MS })
    remembered.set(ctx, plans)
  }
  const known = plans.get(projectId)
  if (known) return known
  const plan = namedPlan(await findPlan(ctx.sql, projectId))
  plans.set(projectId, plan)
  return plan
}

/** An unknown name can only come from a newer version; it has no limits. */
function namedPlan(written: string | undefined): NamedPlan {
  const name = PLAN_NAMES.find((one) => one === written) ?? USUAL_PLAN
  return { name, ...PLANS[name] }
}

/** Refuses features that the project's plan lacks, with a 403 that clients can tell from that of a bad key. */
export async function requireFeature(ctx: Ctx, projectId: string, feature: Feature): Promise<void> {
  const plan = await planOf(ctx, projectId)
  if (plan.features.includes(feature)) return
  const from = PLAN_NAMES.find((name) => PLANS[name].features.includes(feature))!
  throw onceRefusal(403, {
    error: 'feature_not_available',
    message: `The plan ${plan.name} has no ${feature.replace('_', ' ')}; it begins with the plan ${from}.`,
  })
}

/** For one more than the plan allows, e.g. of tools. */
export const overCount = (plan: NamedPlan, what: string, max: number) =>
  onceRefusal(403, { error: 'plan_limit', message: `The plan ${plan.name} has room for ${max} ${what}.` })
