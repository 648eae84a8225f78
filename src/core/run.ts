// The life of a run: its state machine. This table is the only place that says which moves are legal and what each is
// called in the event log; storage, API, engine, dialects and the diagram in docs derive from it.
import { parsedJson } from './json/json.ts'

export const RUN_STATES = [
  'delayed',
  'queued',
  'dequeued',
  'executing',
  'waiting',
  'paused',
  'dead_letter',
  'completed',
  'failed',
  'timed_out',
  'crashed',
  'system_failed',
  'canceled',
  'expired',
] as const
export type RunState = (typeof RUN_STATES)[number]

/** The usual starting state comes first: the event of such a move need not name it. */
type Move = { from: readonly RunState[]; to: RunState; event: `run.${string}` }

const MOVES = {
  // Queued: waiting for a time, or for its turn.
  due: { from: ['delayed'], to: 'queued', event: 'run.queued' },
  reschedule: { from: ['delayed', 'queued'], to: 'delayed', event: 'run.rescheduled' },
  rescheduleNow: { from: ['delayed', 'queued'], to: 'queued', event: 'run.rescheduled' },
  debounce: { from: ['delayed'], to: 'delayed', event: 'run.debounced' },
  expire: { from: ['queued', 'delayed'], to: 'expired', event: 'run.expired' },
  // Execution. An attempt may start with the claim, or be buffered by an executor first.
  buffer: { from: ['queued'], to: 'dequeued', event: 'run.dequeued' },
  start: { from: ['queued', 'dequeued'], to: 'executing', event: 'run.started' },
  giveBack: { from: ['executing', 'dequeued'], to: 'queued', event: 'run.requeued' },
  complete: { from: ['executing', 'waiting'], to: 'completed', event: 'run.completed' },
  fail: { from: ['executing', 'waiting'], to: 'failed', event: 'run.failed' },
  timeOut: { from: ['executing', 'waiting'], to: 'timed_out', event: 'run.timed_out' },
  crash: { from: ['executing'], to: 'crashed', event: 'run.crashed' },
  failSystem: { from: ['executing', 'dequeued'], to: 'system_failed', event: 'run.system_failed' },
  retryNow: { from: ['executing'], to: 'queued', event: 'run.retry_scheduled' },
  retryLater: { from: ['executing'], to: 'delayed', event: 'run.retry_scheduled' },
  bury: { from: ['executing'], to: 'dead_letter', event: 'run.dead_lettered' },
  // Suspended on purpose.
  wait: { from: ['executing', 'delayed'], to: 'waiting', event: 'run.waiting' },
  wake: { from: ['waiting'], to: 'queued', event: 'run.woken' },
  pause: { from: ['executing'], to: 'paused', event: 'run.paused' },
  resume: { from: ['paused'], to: 'queued', event: 'run.resumed' },
  restart: { from: ['executing', 'paused'], to: 'queued', event: 'run.restarted' },
  // By an operator.
  redrive: { from: ['dead_letter'], to: 'queued', event: 'run.redriven' },
  dismiss: { from: ['dead_letter'], to: 'failed', event: 'run.dismissed' },
  cancel: {
    from: ['queued', 'executing', 'delayed', 'dequeued', 'waiting', 'paused'],
    to: 'canceled',
    event: 'run.canceled',
  },
} as const satisfies Record<string, Move>

export type RunMove = keyof typeof MOVES
export const RUN_MOVES: Record<RunMove, Move> = MOVES

/** Where a run is stored: in the queue, under an executor's lease, in a wait, or in none of these. */
export type RunPlace = 'queue' | 'lease' | 'wait' | 'rest'

/** A new state does not compile until it has a place. */
const PLACES = {
  delayed: 'queue',
  queued: 'queue',
  dequeued: 'lease',
  executing: 'lease',
  waiting: 'wait',
  paused: 'rest',
  dead_letter: 'rest',
  completed: 'rest',
  failed: 'rest',
  timed_out: 'rest',
  crashed: 'rest',
  system_failed: 'rest',
  canceled: 'rest',
  expired: 'rest',
} as const satisfies Record<RunState, RunPlace>

