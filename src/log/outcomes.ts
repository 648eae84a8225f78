// Which outcome the ending of an event type means, on this node: the table of core, and what the operator added to it.
import { part } from '#bell/part.ts'
import { type OutcomePatterns, outcomePatterns } from '#core/log/outcome.ts'

export const outcomesOf = part<OutcomePatterns>(() => outcomePatterns())
