// When a job's dependency on another job is met, given how that job's latest run ended.
import { FAILURE_STATES, OVER_STATES, type RunState } from './run.ts'

export const DEPENDENCY_CONDITIONS = ['completed', 'failed', 'any'] as const
export type DependencyCondition = (typeof DEPENDENCY_CONDITIONS)[number]

const MET: Readonly<Record<DependencyCondition, readonly RunState[]>> = {
  completed: ['completed'],
  failed: FAILURE_STATES,
  any: OVER_STATES,
}

export const metStates = (condition: DependencyCondition): readonly RunState[] => MET[condition]

/** The metadata key that ties runs of several jobs together when they have no common idempotency key. */
export const DEPENDENCY_KEY = 'dependency_key'

/** Restricts which runs count for one run's dependencies; null: any run. */
export const matchKeyOf = (run: {
  idempotencyKey?: string | null | undefined
  metadata: Readonly<Record<string, string>>
}): string | null => {
  if (run.idempotencyKey) return `i:${run.idempotencyKey}`
  const key = run.metadata[DEPENDENCY_KEY]
  return key ? `d:${key}` : null
}
