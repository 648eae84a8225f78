// Agents: their kill switch, calls and costs.

import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { AgentRow } from '#agents/agents.sql.ts'
import { disableAgent, enableAgent } from '#agents/agents.ts'
import { type AuthorizationRow, listAuthorizations } from '#agents/authorizations.sql.ts'
import { sumAgent } from '#agents/call-sums.sql.ts'
import type { Ctx } from '#bell/ctx.ts'
import { nullable, oneOf, optional, text, whole, withDefault } from '#contract/common.ts'
import { type Route, route } from '#contract/route.ts'
import { DAY_MS } from '#core/durations.ts'
import { addCosts, NO_COST, usdOf } from '#core/usage/cost.ts'
import { implement } from '#http/implement.ts'
import { sinceOf } from '#http/routes/authorizations.ts'
import { requireFeature } from '#usage/plan-of.ts'
import { sumAgentModels } from '#usage/usage.sql.ts'
import { second } from './ai.ts'
import { AGENT_ID } from './ai-contract.ts'

const tag = 'Agents'
const COUNT_MAX = Number.MAX_SAFE_INTEGER
const LOG_DAYS = 7
const TOP_TOOLS = 10
const AgentPath = Type.Object({ agent_id: AGENT_ID })
const dollars = (description: string) => Type.Number({ minimum: 0, description })

const Switch = Type.Object(
  {
    agent_id: AGENT_ID,
    is_enabled: Type.Boolean({ description: 'False while the agent is disabled.' }),
    disabled_reason: nullable(Type.String(), 'Why it was disabled.'),
    disabled_at: nullable(Type.String(), 'When it was disabled.'),
  },
  { title: 'AgentSwitch' },
)
const Reason = Type.Object({ reason: optional(nullable(text(500, 'Why; stored in the event log.'))) })
const switching = {
  method: 'POST',
  needs: 'agents:write',
  tag,
  params: AgentPath,
  body: Reason,
  bodyOptional: true,
  replies: { 200: Switch },
} as const

const disable = route({
  ...switching,
  path: '/v1/agents/:agent_id/disable',
  name: 'disableOnceAgent',
  summary: 'Disable an agent (kill switch), immediately and on every node.',
})

const enable = route({
  ...switching,
  path: '/v1/agents/:agent_id/enable',
  name: 'enableOnceAgent',
  summary: 'Enable an agent again.',
})

const readLog = route({
  method: 'GET',
  path: '/v1/agents/:agent_id/logs',
  needs: 'agents:read',
  tag,
  name: 'readOnceAgentLog',
  summary: 'List the calls of an agent in the last 7 days, newest first.',
  params: AgentPath,
  query: Type.Object({ limit: withDefault(whole(1, 500, 'Maximum number of calls.'), 100) }),
  replies: {
    200: Type.Array(
      Type.Object(
        {
          ts: whole(0, COUNT_MAX, 'When it happened, in Unix seconds.'),
          agent_id: AGENT_ID,
          tool: Type.String({ description: 'Name of the tool.' }),
          allowed: Type.Boolean({ description: 'Whether the call was allowed.' }),
          decision: Type.String({ description: 'executed or blocked.' }),
          policy_reason: Type.String({ description: 'The rule that decided.' }),
          risk_level: Type.String({ description: 'low, medium or high.' }),
          args_hash: optional(Type.String({ description: 'Hash of the args; equal args have equal hashes.' })),
          spend_usd: dollars('Cost of the call.'),
        },
        { title: 'AgentCall' },
      ),
    ),
  },
})

const readMetrics = route({
  method: 'GET',
  path: '/v1/agents/:agent_id/metrics',
  needs: 'agents:read',
  tag,
  name: 'readOnceAgentMetrics',
  summary: 'Get sums of the calls of an agent in the current hour, the current day, or the last seven days (UTC).',
  params: AgentPath,
  query: Type.Object({ period: withDefault(oneOf(['hour', 'day', 'week'], 'Period of the sums.'), 'day') }),
  replies: {
    200: Type.Object({
      agent_id: AGENT_ID,
      period: Type.String({ description: 'Period of the request.' }),
      total_actions: whole(0, COUNT_MAX, 'Calls that were executed, without blocked ones.'),
      blocked_actions: whole(0, COUNT_MAX, 'Calls that were blocked.'),
      total_spend_usd: dollars('Cost of those calls and of the model calls of the agent.'),
      top_tools: Type.Array(Type.Object({ tool: Type.String(), count: whole(0, COUNT_MAX, 'Calls of the tool.') }), {
        description: 'The most called tools, at most 10.',
      }),
    }),
  },
})

export const AGENT_ROUTES: readonly Route[] = [disable, enable, readLog, readMetrics]

export function agentRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, disable, async ({ agent_id, reason }, { projectId, actor }) => {
    await requireFeature(ctx, projectId, 'kill_switch')
    return switchWire(await disableAgent(ctx, { projectId, agentId: agent_id, actor, reason: reason ?? null }))
  })
  implement(app, enable, async ({ agent_id, reason }, { projectId, actor }) => {
    await requireFeature(ctx, projectId, 'kill_switch')
    return switchWire(await enableAgent(ctx, { projectId, agentId: agent_id, actor, reason: reason ?? null }))
  })
  implement(app, readLog, async ({ agent_id, limit }, { projectId }) => {
    await requireFeature(ctx, projectId, 'observability')
    const from = new Date(ctx.nowMs() - LOG_DAYS * DAY_MS).toISOString()
    return (await listAuthorizations(ctx.reads, { projectId, agentId: agent_id }, { limit, from })).map(callWire)
  })
  implement(app, readMetrics, async ({ agent_id, period }, { projectId }) => {
    await requireFeature(ctx, projectId, 'observability')
    const [name, since] = [{ projectId, agentId: agent_id }, sinceOf(period, ctx.nowMs())]
    const [tools, models] = await Promise.all([
      sumAgent(ctx.reads, name, since),
      sumAgentModels(ctx.reads, name, since),
    ])
    const total = (key: 'allowed' | 'blocked') => tools.reduce((all, one) => all + one[key], 0)
    const spent = [...tools, ...models].reduce((all, { cost }) => addCosts(all, cost), NO_COST)
    return {
      agent_id,
      period,
      total_actions: total('allowed'),
      blocked_actions: total('blocked'),
      total_spend_usd: usdOf(spent),
      top_tools: tools
        .filter(({ allowed }) => allowed > 0)
        .slice(0, TOP_TOOLS)
        .map(({ tool, allowed }) => ({ tool, count: allowed })),
    }
  })
}

const switchWire = ({ id, enabled, disabledReason, disabledAt }: AgentRow) => ({
  agent_id: id,
  is_enabled: enabled,
  disabled_reason: disabledReason,
  disabled_at: second(disabledAt),
})

const HASH_LENGTH = 8

function callWire({ agentId, tool, state, reason, riskLevel, outcome, ...row }: AuthorizationRow) {
  const allowed = state === 'reserved' || state === 'settled'
  const erred = outcome === 'failed'
  return {
    ts: Math.floor(row.createdAt.getTime() / 1000),
    agent_id: agentId,
    tool,
    allowed,
    decision: allowed ? 'executed' : 'blocked',
    policy_reason: erred ? 'tool_error' : reason,
    risk_level: erred ? 'medium' : riskLevel,
    ...(row.argsHash !== null && { args_hash: row.argsHash.slice(0, HASH_LENGTH) }),
    spend_usd: allowed ? usdOf(row.cost) : 0,
  }
}
