// From what moveRuns answers to what a caller is told.
import { type Refusal, refuse } from '#core/error.ts'
import { isOver, RUN_MOVES, type RunMove, type RunState } from '#core/run.ts'
import type { RunRow } from '../read/read-runs.sql.ts'
import type { RunChanged } from './move-runs.sql.ts'

/**
 * A run as a move has left it. It may have been claimed since, and be further on already: whoever asked for the move is
 * told what came of that.
 */
export function asMoved(now: RunRow, moved: { state: RunState; attempt?: number }): RunRow {
  if (now.state === moved.state) return now
  const begins = moved.state === 'queued' || moved.state === 'delayed'
  return {
    ...now,
    state: moved.state,
    attempt: moved.attempt ?? now.attempt,
    ...(begins && { startedAt: null, finishedAt: null, heartbeatAt: null, queueWaitMs: null }),
  }
}

/** Undefined when the run is where the caller wanted it. */
export function moveProblem(runId: string, move: RunMove, changed: RunChanged): Refusal | undefined {
  switch (changed.outcome) {
    case 'moved':
    case 'already':
      return undefined
    case 'missing':
      return refuse('run_not_found', { runId })
    case 'stale':
      return isOver(changed.state)
        ? refuse('run_over', { runId, state: changed.state })
        : refuse('stale_lease', { runId })
    case 'refused':
      return isOver(changed.state) && !RUN_MOVES[move].from.some(isOver)
        ? refuse('run_over', { runId, state: changed.state })
        : refuse('wrong_state', { runId, state: changed.state, needs: RUN_MOVES[move].from })
  }
}
