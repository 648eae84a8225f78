// An event on its way into the log, and the columns that a batch of them sends. Most batches need few of them:
// no client ids, or no runs, or nothing but type and data.
import type { Actor } from '#core/event.ts'
import { jsonText } from '#postgres/json.ts'
import type { Input } from '#postgres/statement.ts'
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
type Columns = Input<IdentifiedEvent>

const ALWAYS: Columns = {
  id: { type: 'uuid', of: (it) => it.id },
  project_id: { type: 'text', of: (it) => it.projectId },
  type: { type: 'text', of: (it) => it.type },
  actor_type: { type: 'text', of: (it) => it.actor.type },
  actor_id: { type: 'text', of: (it) => it.actor.id },
  data: { type: 'text', of: (it) => jsonText(it.data) },
}

/** Columns that belong together: a batch in which an event has one of them sends them all. */
const NEEDS = {
  given: {
    given: { type: 'int', of: (it) => (it.idGiven ? 1 : 0) },
  },
  runs: {
    run_id: { type: 'uuid', of: (it) => it.runId },
    token: { type: 'uuid', of: (it) => it.token },
    attempt: { type: 'int', of: (it) => it.attempt },
  },
  things: {
    resource_type: { type: 'text', of: (it) => it.resourceType },
    resource_id: { type: 'text', of: (it) => it.resourceId },
    resource_uuid: { type: 'uuid', of: uuidOf },
  },
  calls: {
    agent_id: { type: 'text', of: (it) => it.agentId },
    tool: { type: 'text', of: (it) => it.tool },
    message: { type: 'text', of: (it) => it.message },
    duration_ms: { type: 'float8', of: (it) => it.durationMs },
  },
  words: {
    occurred_at: { type: 'timestamptz', of: (it) => it.occurredAt?.toISOString() },
    correlation_id: { type: 'text', of: (it) => it.correlationId },
    causation_id: { type: 'uuid', of: (it) => it.causationId },
    step: { type: 'text', of: (it) => it.step },
    req_id: { type: 'text', of: (it) => it.reqId },
    lease_id: { type: 'text', of: (it) => it.leaseId },
    level: { type: 'text', of: (it) => it.level },
    status: { type: 'text', of: (it) => it.status },
  },
} as const satisfies Record<string, Columns>

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
export const columnsOf = (needs: Needs): Columns =>
  Object.assign({}, ALWAYS, ...nameNeeds(needs).map((need): Columns => NEEDS[need]))
