// Appending to the log. An event of a run takes the run's next sequence number under the lock of the run's row, so
// commit order is sequence order; an event of anything else takes only a position.
import type { Actor } from '#core/event.ts'
import { column } from '#postgres/column.ts'
import { newId } from '#postgres/id.ts'
import { jsonText } from '#postgres/json.ts'
import type { Db } from '#postgres/sql.ts'
import { countEvents } from './counts/counts.sql.ts'
import { rememberResources, resourceUuid } from './resources.sql.ts'

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

export type Appended =
  | { outcome: 'appended' | 'duplicate'; id: string; position: number; sequence: number | undefined }
  | { outcome: 'no_run' }
  | { outcome: 'stale'; state: string }

/** Appends up to 1,000 events; answers in their order. `no_run`: the project has no such run. `stale`: the lease is gone. */
export async function appendEvents(sql: Db, events: readonly NewEvent[]): Promise<Appended[]> {
  const given = events.some((it) => it.idGiven)
  const ids = events.map((it) => it.id ?? newId())
  const rows = await sql<Row[]>`
    with input as materialized (
      select t.*, coalesce(rare::jsonb, '{}') as more from unnest(
        ${column(ids)}::uuid[], ${column(events.map((it) => (it.idGiven ? 1 : 0)))}::int[], ${column(events.map((it) => it.projectId))}::text[],
        ${column(events.map((it) => it.type))}::text[], ${column(events.map((it) => it.occurredAt?.toISOString() ?? null))}::timestamptz[],
        ${column(events.map((it) => it.actor.type))}::text[], ${column(events.map((it) => it.actor.id))}::text[], ${column(events.map((it) => it.runId ?? null))}::uuid[],
        ${column(events.map((it) => it.token ?? null))}::uuid[], ${column(events.map((it) => it.message ?? null))}::text[],
        ${column(events.map((it) => jsonText(it.data)))}::text[], ${column(events.map(rareText))}::text[]
      ) with ordinality as t (id, given, project_id, type, occurred_at, actor_type, actor_id, run_id, token, message, data, rare, ord)
    ), known as (
      ${given ? sql`select e.* from event_ids e join input i on i.given = 1 and e.project_id = i.project_id and e.id = i.id` : sql`select * from event_ids where false`}
    ), found as materialized (
      select s.run_id, s.project_id, s.state, s.lease_token, s.last_sequence, s.attempt
      from run_states s
      where s.run_id in (select run_id from input where run_id is not null)
      order by s.run_id
      for update of s
    ), admitted as materialized (
      select i.*, f.last_sequence, f.attempt, case when f.run_id is not null then row_number() over (partition by i.run_id order by i.ord) end as nth
      from input i left join found f on f.run_id = i.run_id and f.project_id = i.project_id
      where (i.run_id is null or f.run_id is not null)
        and (i.token is null or i.token = f.lease_token)
        and not exists (select from known k where k.id = i.id and k.project_id = i.project_id)
    ), numbered as (
      update run_states s set last_sequence = s.last_sequence + a.n
      from (select run_id, count(*) as n from admitted where run_id is not null group by run_id) a
      where s.run_id = a.run_id
    ), placed as materialized (
      select a.*, nextval('event_positions') as position, a.last_sequence + a.nth as sequence, r.correlation_id as run_correlation, r.client_id,
        -- A run that others report does what its events say, and each of them says who did it.
        case when r.execution <> 'external' then r.agent_id end as run_agent, more->>'resourceType' as resource_type, date_trunc('milliseconds', clock_timestamp()) as recorded_at
      from admitted a left join runs r on r.id = a.run_id
      order by a.ord
    ), logged as (
      insert into events (position, id, project_id, type, occurred_at, recorded_at, actor_type, actor_id, resource_type, resource_id,
        correlation_id, causation_id, run_id, run_ref, sequence, attempt, step, tool, agent_id, req_id, lease_id, level, status, message, duration_ms, data)
      select position, id, project_id, type, coalesce(occurred_at, recorded_at), recorded_at, actor_type, actor_id, resource_type, more->>'resourceId',
        coalesce(run_correlation, more->>'correlationId', id::text), (more->>'causationId')::uuid, run_id, client_id, sequence,
        coalesce((more->>'attempt')::int, attempt), more->>'step', more->>'tool', coalesce(more->>'agentId', run_agent), more->>'reqId', more->>'leaseId',
        more->>'level', more->>'status', message, (more->>'durationMs')::float8, data::jsonb
      from placed order by position
      returning project_id, occurred_at, type, resource_type, run_id, actor_type, actor_id
    ), remembered as (
      insert into event_ids (project_id, id, position, sequence, occurred_at)
      select project_id, id, position, sequence, coalesce(occurred_at, recorded_at) from placed where given = 1
    ), counted as (${countEvents(sql, 'logged')}
    )${events.some(namesResource) ? sql`, seen as (${rememberResources(sql, 'placed')})` : sql``}
    select i.ord::int, p.position, p.sequence, k.position as known_position, k.sequence as known_sequence,
      f.state, f.project_id = i.project_id as own
    from input i left join placed p using (ord) left join known k on k.id = i.id and k.project_id = i.project_id left join found f on f.run_id = i.run_id
    order by i.ord`
  return rows.map((row, index) => appended(row, ids[index]!))
}

type Row = {
  position: number | null
  sequence: number | null
  known_position: number | null
  known_sequence: number | null
  state: string | null
  own: boolean | null
}

function appended(row: Row, id: string): Appended {
  if (row.known_position !== null)
    return { outcome: 'duplicate', id, position: row.known_position, sequence: row.known_sequence ?? undefined }
  if (row.position !== null)
    return { outcome: 'appended', id, position: row.position, sequence: row.sequence ?? undefined }
  return row.own && row.state ? { outcome: 'stale', state: row.state } : { outcome: 'no_run' }
}

const namesResource = ({ resourceType, resourceId }: NewEvent) => resourceType !== undefined && resourceId !== undefined

function rareText(event: NewEvent): string | null {
  const {
    resourceType,
    resourceId,
    correlationId,
    causationId,
    attempt,
    step,
    tool,
    agentId,
    reqId,
    leaseId,
    level,
    status,
    durationMs,
  } = event
  const rare = {
    resourceType,
    resourceId,
    ...(namesResource(event) && { resourceUuid: resourceUuid(event.projectId, resourceType!, resourceId!) }),
    correlationId,
    causationId,
    attempt,
    step,
    tool,
    agentId,
    reqId,
    leaseId,
    level,
    status,
    durationMs,
  }
  const text = JSON.stringify(rare)
  return text === '{}' ? null : text
}
