// An operation does one thing to all runs of a filter, a page at a time.
import { OVER_STATES, RUN_MOVES, type RunState } from './run.ts'

export const OPERATION_KINDS = ['cancel', 'replay', 'redrive', 'dismiss'] as const
export type OperationKind = (typeof OPERATION_KINDS)[number]

export const OPERATION_STATES = ['running', 'completed', 'canceled', 'failed'] as const
export type OperationState = (typeof OPERATION_STATES)[number]

/** The states of the runs that each kind is for, unless its filter names some. It looks at no others. */
export const STATES_FOR: Readonly<Record<OperationKind, readonly RunState[]>> = {
  cancel: RUN_MOVES.cancel.from,
  replay: OVER_STATES,
  redrive: RUN_MOVES.redrive.from,
  dismiss: RUN_MOVES.dismiss.from,
}

/**
 * What its filter may name. A cancel dismisses dead letters only when it is asked to: what "everything" means is what
 * is under way, and a dead letter that is dismissed cannot be redriven any more.
 */
export const NAMEABLE_FOR: Readonly<Record<OperationKind, readonly RunState[]>> = {
  ...STATES_FOR,
  cancel: [...RUN_MOVES.cancel.from, ...RUN_MOVES.dismiss.from],
}

/** Dead letters go back in the order in which they came; else the newest, which matter most, come first. */
export const ORDER_OF: Readonly<Record<OperationKind, 'newest' | 'oldest'>> = {
  cancel: 'newest',
  replay: 'newest',
  redrive: 'oldest',
  dismiss: 'oldest',
}

/** A run that an operation passed over, and why. */
export type OperationProblem = { runId: string; code: string; message: string }
