// What is asked of runs that move, and what came of it.
import type { Actor } from '#core/event.ts'
import type { RunMove, RunState } from '#core/run.ts'
import type { NewWait } from './wait-parts.sql.ts'

export type RunChange = {
  runId: string
  move: RunMove
  /** Only from these of the states that the move may leave. */
  from?: readonly RunState[]
  /** The attempt that the decision was made about; a run that is at another one does not move. */
  attempt?: number
  /** The wait that the decision was made about; a run that waits for something else by now does not move. */
  waitId?: string
  /** The fence: the lease that the caller acts under. */
  token?: string
  /** Only if that lease has run out. */
  onlyExpired?: true
  actor: Actor
  causationId?: string
  message?: string
  /** Most often an object; a client that reports an end may send anything. */
  data?: unknown
  nextAttempt?: number
  /** For a run that goes back to the queue: how long until it is due. */
  dueInMs?: number
  scheduledAt?: Date
  /** How long it may wait for its turn from when it is due; undefined leaves the limit as it is. */
  ttlMs?: number
  payload?: unknown
  result?: unknown
  error?: string
  errorCode?: string
  trace?: object
  /** What a run waits for that begins to wait. */
  wait?: NewWait
}

export type RunChanged =
  | {
      outcome: 'moved'
      from: RunState
      state: RunState
      attempt: number
      sequence: number
      queue: string
      /** Waits for one of the same batch became due, and are to be looked at now. */
      wokeWaits: boolean
    }
  /** `already`: in the wanted state; `stale`: another attempt or lease; `refused`: no such move from here. */
  | { outcome: 'already' | 'stale' | 'refused'; state: RunState; attempt: number }
  | { outcome: 'missing' }
