// An operation does one thing to all runs of a filter, a page at a time.
import { OVER_STATES, RUN_MOVES, type RunState } from './run.ts'

export const OPERATION_KINDS = ['cancel', 'replay', 'redrive'] as const
export type OperationKind = (typeof OPERATION_KINDS)[number]

export const OPERATION_STATES = ['running', 'completed', 'canceled', 'failed'] as const
export type OperationState = (typeof OPERATION_STATES)[number]

/** The states of the runs that each kind is for. It looks at no others. */
export const STATES_FOR: Readonly<Record<OperationKind, readonly RunState[]>> = {
  cancel: RUN_MOVES.cancel.from,
  replay: OVER_STATES,
  redrive: RUN_MOVES.redrive.from,
}

/** Dead letters go back in the order in which they came; else the newest, which matter most, come first. */
export const ORDER_OF: Readonly<Record<OperationKind, 'newest' | 'oldest'>> = {
  cancel: 'newest',
  replay: 'newest',
  redrive: 'oldest',
}

/** A run that an operation passed over, and why. */
export type OperationProblem = { runId: string; code: string; message: string }
