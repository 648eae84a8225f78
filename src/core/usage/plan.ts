// Plans (quotas): what a project may use, and how much of it. This table is the only place that depends on plans.

import { DAY_SECS, HOUR_SECS } from '../durations.ts'

/**
 * `limits`: policy limits beyond the lists of tools; `prices`: call prices in policies; `observability`: logs and
 * metrics; `kill_switch`: disabling agents.
 */
export type Feature = 'limits' | 'prices' | 'observability' | 'kill_switch'
/** Monthly counters: `make` counts locks, `ai` counts acquired leases. */
export type PlanKind = 'make' | 'ai'
export type Plan = {
  months: Readonly<Record<PlanKind, number>>
  /** Hard limit: whether calls beyond the monthly number are refused; other plans continue. */
  hardStop: boolean
  /** Default and maximum duration of a lock or lease. */
  ttlSecs: { usual: number; max: number }
  tools: number
  features: readonly Feature[]
}

const TABLE = {
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
    features: ['limits'],
  },
  pro: {
    months: { make: 200_000, ai: 1_000_000 },
    hardStop: false,
    ttlSecs: { usual: 6 * HOUR_SECS, max: 7 * DAY_SECS },
    tools: 100,
    features: ['limits', 'prices', 'observability'],
  },
  agency: {
    months: { make: 2_000_000, ai: 10_000_000 },
    hardStop: false,
    ttlSecs: { usual: DAY_SECS, max: 30 * DAY_SECS },
    tools: 1_000,
    features: ['limits', 'prices', 'observability', 'kill_switch'],
  },
} as const satisfies Record<string, Plan>

export type PlanName = keyof typeof TABLE
export const PLANS: Readonly<Record<PlanName, Plan>> = TABLE
/** From the smallest to the largest. */
export const PLAN_NAMES = ['free', 'starter', 'pro', 'agency'] as const satisfies readonly PlanName[]
/** The default of a self-hosted installation, which has no limits. */
export const USUAL_PLAN: PlanName = 'agency'

export const TTL_SECS_MIN = 10

/** The requested duration, clamped to the bounds of the plan: nobody is refused for asking for too much. */
export const ttlWithin = ({ ttlSecs }: Plan, asked: number | undefined): number =>
  Math.min(Math.max(asked ?? ttlSecs.usual, TTL_SECS_MIN), ttlSecs.max)
