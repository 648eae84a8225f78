// One move for many runs, with a result for each. The caller chooses where it is written: in a group commit with
// others, or in the caller's own transaction.

import type { Ctx } from '#bell/ctx.ts'
import type { Tx } from '#bell/transact.ts'
import type { Refusal } from '#core/error.ts'
import type { RunState } from '#core/run.ts'
import type { Db } from '#postgres/sql.ts'
import { insertRun, insertRunsIn } from '#run-state/insert/insert-run.ts'
import type { InsertedRun, NewRun } from '#run-state/insert/insert-runs.sql.ts'
import { moveProblem } from '#run-state/move/move-outcome.ts'
import { moveRun, moveRunsIn } from '#run-state/move/move-run.ts'
import type { RunChange, RunChanged } from '#run-state/move/move-runs.sql.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'

export type Writer = {
  /** For reads within the same transaction. */
  sql: Db
  move: (changes: readonly RunChange[]) => Promise<RunChanged[]>
  insert: (runs: readonly NewRun[]) => Promise<InsertedRun[]>
}

export const grouped = (ctx: Ctx): Writer => ({
  sql: ctx.sql,
  move: (changes) => Promise.all(changes.map((change) => moveRun(ctx, change))),
  insert: (runs) => Promise.all(runs.map((run) => insertRun(ctx, run))),
})

/** Up to 500 at a time. */
export const within = (tx: Tx): Writer => ({
  sql: tx,
  move: (changes) => moveRunsIn(tx, changes),
  insert: (runs) => insertRunsIn(tx, runs),
})

/** The result for one run, and its current state. */
export type Done = { state: RunState; problem?: Refusal }

/** Results are in the order of `runs`, which must not contain duplicates. */
export async function moveEach(
  writer: Writer,
  runs: readonly RunRow[],
  changeOf: (run: RunRow) => RunChange,
): Promise<Done[]> {
  const changes = runs.map(changeOf)
  const changed = runs.length === 0 ? [] : await writer.move(changes)
  return runs.map((run, index) => {
    const it = changed[index]!
    const problem = moveProblem(run.publicId, changes[index]!.move, it)
    return { state: it.outcome === 'missing' ? run.state : it.state, ...(problem && { problem }) }
  })
}
