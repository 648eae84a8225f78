// Plans: what a project may use, and how much of it. All that depends on a plan stands in this one table.

const HOUR_SECS = 3600
const DAY_SECS = 24 * HOUR_SECS

/** `limits`: those of policies beyond the lists of tools; `prices`: what policies say that calls cost; `observability`: logs and metrics; `kill_switch`: agents off and on. */
export type Feature = 'limits' | 'prices' | 'observability' | 'kill_switch'
/** What is counted by the month: `make` is locks, `ai` is leases that were acquired. */
export type PlanKind = 'make' | 'ai'
export type Plan = {
  months: Readonly<Record<PlanKind, number>>
  /** Whether calls past the month's number are refused; other plans go on. */
  hardStop: boolean
  /** How long a lock or lease lives when its client does not say, and at most. */
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
/** On an installation of one's own nothing is held back. */
export const USUAL_PLAN: PlanName = 'agency'

export const TTL_SECS_MIN = 10

/** As long as was asked for, within the bounds of the plan: nobody is refused for asking for more. */
export const ttlWithin = ({ ttlSecs }: Plan, asked: number | undefined): number =>
  Math.min(Math.max(asked ?? ttlSecs.usual, TTL_SECS_MIN), ttlSecs.max)
