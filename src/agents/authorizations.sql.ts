// Decisions about calls of agents, and the sums that they are made from. Who decides holds the lock of the agent.
import type { PolicyReason, RiskLevel } from '#core/policy.ts'
import { column } from '#postgres/column.ts'
import type { Db, Sql } from '#postgres/sql.ts'
import type { AgentName } from './agents.sql.ts'

export type AuthorizationState = 'reserved' | 'settled' | 'blocked' | 'asked' | 'denied'

export type AuthorizationRow = {
  id: string
  projectId: string
  agentId: string
  tool: string
  runId: string | null
  state: AuthorizationState
  reason: PolicyReason
  riskLevel: RiskLevel
  observed: PolicyReason | null
  policyVersion: number
  argsHash: string | null
  costMicrousd: number
  hour: Date
  outcome: string | null
  createdAt: Date
  settledAt: Date | null
}

const columns = (sql: Db) => sql`
  id, project_id as "projectId", agent_id as "agentId", tool, run_id as "runId", state, reason, risk_level as "riskLevel", observed,
  policy_version as "policyVersion", args_hash as "argsHash", cost_microusd as "costMicrousd", hour, outcome, created_at as "createdAt",
  settled_at as "settledAt"`

/** What agents did today, by hour and tool; with the moment, the hour and the day that it is now by the database's clock. */
export type Today = { now: Date; hour: Date; sums: TodaySum[] }
export type TodaySum = {
  projectId: string
  agentId: string
  hour: Date
  tool: string
  allowed: number
  costMicrousd: number
}

/** Each agent is named once. */
export async function readToday(tx: Sql, agents: readonly AgentName[]): Promise<Today> {
  const rows = await tx<(TodaySum & { now: Date; thisHour: Date })[]>`
    select clock.now, clock.hour as "thisHour", h.project_id as "projectId", h.agent_id as "agentId", h.hour, h.tool, h.allowed,
      h.cost_microusd as "costMicrousd"
    from (select date_trunc('milliseconds', clock_timestamp()) as now, date_trunc('hour', clock_timestamp(), 'UTC') as hour,
      date_trunc('day', clock_timestamp(), 'UTC') as day) clock
    left join unnest(${column(agents.map((it) => it.projectId))}::text[], ${column(agents.map((it) => it.agentId))}::text[])
      as a (project_id, agent_id) on true
    left join lateral (select * from agent_hours where project_id = a.project_id and agent_id = a.agent_id and hour >= clock.day offset 0) h on true`
  const [first] = rows
  return { now: first!.now, hour: first!.thisHour, sums: rows.filter((row) => row.projectId !== null) }
}

export type NewAuthorization = Omit<AuthorizationRow, 'outcome' | 'settledAt' | 'createdAt'> & { createdAt: Date }

/** Writes decisions down, and adds them to the sums of their agents. */
export const insertAuthorizations = (tx: Sql, rows: readonly NewAuthorization[]) => tx`
  with input as materialized (
    select * from unnest(${column(rows.map((it) => it.id))}::uuid[], ${column(rows.map((it) => it.projectId))}::text[],
      ${column(rows.map((it) => it.agentId))}::text[], ${column(rows.map((it) => it.tool))}::text[], ${column(rows.map((it) => it.runId))}::uuid[],
      ${column(rows.map((it) => it.state))}::text[], ${column(rows.map((it) => it.reason))}::text[], ${column(rows.map((it) => it.riskLevel))}::text[],
      ${column(rows.map((it) => it.observed))}::text[], ${column(rows.map((it) => it.policyVersion))}::int[], ${column(rows.map((it) => it.argsHash))}::text[],
      ${column(rows.map((it) => it.costMicrousd))}::bigint[], ${column(rows.map((it) => it.hour.toISOString()))}::timestamptz[],
      ${column(rows.map((it) => it.createdAt.toISOString()))}::timestamptz[]
    ) as t (id, project_id, agent_id, tool, run_id, state, reason, risk_level, observed, policy_version, args_hash, cost_microusd, hour, created_at)
  ), summed as (
    insert into agent_hours as h (project_id, agent_id, hour, tool, allowed, blocked, cost_microusd)
    select project_id, agent_id, hour, tool, count(*) filter (where state = 'reserved'), count(*) filter (where state = 'blocked'),
      coalesce(sum(cost_microusd) filter (where state = 'reserved'), 0)
    from input group by 1, 2, 3, 4 order by 1, 2, 3, 4
    on conflict (project_id, agent_id, hour, tool) do update set allowed = h.allowed + excluded.allowed, blocked = h.blocked + excluded.blocked,
      cost_microusd = h.cost_microusd + excluded.cost_microusd
  )
  insert into authorizations (id, project_id, agent_id, tool, run_id, state, reason, risk_level, observed, policy_version, args_hash, cost_microusd, hour, created_at)
  select id, project_id, agent_id, tool, run_id, state, reason, risk_level, observed, policy_version, args_hash, cost_microusd, hour, created_at from input`

export async function findAuthorization(sql: Db, projectId: string, id: string): Promise<AuthorizationRow | undefined> {
  const [row] = await sql<AuthorizationRow[]>`
    select ${columns(sql)} from authorizations where id = ${id} and project_id = ${projectId}`
  return row
}

