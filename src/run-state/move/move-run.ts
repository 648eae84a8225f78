// One move of a run, written together with the moves that others ask for meanwhile.
import type { Ctx } from '#bell/ctx.ts'
import { batched } from '#bell/part.ts'
import { moveRuns, type RunChange, type RunChanged } from './move-runs.sql.ts'

/** Compares and sets the state of one run; the outcome says whether it moved. See `moveRuns`. */
export const moveRun = batched<RunChange, RunChanged>('The queue of moves', moveAndRing, {
  keyOf: (change) => change.runId,
})

async function moveAndRing({ sql, ring }: Ctx, changes: readonly RunChange[]): Promise<RunChanged[]> {
  const changed = await moveRuns(sql, changes)
  if (changed.some((it) => it.outcome === 'moved' && it.told)) ring(['waits'])
  return changed
}
