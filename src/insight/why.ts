// The answer to why a run is not progressing.

type WhyReason =
  | 'over'
  | 'turn'
  | 'no_worker'
  | 'time'
  | 'retry'
  | 'lease'
  | 'wait'
  | 'paused'
  | 'job_paused'
  | 'concurrency'
  | 'throttle'
  | 'debounce'
  | 'agent_disabled'
  | 'external'
  | 'dead_letter'

export type Why = {
  reason: WhyReason
  sentence: string
  since: Date
  owner: string | null
  until: Date | null
  /** Runs of its lane that are due before it, counted up to a limit. */
  ahead: number | null
  details: Record<string, unknown>
}

/** Counting further would cost more than it tells. */
export const AHEAD_MAX = 1_000

/** What is known before the reason is. */
export type Base = Omit<Why, 'reason' | 'sentence'>

export const iso = (at: Date | null): string => at?.toISOString() ?? 'an unknown time'
