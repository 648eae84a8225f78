// Every change of a run's state after its creation and its claim. One statement compares and sets the state,
// puts the run where it now belongs (queue, lease or neither), keeps its counters and writes the event.

import { slotValuesOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'
import { completeRuns, isPlainCompletion } from './complete-runs.sql.ts'
import { MOVE_INPUT, type MovedRow, moveStatement } from './move-statement.sql.ts'
import type { RunChange, RunChanged } from './run-change.sql.ts'

export type { RunChange, RunChanged } from './run-change.sql.ts'

/** Moves up to 1,000 runs, each at most once. Answers in the order of `changes`; a refused one harms no other. */
export async function moveRuns(sql: Db, changes: readonly RunChange[]): Promise<RunChanged[]> {
  const results = await tryFirst(sql, changes)
  for (let tries = 1; results.includes('again'); tries++) {
    if (tries === TRIES_MAX) throw new KeptMoving(`runs kept moving while they were being moved, ${TRIES_MAX} times`)
    const left = results.flatMap((result, index) => (result === 'again' ? [index] : []))
    const more = await tryMoves(
      sql,
      left.map((index) => changes[index]!),
    )
    left.forEach((index, at) => {
      results[index] = more[at]!
    })
  }
  return results as RunChanged[]
}

/** Some of the batch are moved. It has a code, so that the group commit does not write any of it again. */
class KeptMoving extends Error {
  readonly code = 'KEPT_MOVING'
}

/** Completions by executors go by a short statement; whatever that leaves alone, and all else, by the whole one. */
async function tryFirst(sql: Db, changes: readonly RunChange[]): Promise<(RunChanged | 'again')[]> {
  return changes.every(isPlainCompletion) ? completeRuns(sql, changes) : tryMoves(sql, changes)
}

async function tryMoves(sql: Db, changes: readonly RunChange[]): Promise<(RunChanged | 'again')[]> {
  const rows = await moveStatement(sql, slotValuesOf<RunChange>(MOVE_INPUT, changes))
  const byOrder = new Map(rows.map((row) => [row.ord, row]))
  return changes.map((_, index) => changed(byOrder.get(index + 1)))
}

const TRIES_MAX = 100

function changed(row: MovedRow | undefined): RunChanged | 'again' {
  if (!row) return { outcome: 'missing' }
  if (row.moved_meanwhile) return 'again'
  const { state_before: from, state, attempt, last_sequence: sequence, queue } = row
  if (state && attempt && sequence && queue)
    return { outcome: 'moved', from, state, attempt, sequence, queue, wokeWaits: row.woken_waits > 0 }
  const at = { state: from, attempt: row.attempt_before }
  if (row.stale) return { outcome: 'stale', ...at }
  if (row.state_before === row.to_state) return { outcome: 'already', ...at }
  if (row.attempt_expected !== null && row.attempt_expected !== row.attempt_before) return { outcome: 'stale', ...at }
  return { outcome: 'refused', ...at }
}
