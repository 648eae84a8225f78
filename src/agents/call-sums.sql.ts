// What agents did and spent: the sums that decisions are made from, and those that people ask for.
import { type Cost, costFrom } from '#core/usage/cost.ts'
import { type Columns, slotRowsOf, slotValuesOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'
import { slot, statement } from '#postgres/statement.ts'
import type { AgentName, AgentRow } from './agents.sql.ts'

/** How many calls an agent made of a tool: on a day, and in the hour that is now. */
export type CallCount = { projectId: string; agentId: string; tool: string; today: number; thisHour: number }

const COUNTED: Columns<AgentRow> = {
  'project_id text': (it) => it.projectId,
  'agent_id text': (it) => it.id,
}

const countCalls = statement<CallCount>(
  (sql) => sql`
    select h.project_id as "projectId", h.agent_id as "agentId", h.tool, h.today, h.this_hour as "thisHour"
    from ${slotRowsOf(sql, COUNTED)}
    cross join lateral (
      select
        project_id,
        agent_id,
        tool,
        sum(allowed)::bigint as today,
        coalesce(sum(allowed) filter (where hour = ${slot(sql, 'hour')}::timestamptz), 0)::bigint as this_hour
      from agent_hours
      where project_id = t.project_id
        and agent_id = t.agent_id
        and hour >= ${slot(sql, 'day')}::timestamptz
      group by project_id, agent_id, tool
      offset 0
    ) h`,
)

/** Each agent is named once. */
export async function readCalls(
  tx: Db,
  agents: readonly AgentRow[],
  { day, hour }: { day: string; hour: Date },
): Promise<readonly CallCount[]> {
  if (agents.length === 0) return []
  return countCalls(tx, { ...slotValuesOf(COUNTED, agents), day, hour: hour.toISOString() })
}

export type AgentSum = { tool: string; allowed: number; blocked: number; cost: Cost }
type Summed<Row> = Omit<Row, 'cost'> & Cost
const withCost = <Row extends Cost>({ microusd, picousd, ...row }: Row) => ({
  ...row,
  cost: costFrom(microusd, picousd),
})

/** Sums by tool from an hour on, the busiest first. */
export const sumAgent = async (sql: Db, { projectId, agentId }: AgentName, fromHour: Date): Promise<AgentSum[]> => [
  ...(
    await sql<Summed<AgentSum>[]>`
    select
      tool,
      sum(allowed)::bigint as allowed,
      sum(blocked)::bigint as blocked,
      sum(cost_microusd)::bigint as microusd,
      sum(cost_picousd)::bigint as picousd
    from agent_hours
    where project_id = ${projectId}
      and agent_id = ${agentId}
      and hour >= ${fromHour.toISOString()}::timestamptz
    group by tool
    order by sum(allowed) desc, tool`
  ).map(withCost),
]

export type SpendSum = {
  agentId: string
  tool: string
  day: Date
  allowed: number
  blocked: number
  cost: Cost
}

/** Spend by agent, tool and day; agents and days in order. */
export const sumSpend = async (
  sql: Db,
  projectId: string,
  { agentId, from, to, limit }: { agentId?: string | undefined; from: string; to: string; limit: number },
): Promise<SpendSum[]> => [
  ...(
    await sql<Summed<SpendSum>[]>`
    select
      agent_id as "agentId",
      tool,
      date_trunc('day', hour, 'UTC') as day,
      sum(allowed)::bigint as allowed,
      sum(blocked)::bigint as blocked,
      sum(cost_microusd)::bigint as microusd,
      sum(cost_picousd)::bigint as picousd
    from agent_hours
    where project_id = ${projectId}
      ${agentId === undefined ? sql`` : sql`and agent_id = ${agentId}`}
      and hour >= ${from}::timestamptz
      and hour < ${to}::timestamptz
    group by 1, 2, 3
    order by 1, 3, 2 limit ${limit}`
  ).map(withCost),
]