export const placeOf = (state: RunState): RunPlace => PLACES[state]
export const statesIn = (...places: readonly RunPlace[]): RunState[] =>
  RUN_STATES.filter((state) => places.includes(placeOf(state)))

/**
 * States that lists find by a copy of the state in `run_states`. Runs in the queue or under a lease are found there, and
 * completed ones, which most are, by time: so an everyday move changes no column that is in an index.
 */
export const LISTED_STATES: readonly RunState[] = statesIn('wait', 'rest').filter((state) => state !== 'completed')

const LEFT: ReadonlySet<RunState> = new Set(Object.values(RUN_MOVES).flatMap((move) => move.from))

/** Final: no move ever leaves these states. */
export const isFinal = (state: RunState): boolean => !LEFT.has(state)

/**
 * Ended: nothing more happens to the run by itself. A dead letter counts as ended (streams close, a cancel is
 * refused) although an operator may still redrive or dismiss it.
 */
export const isOver = (state: RunState): boolean => isFinal(state) || state === 'dead_letter'

export const FINAL_STATES: readonly RunState[] = RUN_STATES.filter(isFinal)
export const OVER_STATES: readonly RunState[] = RUN_STATES.filter(isOver)
export const ACTIVE_STATES: readonly RunState[] = RUN_STATES.filter((state) => !isOver(state))

/** Ended without a result: such a run frees its idempotency key, and may be replayed. */
export const FAILURE_STATES: readonly RunState[] = [
  'failed',
  'timed_out',
  'crashed',
  'system_failed',
  'dead_letter',
  'expired',
]

/** Events of such ends. A dead letter that is dismissed failed before. */
export const FAILURE_EVENTS: readonly string[] = [
  ...new Set(
    Object.entries(RUN_MOVES).flatMap(([name, { to, event }]) =>
      FAILURE_STATES.includes(to) && name !== 'dismiss' ? [event] : [],
    ),
  ),
]

/** Moves that share an event type with a move to another state: their events name the state explicitly. */
export const namesItsEnd = (move: RunMove): boolean => {
  const first = Object.values(RUN_MOVES).find((other) => other.event === RUN_MOVES[move].event)!
  return first.to !== RUN_MOVES[move].to
}

/**
 * The transition that an event reports; undefined if it reports none. A new run has no previous state. Executors of
 * external runs write the data of their endings: what it says is believed only where a move may end so.
 */
export function transitionOf(type: string, data: unknown): { from: RunState | null; to: RunState } | undefined {
  const { from, state } = (parsedJson(data) ?? {}) as { from?: unknown; state?: unknown }
  if (type === 'run.created') return { from: null, to: isState(state) ? state : 'queued' }
  const moves = Object.values(RUN_MOVES).filter((one) => one.event === type)
  const move = moves.find((one) => one.to === state) ?? moves[0]
  return move && { from: isState(from) ? from : move.from[0]!, to: move.to }
}

const isState = (word: unknown): word is RunState => (RUN_STATES as readonly unknown[]).includes(word)

/** Types that only the engine writes: a client may not append facts about a run's state. */
const ENGINE_TYPES: ReadonlySet<string> = new Set([
  'run.created',
  ...Object.values(RUN_MOVES).map((move) => move.event),
])
export const isEngineType = (type: string): boolean => ENGINE_TYPES.has(type)

/** The state changes that an external run's own reports cause; other types cause none. */
export const EXTERNAL_ENDINGS: Readonly<Record<string, RunMove>> = {
  'run.completed': 'complete',
  'run.failed': 'fail',
  'run.timed_out': 'timeOut',
  'run.crashed': 'crash',
  'run.canceled': 'cancel',
}

export const TRIGGERS = ['manual', 'cron', 'spawn', 'workflow', 'retry', 'event', 'replay'] as const
export type Trigger = (typeof TRIGGERS)[number]
