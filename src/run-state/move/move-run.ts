// The door to moves: whatever moves here rings where its new state is looked for, once it is committed.
import { batched } from '#bell/part.ts'
import type { Tx } from '#bell/transact.ts'
import { moveRuns, type RunChange, type RunChanged } from './move-runs.sql.ts'
import { topicsOfMoves } from './move-topics.ts'

/**
 * One move of a run, written together with the moves that others ask for meanwhile. Compares and sets the state; the
 * outcome says whether it moved. See `moveRuns`.
 */
export const moveRun = batched<RunChange, RunChanged>(
  'The queue of moves',
  async ({ sql, ring }, changes) => {
    const changed = await moveRuns(sql, changes)
    const topics = topicsOfMoves(changes, changed)
    if (topics.size > 0) ring(topics)
    return changed
  },
  { keyOf: (change) => change.runId },
)

/** Up to 1,000 runs as a part of a transaction, each at most once. Answers in the order of `changes`. */
export async function moveRunsIn(tx: Tx, changes: readonly RunChange[]): Promise<RunChanged[]> {
  const changed = await moveRuns(tx, changes)
  for (const topic of topicsOfMoves(changes, changed)) tx.rings.add(topic)
  return changed
}
