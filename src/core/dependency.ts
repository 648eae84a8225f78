// When a job's dependency on another one is met: by how the latest run of that one has ended.
import { FAILURE_STATES, OVER_STATES, type RunState } from './run.ts'

export const DEPENDENCY_CONDITIONS = ['completed', 'failed', 'any'] as const
export type DependencyCondition = (typeof DEPENDENCY_CONDITIONS)[number]

const MET: Readonly<Record<DependencyCondition, readonly RunState[]>> = {
  completed: ['completed'],
  failed: FAILURE_STATES,
  any: OVER_STATES,
}

export const metStates = (condition: DependencyCondition): readonly RunState[] => MET[condition]

/** The metadata that ties runs of several jobs together, for those without a common idempotency key. */
export const DEPENDENCY_KEY = 'dependency_key'

/** What narrows the runs that count for one run's dependencies; null: any run does. */
export const matchKeyOf = (run: {
  idempotencyKey?: string | null | undefined
  metadata: Readonly<Record<string, string>>
}): string | null => {
  if (run.idempotencyKey) return `i:${run.idempotencyKey}`
  const key = run.metadata[DEPENDENCY_KEY]
  return key ? `d:${key}` : null
}
