// Whether an event tells of a success or a failure, by the ending of its type. What is not in the table is neutral:
// it began or went on, or somebody decided against it (canceled, rejected), which is no fault of who did it.

export type Outcome = 'success' | 'failure'

const ENDINGS: Readonly<Record<string, Outcome>> = {
  completed: 'success',
  succeeded: 'success',
  approved: 'success',
  delivered: 'success',
  finished: 'success',
  resolved: 'success',
  failed: 'failure',
  failure: 'failure',
  error: 'failure',
  errored: 'failure',
  timed_out: 'failure',
  crashed: 'failure',
  expired: 'failure',
  dead_lettered: 'failure',
  undeliverable: 'failure',
}

const endingsOf = (outcome: Outcome) => Object.keys(ENDINGS).filter((ending) => ENDINGS[ending] === outcome)
// `system_failed` ends like `failed`. The same expression means the same to PostgreSQL.
const patternOf = (outcome: Outcome) => `(^|[._])(${endingsOf(outcome).join('|')})$`

export const OUTCOME_PATTERNS: Readonly<Record<Outcome, string>> = {
  success: patternOf('success'),
  failure: patternOf('failure'),
}

const SUCCESS = new RegExp(OUTCOME_PATTERNS.success)
const FAILURE = new RegExp(OUTCOME_PATTERNS.failure)

/** Undefined for a neutral type. */
export const outcomeOf = (type: string): Outcome | undefined =>
  SUCCESS.test(type) ? 'success' : FAILURE.test(type) ? 'failure' : undefined
