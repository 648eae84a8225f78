// Decisions about calls of agents. Whoever decides holds the lock of the agent.

import type { PolicyReason, RiskLevel } from '#core/policy.ts'
import type { Cost } from '#core/usage/cost.ts'
import { type Columns, namesOf, slotRowsOf, slotValuesOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'
import { statement } from '#postgres/statement.ts'
import type { AgentName } from './agents.sql.ts'

export type AuthorizationState = 'reserved' | 'settled' | 'blocked' | 'asked' | 'denied'

export type AuthorizationRow = {
  id: string
  projectId: string
  agentId: string
  tool: string
  runId: string | null
  /** The name that its run gave the call. */
  key: string | null
  state: AuthorizationState
  reason: PolicyReason
  riskLevel: RiskLevel
  observed: PolicyReason | null
  policyVersion: number
  argsHash: string | null
  cost: Cost
  hour: Date
  outcome: string | null
  createdAt: Date
  settledAt: Date | null
}

export const authorizationColumns = (sql: Db) => sql`
  a.id,
  a.project_id as "projectId",
  a.agent_id as "agentId",
  a.tool,
  a.run_id as "runId",
  a.key,
  a.state,
  a.reason,
  a.risk_level as "riskLevel",
  a.observed,
  a.policy_version as "policyVersion",
  a.args_hash as "argsHash",
  a.cost_microusd as microusd,
  a.cost_picousd as picousd,
  a.hour,
  a.outcome,
  a.created_at as "createdAt",
  a.settled_at as "settledAt"`

type Kept = Omit<AuthorizationRow, 'cost'> & Cost
const rowOf = ({ microusd, picousd, ...row }: Kept): AuthorizationRow => ({ ...row, cost: { microusd, picousd } })

export type NewAuthorization = Omit<AuthorizationRow, 'outcome' | 'settledAt' | 'createdAt'> & { createdAt: Date }

const NEW: Columns<NewAuthorization> = {
  'id uuid': (it) => it.id,
  'project_id text': (it) => it.projectId,
  'agent_id text': (it) => it.agentId,
  'tool text': (it) => it.tool,
  'run_id uuid': (it) => it.runId,
  'key text': (it) => it.key,
  'state text': (it) => it.state,
  'reason text': (it) => it.reason,
  'risk_level text': (it) => it.riskLevel,
  'observed text': (it) => it.observed,
  'policy_version int': (it) => it.policyVersion,
  'args_hash text': (it) => it.argsHash,
  'cost_microusd bigint': (it) => it.cost.microusd,
  'cost_picousd bigint': (it) => it.cost.picousd,
  'hour timestamptz': (it) => it.hour.toISOString(),
  'created_at timestamptz': (it) => it.createdAt.toISOString(),
}

const insertRows = statement<object>((sql) => {
  const columns = sql.unsafe(namesOf(NEW).join(', '))
  return sql`
    with input as materialized (
      select * from ${slotRowsOf(sql, NEW)}
    ), calls as (
      select
        project_id,
        agent_id,
        hour,
        tool,
        count(*) filter (where state = 'reserved') as allowed,
        count(*) filter (where state = 'blocked') as blocked,
        coalesce(sum(cost_microusd) filter (where state = 'reserved'), 0) as cost_microusd,
        coalesce(sum(cost_picousd) filter (where state = 'reserved'), 0) as cost_picousd
      from input
      group by project_id, agent_id, hour, tool
    ), summed as (
      insert into agent_hours as h (
        project_id,
        agent_id,
        hour,
        tool,
        allowed,
        blocked,
        cost_microusd,
        cost_picousd
      )
      select
        project_id,
        agent_id,
        hour,
        tool,
        allowed,
        blocked,
        cost_microusd,
        cost_picousd
      from calls
      order by project_id, agent_id, hour, tool
      on conflict (project_id, agent_id, hour, tool) do update set
        allowed = h.allowed + excluded.allowed,
        blocked = h.blocked + excluded.blocked,
        cost_microusd = h.cost_microusd + excluded.cost_microusd,
        cost_picousd = h.cost_picousd + excluded.cost_picousd
    )
    insert into authorizations (${columns})
    select ${columns} from input`
})

/** Writes decisions down, and adds them to the sums of their agents. */
export const insertAuthorizations = (tx: Db, rows: readonly NewAuthorization[]) =>
  insertRows(tx, slotValuesOf(NEW, rows))

export async function findAuthorization(sql: Db, projectId: string, id: string): Promise<AuthorizationRow | undefined> {
  const [row] = await sql<Kept[]>`
    select ${authorizationColumns(sql)} from authorizations a where a.id = ${id} and a.project_id = ${projectId}`
  return row && rowOf(row)
}

export type Settlement = { authorizationId: string; projectId: string; cost?: Cost | undefined; outcome: string }
export type Reserved = Pick<AuthorizationRow, 'id' | 'projectId' | 'agentId' | 'tool' | 'runId' | 'cost'> & {
  day: string
}

const NAMED: Columns<Settlement> = {
  'id uuid': (it) => it.authorizationId,
  'project_id text': (it) => it.projectId,
}

const lockNamed = statement<Omit<Reserved, 'cost'> & Cost>(
  (sql) => sql`
    select
      a.id, a.project_id as "projectId", a.agent_id as "agentId", a.tool, a.run_id as "runId",
      a.cost_microusd as microusd, a.cost_picousd as picousd,
      (a.hour at time zone 'UTC')::date::text as day
    from authorizations a
    where (a.id, a.project_id) in (select t.id, t.project_id from ${slotRowsOf(sql, NAMED)})
      and a.state = 'reserved'
    order by a.id for update`,
)

/** Those of these calls that are reserved, locked in one order, with the day (UTC) that they are charged to. */
export async function lockReserved(tx: Db, calls: readonly Settlement[]): Promise<Reserved[]> {
  const rows = await lockNamed(tx, slotValuesOf(NAMED, calls))
  return rows.map(({ microusd, picousd, ...row }) => ({ ...row, cost: { microusd, picousd } }))
}

const SETTLED: Columns<Settlement> = {
  ...NAMED,
  'microusd bigint': (it) => it.cost?.microusd,
  'picousd bigint': (it) => it.cost?.picousd,
  'outcome text': (it) => it.outcome,
}

const settleNamed = statement<Kept>(
  (sql) => sql`
    with input as materialized (
      select * from ${slotRowsOf(sql, SETTLED)}
    ), held as materialized (
      select
        a.id,
        a.project_id,
        a.agent_id,
        a.hour,
        a.tool,
        a.cost_microusd,
        a.cost_picousd,
        i.outcome,
        coalesce(i.microusd, a.cost_microusd) as microusd,
        coalesce(i.picousd, a.cost_picousd) as picousd
      from input i
      join authorizations a using (id, project_id)
      where a.state = 'reserved'
    ), differences as (
      select
        project_id,
        agent_id,
        hour,
        tool,
        sum(microusd - cost_microusd) as microusd,
        sum(picousd - cost_picousd) as picousd
      from held
      where (microusd, picousd) <> (cost_microusd, cost_picousd)
      group by 1, 2, 3, 4
    ), summed as (
      -- Nobody else is at these sums: the budget of their agent is locked by whoever changes them.
      update agent_hours h
      set cost_microusd = h.cost_microusd + d.microusd, cost_picousd = h.cost_picousd + d.picousd
      from differences d
      where h.project_id = d.project_id
        and h.agent_id = d.agent_id
        and h.hour = d.hour
        and h.tool = d.tool
    )
    update authorizations a
    set
      state = 'settled',
      outcome = held.outcome,
      settled_at = clock_timestamp(),
      cost_microusd = held.microusd,
      cost_picousd = held.picousd
    from held
    where a.id = held.id
    returning ${authorizationColumns(sql)}`,
)

/** Books what reserved calls really cost; those that are not reserved (any more) are absent. The sums follow. */
export const settleAuthorizations = async (tx: Db, calls: readonly Settlement[]): Promise<AuthorizationRow[]> =>
  (await settleNamed(tx, slotValuesOf(SETTLED, calls))).map(rowOf)

/** Decides about a call that a person was asked about: it counts from now on, or was never made. */
export const decideAsked = (
  tx: Db,
  it: Pick<AuthorizationRow, 'id' | 'reason' | 'riskLevel' | 'observed' | 'policyVersion'> & {
    state: 'reserved' | 'denied' | 'blocked'
    hour: Date
  },
) => tx`
  with decided as (
    update authorizations
    set
      state = ${it.state},
      reason = ${it.reason},
      risk_level = ${it.riskLevel},
      observed = ${it.observed},
      policy_version = ${it.policyVersion},
      hour = ${it.hour.toISOString()}
    where id = ${it.id} and state = 'asked'
    returning
      project_id,
      agent_id,
      hour,
      tool,
      cost_microusd,
      cost_picousd
  )
  insert into agent_hours as h (
    project_id,
    agent_id,
    hour,
    tool,
    allowed,
    blocked,
    cost_microusd,
    cost_picousd
  )
  select
    project_id,
    agent_id,
    hour,
    tool,
    ${it.state === 'reserved' ? 1 : 0},
    ${it.state === 'reserved' ? 0 : 1},
    case when ${it.state === 'reserved'}::boolean then cost_microusd else 0 end,
    case when ${it.state === 'reserved'}::boolean then cost_picousd else 0 end
  from decided
  on conflict (project_id, agent_id, hour, tool) do update set
    allowed = h.allowed + excluded.allowed,
    blocked = h.blocked + excluded.blocked,
    cost_microusd = h.cost_microusd + excluded.cost_microusd,
    cost_picousd = h.cost_picousd + excluded.cost_picousd`

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
): Promise<AuthorizationRow[]> =>
  (
    await sql<Kept[]>`
    select ${authorizationColumns(sql)} from authorizations a
    where project_id = ${projectId}
      and agent_id = ${agentId}
      ${after ? sql`and (created_at, id) < (${after.createdAt}::timestamptz, ${after.id}::uuid)` : sql``}
      ${from === undefined ? sql`` : sql`and created_at >= ${from}::timestamptz`}
    order by created_at desc, id desc limit ${limit}`
  ).map(rowOf)
