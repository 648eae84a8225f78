// Whether an event tells of a success or a failure, by the ending of its type. What is not in the table is neutral:
// it began or went on, or somebody decided against it (canceled, rejected), which is no fault of who did it.

export const OUTCOMES = ['success', 'failure'] as const
export type Outcome = (typeof OUTCOMES)[number]

/** What is said about endings beyond the table; `neutral` takes one out of it. */
export type Endings = Readonly<Record<string, Outcome | 'neutral'>>

/** What an ending is made of. */
export const ENDING = /^[a-z0-9_]{1,64}$/

const ENDINGS: Endings = {
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

/** Expressions that the types of each outcome match; they mean the same here and in PostgreSQL. */
export type OutcomePatterns = Readonly<Record<Outcome, string>>

export function outcomePatterns(own: Endings = {}): OutcomePatterns {
  const endings = Object.entries({ ...ENDINGS, ...own })
  const patternOf = (outcome: Outcome) => {
    const words = endings.flatMap(([ending, is]) => (is === outcome ? [ending] : []))
    // `system_failed` ends like `failed`. Without any ending nothing matches.
    return words.length > 0 ? `(^|[._])(${words.join('|')})$` : '^$'
  }
  return { success: patternOf('success'), failure: patternOf('failure') }
}
