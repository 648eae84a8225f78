// Agents: their switch, their policies, and the sums of what they did.
import type { Policy, PolicyMode } from '#core/policy.ts'
import { type Columns, slotRowsOf, slotValuesOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'
import { statement } from '#postgres/statement.ts'
import { type KnownRows, lockKnown } from '#usage/known-rows.sql.ts'
import { type Moment, moment } from '#usage/ledger.sql.ts'

export type AgentRow = {
  projectId: string
  id: string
  enabled: boolean
  disabledReason: string | null
  disabledAt: Date | null
  policyVersion: number
  policyMode: PolicyMode | null
  policy: Policy | null
  createdAt: Date
  updatedAt: Date
}

const columns = (sql: Db) => sql`
  project_id as "projectId",
  id,
  enabled,
  disabled_reason as "disabledReason",
  disabled_at as "disabledAt",
  policy_version as "policyVersion",
  policy_mode as "policyMode",
  policy,
  created_at as "createdAt",
  updated_at as "updatedAt"`

export async function findAgent(sql: Db, projectId: string, id: string): Promise<AgentRow | undefined> {
  const [row] = await sql<AgentRow[]>`select ${columns(sql)} from agents where project_id = ${projectId} and id = ${id}`
  return row
}

/** By id. */
export const listAgents = async (
  sql: Db,
  projectId: string,
  { after, limit }: { after: string; limit: number },
): Promise<AgentRow[]> => [
  ...(await sql<AgentRow[]>`
    select ${columns(sql)} from agents where project_id = ${projectId} and id > ${after} order by id limit ${limit}`),
]

/** Agents that have a policy, by id. */
export const readPolicyHolders = async (sql: Db, projectId: string, limit: number): Promise<AgentRow[]> => [
  ...(await sql<AgentRow[]>`
    select ${columns(sql)} from agents
    where project_id = ${projectId} and policy is not null
    order by id limit ${limit}`),
]

export type AgentName = { projectId: string; agentId: string }

const NAMED: Columns<AgentName> = {
  'project_id text': (it) => it.projectId,
  'agent_id text': (it) => it.agentId,
}

const insertMissing = statement<object>(
  (sql) => sql`
    insert into agents (project_id, id)
    select project_id, agent_id
    from ${slotRowsOf(sql, NAMED)}
    where not exists (select from agents a where a.project_id = t.project_id and a.id = t.agent_id)
    order by project_id collate "C", agent_id collate "C"
    on conflict do nothing`,
)

const lockNamed = statement<AgentRow>(
  (sql) => sql`
    select ${columns(sql)}
    from agents
    where (project_id, id) in (select t.project_id, t.agent_id from ${slotRowsOf(sql, NAMED)})
    order by project_id, id
    for update`,
)

const lockDeciding = statement<AgentRow & Moment & { budget: number | null }>(
  (sql) => sql`
    select ${columns(sql)}, ${moment(sql)},
      (select max_spend_microusd_per_day from projects p where p.id = agents.project_id) as budget
    from agents
    where (project_id, id) in (select t.project_id, t.agent_id from ${slotRowsOf(sql, NAMED)})
    order by project_id, id
    for update`,
)

const agentKey = ({ projectId, agentId }: AgentName): string => `${projectId}\0${agentId}`
const distinctOf = (names: readonly AgentName[]) => new Map(names.map((it) => [agentKey(it), it]))

/** Makes those that are not there, and locks all of them in one order; answers them as they are now. */
export async function lockAgents(tx: Db, names: readonly AgentName[]): Promise<readonly AgentRow[]> {
  const values = slotValuesOf(NAMED, [...distinctOf(names).values()])
  // Missing rows are inserted before the first one is locked: whoever inserts holds nothing that another may wait for.
  const [, found] = await Promise.all([insertMissing(tx, values), lockNamed(tx, values)])
  return found
}

/** Locked agents, the current moment, and what their projects may spend on a day, where that is limited. */
export type Deciding = { agents: readonly AgentRow[]; moment: Moment; budgets: ReadonlyMap<string, number> }

/** Like `lockAgents`, for many decisions a second: agents that are `known` to exist are not looked for first. */
export async function lockDeciders(tx: Db, names: readonly AgentName[], known: KnownRows): Promise<Deciding> {
  const distinct = distinctOf(names)
  const values = slotValuesOf(NAMED, [...distinct.values()])
  const agents = await lockKnown(known, [...distinct.keys()], {
    insertMissing: () => insertMissing(tx, values),
    lock: () => lockDeciding(tx, values),
  })
  const { now, hour, day } = agents[0]!
  const budgets = agents.flatMap(({ projectId, budget }) => (budget === null ? [] : [[projectId, budget] as const]))
  return { agents, moment: { now, hour, day }, budgets: new Map(budgets) }
}

export const setSwitch = (tx: Db, { projectId, agentId }: AgentName, off: { reason: string | null } | undefined) => tx`
  update agents set enabled = ${off === undefined}, disabled_reason = ${off?.reason ?? null},
    disabled_at = ${off ? tx`date_trunc('milliseconds', clock_timestamp())` : tx`null`}, updated_at = clock_timestamp()
  where project_id = ${projectId} and id = ${agentId}`

export type PolicyRow = {
  agentId: string
  version: number
  mode: PolicyMode
  policy: Policy
  createdAt: Date
  createdBy: string | null
}

const policyColumns = (sql: Db) => sql`
  agent_id as "agentId", version, mode, policy, created_at as "createdAt", created_by as "createdBy"`

/** A new version takes the place of the one before; the caller holds the agent's lock. */
export async function insertPolicy(
  tx: Db,
  { projectId, agentId }: AgentName,
  it: { mode: PolicyMode; policy: Policy; createdBy: string | null },
): Promise<PolicyRow> {
  const policy = JSON.stringify(it.policy)
  const [row] = await tx<PolicyRow[]>`
    with put as (
      update agents
      set
        policy_version = policy_version + 1,
        policy_mode = ${it.mode},
        policy = ${policy}::text::jsonb,
        updated_at = clock_timestamp()
      where project_id = ${projectId} and id = ${agentId}
      returning policy_version
    )
    insert into agent_policies (
      project_id,
      agent_id,
      version,
      mode,
      policy,
      created_by
    )
    select
      ${projectId},
      ${agentId},
      policy_version,
      ${it.mode},
      ${policy}::text::jsonb,
      ${it.createdBy}
    from put
    returning ${policyColumns(tx)}`
  return row!
}

/** The latest first. */
export const listPolicies = async (
  sql: Db,
  { projectId, agentId }: AgentName,
  { before, limit }: { before?: number | undefined; limit: number },
): Promise<PolicyRow[]> => [
  ...(await sql<PolicyRow[]>`
    select ${policyColumns(sql)} from agent_policies
    where project_id = ${projectId}
      and agent_id = ${agentId}
      ${before === undefined ? sql`` : sql`and version < ${before}`}
    order by version desc limit ${limit}`),
]
