// Whether an event reports a success or a failure, by the last word of its type. Types that are not in the table are
// neutral: something started or progressed, or somebody decided against it (canceled, rejected), which is not a
// failure.

export const OUTCOMES = ['success', 'failure'] as const
export type Outcome = (typeof OUTCOMES)[number]

/** Changes to the table; `neutral` removes an entry. */
export type Endings = Readonly<Record<string, Outcome | 'neutral'>>

/** The syntax of a type's last word. */
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

/** Regular expressions that the types of each outcome match; they mean the same here and in PostgreSQL. */
export type OutcomePatterns = Readonly<Record<Outcome, string>>

export function outcomePatterns(own: Endings = {}): OutcomePatterns {
  const endings = Object.entries({ ...ENDINGS, ...own })
  const patternOf = (outcome: Outcome) => {
    const words = endings.flatMap(([ending, is]) => (is === outcome ? [ending] : []))
    // `system_failed` ends like `failed`. An empty table matches nothing.
    return words.length > 0 ? `(^|[._])(${words.join('|')})$` : '^$'
  }
  return { success: patternOf('success'), failure: patternOf('failure') }
}
