// Everyday events: the moves that every run makes, and calls of agents that went through. They are most of the log, so
// an index has no entry of them where another way leads to them: those of a type are read in the order of time
// (list-events.ts), those about an agent by the index of its events. The conditions here are those of the indexes, word
// for word: a partial index is used only where the statement itself says what the index says.
import type { Db, Fragment } from '#postgres/sql.ts'

export const CALL_TYPES = ['agent.action.completed', 'policy.allowed']
export const CALLS_ARE_ABOUT = 'agent'
export const EVERYDAY_TYPES = [
  ...CALL_TYPES,
  'run.completed',
  'run.created',
  'run.dequeued',
  'run.queued',
  'run.started',
]

const listOf = (types: readonly string[]): string => types.map((type) => `'${type}'`).join(', ')
const TYPES = listOf(EVERYDAY_TYPES)
const CALLS = listOf(CALL_TYPES)

/** Of the index by type. */
export const hasRareType = (sql: Db): Fragment => sql.unsafe(`type not in (${TYPES})`)

/** Of the indexes by the kind of thing, and by the thing: all but calls of agents. */
export const isNoCall = (sql: Db): Fragment =>
  sql.unsafe(
    `(type not in (${CALLS}) or resource_type <> '${CALLS_ARE_ABOUT}' or agent_id is distinct from resource_id)`,
  )

/** The others. */
export const isCall = (sql: Db): Fragment =>
  sql.unsafe(`type in (${CALLS}) and resource_type = '${CALLS_ARE_ABOUT}' and agent_id = resource_id`)
