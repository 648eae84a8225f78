// Which tools were called, by which agents, from the sums that are kept per hour.
import { type Cost, costFrom } from '#core/usage/cost.ts'
import type { Db } from '#postgres/sql.ts'

export type ToolSum = { allowed: number; blocked: number; cost: Cost; lastHour: Date }
export type ToolSums = ToolSum & { tool: string; agentCount: number; agents: (ToolSum & { agentId: string })[] }

export type ToolSumsAsked = {
  projectId: string
  agentId?: string | undefined
  /** Hours that begin in between; the end is exclusive. */
  from: Date
  to: Date
  limit: number
  agentsMax: number
}

type Row = {
  tool: string
  agentId: string
  allowed: number
  blocked: number
  microusd: number
  picousd: number
  lastHour: Date
  allAllowed: number
  allBlocked: number
  allMicrousd: number
  allPicousd: number
  allLastHour: Date
  agentCount: number
}

/** The busiest first, each with its busiest agents. */
export async function sumTools(sql: Db, { projectId, agentId, ...asked }: ToolSumsAsked): Promise<ToolSums[]> {
  const rows = await sql<Row[]>`
    with called as (
      select
        tool,
        agent_id,
        sum(allowed) as allowed,
        sum(blocked) as blocked,
        sum(cost_microusd) as microusd,
        sum(cost_picousd) as picousd,
        max(hour) as last_hour
      from agent_hours
      where project_id = ${projectId}
        and hour >= ${asked.from.toISOString()}::timestamptz
        and hour < ${asked.to.toISOString()}::timestamptz
        ${agentId === undefined ? sql`` : sql`and agent_id = ${agentId}`}
      group by tool, agent_id
    ), summed as (
      select
        tool,
        sum(allowed) as allowed,
        sum(blocked) as blocked,
        sum(microusd) as microusd,
        sum(picousd) as picousd,
        max(last_hour) as last_hour,
        count(*) as agent_count
      from called
      group by tool
      order by sum(allowed) + sum(blocked) desc, tool limit ${asked.limit}::int
    ), ranked as (
      select *, row_number() over (partition by tool order by allowed + blocked desc, agent_id) as place
      from called
    )
    select
      s.tool,
      r.agent_id as "agentId",
      r.allowed::bigint,
      r.blocked::bigint,
      r.microusd::bigint,
      r.picousd::bigint,
      r.last_hour as "lastHour",
      s.allowed::bigint as "allAllowed",
      s.blocked::bigint as "allBlocked",
      s.microusd::bigint as "allMicrousd",
      s.picousd::bigint as "allPicousd",
      s.last_hour as "allLastHour",
      s.agent_count as "agentCount"
    from summed s
    join ranked r using (tool)
    where r.place <= ${asked.agentsMax}::int
    order by s.allowed + s.blocked desc, s.tool, r.place`
  const tools = new Map<string, ToolSums>()
  for (const row of rows) {
    const { tool, agentId: id, agentCount, allowed, blocked, microusd, picousd, lastHour } = row
    const known = tools.get(tool) ?? {
      tool,
      allowed: row.allAllowed,
      blocked: row.allBlocked,
      cost: costFrom(row.allMicrousd, row.allPicousd),
      lastHour: row.allLastHour,
      agentCount,
      agents: [],
    }
    known.agents.push({ agentId: id, allowed, blocked, cost: costFrom(microusd, picousd), lastHour })
    tools.set(tool, known)
  }
  return [...tools.values()]
}

/** Names of registered tools, of all scopes. */
export const listToolNames = async (sql: Db, projectId: string, limit: number): Promise<string[]> =>
  (
    await sql<{ name: string }[]>`
    select distinct name from tools where project_id = ${projectId} order by name limit ${limit}::int`
  ).map(({ name }) => name)