export type Settlement = { id: string; costMicrousd: number | undefined; outcome: string }

/** Books what a reserved call really cost; undefined when it is not reserved (any more). The sums follow. */
export async function settleAuthorization(
  tx: Sql,
  projectId: string,
  it: Settlement,
): Promise<AuthorizationRow | undefined> {
  const [row] = await tx<AuthorizationRow[]>`
    with held as materialized (
      select id, project_id, agent_id, hour, tool, cost_microusd from authorizations
      where id = ${it.id} and project_id = ${projectId} and state = 'reserved' for update
    ), summed as (
      update agent_hours h set cost_microusd = h.cost_microusd + coalesce(${it.costMicrousd ?? null}, held.cost_microusd) - held.cost_microusd
      from held where h.project_id = held.project_id and h.agent_id = held.agent_id and h.hour = held.hour and h.tool = held.tool
    )
    update authorizations a set state = 'settled', outcome = ${it.outcome}, settled_at = clock_timestamp(),
      cost_microusd = coalesce(${it.costMicrousd ?? null}, a.cost_microusd)
    from held where a.id = held.id
    returning a.id, a.project_id as "projectId", a.agent_id as "agentId", a.tool, a.run_id as "runId", a.state, a.reason, a.risk_level as "riskLevel",
      a.observed, a.policy_version as "policyVersion", a.args_hash as "argsHash", a.cost_microusd as "costMicrousd", a.hour, a.outcome,
      a.created_at as "createdAt", a.settled_at as "settledAt"`
  return row
}

/** Decides about a call that a person was asked about: it counts from now on, or was never made. */
export const decideAsked = (
  tx: Sql,
  it: Pick<AuthorizationRow, 'id' | 'reason' | 'riskLevel' | 'observed' | 'policyVersion'> & {
    state: 'reserved' | 'denied' | 'blocked'
    hour: Date
  },
) => tx`
  with decided as (
    update authorizations set state = ${it.state}, reason = ${it.reason}, risk_level = ${it.riskLevel}, observed = ${it.observed},
      policy_version = ${it.policyVersion}, hour = ${it.hour.toISOString()}
    where id = ${it.id} and state = 'asked' returning project_id, agent_id, hour, tool, cost_microusd
  )
  insert into agent_hours as h (project_id, agent_id, hour, tool, allowed, blocked, cost_microusd)
  select project_id, agent_id, hour, tool, ${it.state === 'reserved' ? 1 : 0}, ${it.state === 'reserved' ? 0 : 1},
    case when ${it.state === 'reserved'}::boolean then cost_microusd else 0 end
  from decided
  on conflict (project_id, agent_id, hour, tool) do update set allowed = h.allowed + excluded.allowed, blocked = h.blocked + excluded.blocked,
    cost_microusd = h.cost_microusd + excluded.cost_microusd`

export type AuthorizationPage = {
  after?: { createdAt: string; id: string } | undefined
  limit: number
  from?: string | undefined
}

/** The latest first. */
export const listAuthorizations = async (
  sql: Db,
  { projectId, agentId }: AgentName,
  { after, limit, from }: AuthorizationPage,
): Promise<AuthorizationRow[]> => [
  ...(await sql<AuthorizationRow[]>`
    select ${columns(sql)} from authorizations
    where project_id = ${projectId} and agent_id = ${agentId}
      ${after ? sql`and (created_at, id) < (${after.createdAt}::timestamptz, ${after.id}::uuid)` : sql``}
      ${from === undefined ? sql`` : sql`and created_at >= ${from}::timestamptz`}
    order by created_at desc, id desc limit ${limit}`),
]

export type AgentSum = { tool: string; allowed: number; blocked: number; costMicrousd: number }

/** Sums by tool from an hour on, the busiest first. */
export const sumAgent = async (sql: Db, { projectId, agentId }: AgentName, fromHour: Date): Promise<AgentSum[]> => [
  ...(await sql<AgentSum[]>`
    select tool, sum(allowed)::bigint as allowed, sum(blocked)::bigint as blocked, sum(cost_microusd)::bigint as "costMicrousd"
    from agent_hours where project_id = ${projectId} and agent_id = ${agentId} and hour >= ${fromHour.toISOString()}::timestamptz
    group by tool order by sum(allowed) desc, tool`),
]

export type SpendSum = {
  agentId: string
  tool: string
  day: Date
  allowed: number
  blocked: number
  costMicrousd: number
}

/** Spend by agent, tool and day; agents and days in order. */
export const sumSpend = async (
  sql: Db,
  projectId: string,
  { agentId, from, to, limit }: { agentId?: string | undefined; from: string; to: string; limit: number },
): Promise<SpendSum[]> => [
  ...(await sql<SpendSum[]>`
    select agent_id as "agentId", tool, date_trunc('day', hour, 'UTC') as day, sum(allowed)::bigint as allowed, sum(blocked)::bigint as blocked,
      sum(cost_microusd)::bigint as "costMicrousd"
    from agent_hours
    where project_id = ${projectId} ${agentId === undefined ? sql`` : sql`and agent_id = ${agentId}`}
      and hour >= ${from}::timestamptz and hour < ${to}::timestamptz
    group by 1, 2, 3 order by 1, 3, 2 limit ${limit}`),
]
