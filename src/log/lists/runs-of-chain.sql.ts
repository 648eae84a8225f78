// Runs by their correlation. Most begin a chain of their own, named by their id, and are found by that; only those that
// joined another chain are in the index by correlation.
import { isUuid } from '#postgres/id.ts'
import type { Db, Fragment } from '#postgres/sql.ts'

/** Conditions without overlap for rows of `runs` that together say: of this chain. */
export const ofChain = (sql: Db, correlationId: string): Fragment[] => [
  // In the words of the index, or it would not be used.
  sql`correlation_id = ${correlationId} and correlation_id <> id::text`,
  ...(isUuid(correlationId)
    ? [
        sql`id = ${correlationId}::uuid and correlation_id = ${correlationId}
    and correlation_id = id::text`,
      ]
    : []),
]

/** The ids of the runs of a chain. */
export const runsOfChain = (sql: Db, projectId: string, correlationId: string): Fragment =>
  ofChain(sql, correlationId)
    .map((condition) => sql`select id from runs where project_id = ${projectId} and ${condition}`)
    .reduce((all, one) => sql`${all} union all ${one}`)
