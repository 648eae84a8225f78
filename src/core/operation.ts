// A bulk operation performs one action on all runs that match a filter, a page at a time.
import { OVER_STATES, RUN_MOVES, type RunState } from './run.ts'

export const OPERATION_KINDS = ['cancel', 'replay', 'redrive', 'dismiss'] as const
export type OperationKind = (typeof OPERATION_KINDS)[number]

export const OPERATION_STATES = ['running', 'completed', 'canceled', 'failed'] as const
export type OperationState = (typeof OPERATION_STATES)[number]

/** The states that each kind of operation processes, unless its filter names some. Runs in other states are ignored. */
export const STATES_FOR: Readonly<Record<OperationKind, readonly RunState[]>> = {
  cancel: RUN_MOVES.cancel.from,
  replay: OVER_STATES.filter((state) => state !== 'completed'),
  redrive: RUN_MOVES.redrive.from,
  dismiss: RUN_MOVES.dismiss.from,
}

/**
 * The states that its filter may name. A replay repeats what succeeded only if asked to. A cancel dismisses dead letters
 * only if asked to: "everything" means what is in progress, and a dismissed dead letter can no longer be redriven.
 */
export const NAMEABLE_FOR: Readonly<Record<OperationKind, readonly RunState[]>> = {
  ...STATES_FOR,
  replay: OVER_STATES,
  cancel: [...RUN_MOVES.cancel.from, ...RUN_MOVES.dismiss.from],
}

/** Dead letters are redriven in their original order; otherwise the newest runs, which matter most, come first. */
export const ORDER_OF: Readonly<Record<OperationKind, 'newest' | 'oldest'>> = {
  cancel: 'newest',
  replay: 'newest',
  redrive: 'oldest',
  dismiss: 'oldest',
}

/** A run that an operation skipped, and why. */
export type OperationProblem = { runId: string; code: string; message: string }
