// Plans: what a project may use, and how much of it. All that depends on a plan stands in this one table.
import { LRUCache } from 'lru-cache'
import type { Ctx } from '#actions/ctx.ts'
import { findPlan } from '#storage/plans.ts'
import { onceRefusal } from './wording.ts'

const HOUR_SECS = 3600
const DAY_SECS = 24 * HOUR_SECS

/** `months` are the calls of a month; past them `hardStop` refuses, and other plans go on. */
const PLANS = {
  free: {
    months: { make: 1_000, ai: 3_000 },
    hardStop: true,
    ttlSecs: { usual: 60, max: HOUR_SECS },
    tools: 1,
    features: [],
  },
  starter: {
    months: { make: 20_000, ai: 100_000 },
    hardStop: false,
    ttlSecs: { usual: HOUR_SECS, max: DAY_SECS },
    tools: 20,
    features: [],
  },
  pro: {
    months: { make: 200_000, ai: 1_000_000 },
    hardStop: false,
    ttlSecs: { usual: 6 * HOUR_SECS, max: 7 * DAY_SECS },
    tools: 100,
    features: ['policies', 'observability'],
  },
  agency: {
    months: { make: 2_000_000, ai: 10_000_000 },
    hardStop: false,
    ttlSecs: { usual: DAY_SECS, max: 30 * DAY_SECS },
    tools: 1_000,
    features: ['policies', 'observability', 'kill_switch'],
  },
} as const satisfies Record<string, Plan>

/** `policies`: limits beyond the lists of tools; `observability`: logs and metrics; `kill_switch`: agents off and on. */
export type Feature = 'policies' | 'observability' | 'kill_switch'
export type Kind = 'make' | 'ai'
export type PlanName = keyof typeof PLANS
export type Plan = {
  months: Readonly<Record<Kind, number>>
  hardStop: boolean
  /** How long a lock or lease lives when its client does not say, and at most. */
  ttlSecs: { usual: number; max: number }
  tools: number
  features: readonly Feature[]
}
export type NamedPlan = Plan & { name: PlanName }

export const PLAN_NAMES = Object.keys(PLANS) as PlanName[]
/** On an installation of one's own nothing is held back. */
const USUAL: PlanName = 'agency'

/** A change of plan is noticed after this long. */
const REMEMBERED_MS = 2_000
const REMEMBERED_MAX = 10_000
const known = new WeakMap<Ctx, LRUCache<string, NamedPlan>>()

export async function planOf(ctx: Ctx, projectId: string): Promise<NamedPlan> {
  let plans = known.get(ctx)
  if (!plans) {
    plans = new LRUCache({ max: REMEMBERED_MAX, ttl: REMEMBERED_MS })
    known.set(ctx, plans)
  }
  const remembered = plans.get(projectId)
  if (remembered) return remembered
  const plan = namedPlan(await findPlan(ctx.sql, projectId))
  plans.set(projectId, plan)
  return plan
}

/** An unknown name can only be one that a newer version wrote; it holds nothing back. */
function namedPlan(name: string | undefined): NamedPlan {
  const known = (PLAN_NAMES as readonly (string | undefined)[]).includes(name) ? (name as PlanName) : USUAL
  return { name: known, ...PLANS[known] }
}

/** Refuses what the plan of the project does not have, with the 403 that clients tell from one of a bad key. */
export async function requireFeature(ctx: Ctx, projectId: string, feature: Feature): Promise<void> {
  const plan = await planOf(ctx, projectId)
  if (plan.features.includes(feature)) return
  const from = PLAN_NAMES.find((name) => (PLANS[name].features as readonly Feature[]).includes(feature))!
  throw onceRefusal(403, {
    error: 'feature_not_available',
    message: `The plan ${plan.name} has no ${feature.replace('_', ' ')}; it begins with the plan ${from}.`,
  })
}

/** Refuses one more of what the plan counts, e.g. a tool. */
export const overCount = (plan: NamedPlan, what: string, max: number) =>
  onceRefusal(403, { error: 'plan_limit', message: `The plan ${plan.name} has room for ${max} ${what}.` })

export const TTL_SECS_MIN = 10

/** As long as was asked for, within the bounds of the plan; clients are not refused for asking for more. */
export const ttlWithin = ({ ttlSecs }: Plan, asked: number | undefined): number =>
  Math.min(Math.max(asked ?? ttlSecs.usual, TTL_SECS_MIN), ttlSecs.max)
