// Which tools agents called, from sums kept as they act.
import type { FastifyInstance } from 'fastify'
import { listToolNames, sumTools, type ToolSum } from '#agents/tools/tool-sums.sql.ts'
import type { Ctx } from '#bell/ctx.ts'
import * as tools from '#contract/tools.ts'
import { DAY_MS, HOUR_MS } from '#core/durations.ts'
import { refuseField } from '#core/error.ts'
import { shownMicrousd } from '#core/usage/cost.ts'
import { implement } from '../../implement.ts'

const DAYS = 30
const DAYS_MAX = 366

export function toolRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, tools.listTools, async ({ agent_id, from, to }, { projectId }) => {
    const endMs = to === undefined ? ctx.nowMs() : Date.parse(to)
    const beginMs = from === undefined ? endMs - DAYS * DAY_MS : Date.parse(from)
    if (beginMs > endMs) throw refuseField('from', 'is after to')
    if (endMs - beginMs > DAYS_MAX * DAY_MS) throw refuseField('from', `is more than ${DAYS_MAX} days before to`)
    const hours = {
      from: new Date(Math.floor(beginMs / HOUR_MS) * HOUR_MS),
      to: new Date(Math.ceil(endMs / HOUR_MS) * HOUR_MS),
    }
    const limit = tools.TOOLS_MAX + 1
    const asked = { projectId, agentId: agent_id, ...hours, limit, agentsMax: tools.AGENTS_OF_TOOL_MAX }
    const [called, names] = await Promise.all([sumTools(ctx.reads, asked), listToolNames(ctx.reads, projectId, limit)])
    const registered = new Set(names)
    const known = new Set(called.map(({ tool }) => tool))
    // What one agent called is asked for: tools that it did not call are none of its.
    const uncalled = agent_id === undefined ? names.filter((name) => !known.has(name)) : []
    const data = [
      ...called.map(({ tool, agentCount, agents, ...sum }) => ({
        tool,
        registered: registered.has(tool),
        ...sumWire(sum),
        agent_count: agentCount,
        agents: agents.map(({ agentId, ...its }) => ({ agent_id: agentId, ...sumWire(its) })),
      })),
      ...uncalled.map((tool) => ({ tool, registered: true, ...NO_CALLS, agent_count: 0, agents: [] })),
    ]
    return {
      from: hours.from.toISOString(),
      to: hours.to.toISOString(),
      data: data.slice(0, tools.TOOLS_MAX),
      has_more: data.length > tools.TOOLS_MAX,
    }
  })
}

const NO_CALLS = { allowed: 0, blocked: 0, cost_microusd: 0, last_called_at: null }

const sumWire = ({ allowed, blocked, cost, lastHour }: ToolSum) => ({
  allowed,
  blocked,
  cost_microusd: shownMicrousd(cost),
  last_called_at: lastHour.toISOString(),
})
