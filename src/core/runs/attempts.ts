// The attempts of a run, reconstructed from its log: each time one started, until the event that ended it. An attempt
// that was returned, paused or has waited starts again under its old number, and is a new entry.
import { parsedJson } from '../json/json.ts'
import { RUN_MOVES, type RunState, transitionOf } from '../run.ts'

export type AttemptEvent = {
  type: string
  sequence: number | null
  attempt: number | null
  occurredAt: Date
  actorId: string | null
  data: unknown
}

export type Attempt = {
  attempt: number
  /** Sequence of the event that started it. */
  sequence: number
  startedAt: Date
  endedAt: Date | null
  /** The type of the event that ended it; null while it is in progress. */
  outcome: string | null
  /** State of the run after that event. */
  state: RunState | null
  error: string | null
  errorCode: string | null
  owner: string | null
  /** In milliseconds, if the log has them. */
  trace: Record<string, number> | null
  /** Whether the executor reported the outcome itself, as opposed to an expired lease or an operator. */
  endedByOwner: boolean
}

const BEGINS = RUN_MOVES.start.event
const HANDED_OVER = 'run.handed_over'

const ENDINGS: ReadonlySet<string> = new Set(
  Object.values(RUN_MOVES)
    .filter(({ from, to }) => from.includes('executing') && to !== 'executing')
    .map(({ event }) => event),
)

/** The events of a run from which its attempts are reconstructed. */
export const ATTEMPT_EVENTS: readonly string[] = [BEGINS, HANDED_OVER, ...ENDINGS]

/** `events` must be in sequence order, and may include events that do not concern attempts. */
export function attemptsOf(events: readonly AttemptEvent[]): Attempt[] {
  const attempts: Attempt[] = []
  let open: Attempt | undefined
  for (const event of events) {
    if (event.type === BEGINS) {
      open = beginning(event)
      attempts.push(open)
    } else if (open && event.type === HANDED_OVER) {
      open.trace = saidBy(event).trace ?? null
    } else if (open && ENDINGS.has(event.type)) {
      Object.assign(open, ending(event, open))
      open = undefined
    }
  }
  return attempts
}

const beginning = ({ attempt, sequence, occurredAt, actorId }: AttemptEvent): Attempt => ({
  attempt: attempt ?? 1,
  sequence: sequence ?? 0,
  startedAt: occurredAt,
  endedAt: null,
  outcome: null,
  state: null,
  error: null,
  errorCode: null,
  owner: actorId,
  trace: null,
  endedByOwner: false,
})

function ending(event: AttemptEvent, { owner }: Attempt): Partial<Attempt> {
  const said = saidBy(event)
  return {
    endedAt: event.occurredAt,
    outcome: event.type,
    state: transitionOf(event.type, event.data)?.to ?? null,
    error: said.error ?? null,
    errorCode: said.error_code ?? null,
    endedByOwner: event.actorId !== null && event.actorId === owner,
  }
}

type Said = { error?: string; error_code?: string; trace?: Record<string, number> }

const saidBy = ({ data }: AttemptEvent): Said => (parsedJson(data) ?? {}) as Said
