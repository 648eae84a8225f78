// An event on its way into the log, and the columns that a batch of them sends. Most batches need few of them:
// no client ids, or no runs, or nothing but type and data.
import type { Actor } from '#core/event.ts'
import { jsonText } from '#postgres/json.ts'
import type { Columns } from '#postgres/rows.ts'
import { resourceUuid } from './resources.sql.ts'

export type NewEvent = {
  id?: string | undefined
  /** True when the client gave the id: a second append with it is a duplicate. */
  idGiven?: boolean
  projectId: string
  type: string
  occurredAt?: Date | undefined
  actor: Actor
  resourceType?: string | undefined
  resourceId?: string | undefined
  correlationId?: string | undefined
  causationId?: string | undefined
  runId?: string | undefined
  /** The fence: only the holder of this lease may write. */
  token?: string | undefined
  attempt?: number | undefined
  step?: string | undefined
  tool?: string | undefined
  agentId?: string | undefined
  reqId?: string | undefined
  leaseId?: string | undefined
  level?: string | undefined
  status?: string | undefined
  message?: string | undefined
  durationMs?: number | undefined
  data?: unknown
}

export type IdentifiedEvent = NewEvent & { id: string }
type EventColumns = Columns<IdentifiedEvent>

const ALWAYS: EventColumns = {
  'id uuid': (it) => it.id,
  'project_id text': (it) => it.projectId,
  'type text': (it) => it.type,
  'actor_type text': (it) => it.actor.type,
  'actor_id text': (it) => it.actor.id,
  'data text': (it) => jsonText(it.data),
}

/** Columns that belong together: a batch in which an event has one of them sends them all. */
const NEEDS = {
  given: {
    'given int': (it) => (it.idGiven ? 1 : 0),
  },
  runs: {
    'run_id uuid': (it) => it.runId,
    'token uuid': (it) => it.token,
    'attempt int': (it) => it.attempt,
  },
  things: {
    'resource_type text': (it) => it.resourceType,
    'resource_id text': (it) => it.resourceId,
    'resource_uuid uuid': uuidOf,
  },
  calls: {
    'agent_id text': (it) => it.agentId,
    'tool text': (it) => it.tool,
    'message text': (it) => it.message,
    'duration_ms float8': (it) => it.durationMs,
  },
  words: {
    'occurred_at timestamptz': (it) => it.occurredAt?.toISOString(),
    'correlation_id text': (it) => it.correlationId,
    'causation_id uuid': (it) => it.causationId,
    'step text': (it) => it.step,
    'req_id text': (it) => it.reqId,
    'lease_id text': (it) => it.leaseId,
    'level text': (it) => it.level,
    'status text': (it) => it.status,
  },
} as const satisfies Record<string, EventColumns>

export type Need = keyof typeof NEEDS
export type Needs = Readonly<Record<Need, boolean>>

const PRESENT: Record<Need, (event: IdentifiedEvent) => boolean> = {
  given: (it) => it.idGiven === true,
  runs: (it) => (it.runId ?? it.token ?? it.attempt) !== undefined,
  things: (it) => (it.resourceType ?? it.resourceId) !== undefined,
  calls: (it) => (it.agentId ?? it.tool ?? it.message ?? it.durationMs) !== undefined,
  words: (it) =>
    (it.occurredAt ??
      it.correlationId ??
      it.causationId ??
      it.step ??
      it.reqId ??
      it.leaseId ??
      it.level ??
      it.status) !== undefined,
}

function uuidOf({ projectId, resourceType, resourceId }: IdentifiedEvent): string | undefined {
  return resourceType === undefined || resourceId === undefined
    ? undefined
    : resourceUuid(projectId, resourceType, resourceId)
}

export const needsOf = (events: readonly IdentifiedEvent[]): Needs => ({
  given: events.some(PRESENT.given),
  runs: events.some(PRESENT.runs),
  things: events.some(PRESENT.things),
  calls: events.some(PRESENT.calls),
  words: events.some(PRESENT.words),
})

export const nameNeeds = (needs: Needs): Need[] => (Object.keys(NEEDS) as Need[]).filter((need) => needs[need])

/** The columns of such a batch. */
export const columnsOf = (needs: Needs): EventColumns =>
  Object.assign({}, ALWAYS, ...nameNeeds(needs).map((need): EventColumns => NEEDS[need]))
