// Where the runs of some states stand, in the order of their creation: in the queue, under a lease, or in run_states by
// the copy of their state that only rare ones have. No index holds a column that the everyday moves of a run change.
import { LISTED_STATES } from '#core/run.ts'
import type { Db, Fragment } from '#postgres/sql.ts'

/**
 * Index ranges with `created_at` and `id`, open for more conditions; between them they hold each run of these states
 * once, and a few others: runs that are held beside delayed ones, and those that are about to begin beside those under
 * way. Undefined when only all runs of the project will do: most are completed, and no index tells them apart.
 */
export function rangesOfStates(sql: Db, projectId: string, states: readonly string[]): Fragment[] | undefined {
  if (states.includes('completed')) return undefined
  const has = (...some: string[]) => some.some((state) => states.includes(state))
  const ofQueue = (condition: Fragment) =>
    sql`select created_at, run_id as id from run_queue where project_id = ${projectId} and ${condition}`
  const listed = LISTED_STATES.concat('executing').filter((state) => states.includes(state))
  return [
    ...(has('queued') ? [ofQueue(sql`ready`)] : []),
    // What an agent that is switched off has in the queue; its own range only where that of delayed runs is not there.
    ...(has('queued') && !has('delayed') ? [ofQueue(sql`not ready and due_at = 'infinity'`)] : []),
    ...(has('delayed') ? [ofQueue(sql`not ready`)] : []),
    ...(has('executing', 'dequeued')
      ? [
          sql`select created_at, run_id as id from leases
            where project_id = ${projectId} and created_at > '-infinity'`,
        ]
      : []),
    ...listed.map(
      (state) => sql`
        select created_at, run_id as id from run_states where project_id = ${projectId} and listed_state = ${state}`,
    ),
  ]
}
