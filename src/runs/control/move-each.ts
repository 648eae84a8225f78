// One move for many runs, and what became of each. Where it is written is the caller's choice: together with whatever
// others ask for meanwhile, or in a transaction of the caller's own.

import type { Ctx } from '#bell/ctx.ts'
import type { Refusal } from '#core/error.ts'
import type { RunState } from '#core/run.ts'
import type { Db } from '#postgres/sql.ts'
import { insertRun } from '#run-state/insert/insert-run.ts'
import { type InsertedRun, insertRuns, type NewRun } from '#run-state/insert/insert-runs.sql.ts'
import { moveProblem } from '#run-state/move/move-outcome.ts'
import { moveRun } from '#run-state/move/move-run.ts'
import { moveRuns, type RunChange, type RunChanged } from '#run-state/move/move-runs.sql.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'

export type Writer = {
  /** For reads that belong to the same writing. */
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
export const within = (tx: Db): Writer => ({
  sql: tx,
  move: (changes) => moveRuns(tx, changes),
  insert: (runs) => insertRuns(tx, runs),
})

/** What became of one run, and the state that it is in now. */
export type Done = { state: RunState; problem?: Refusal }

/** Answers in the order of `runs`, each of which is there once. */
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
