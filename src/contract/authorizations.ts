// Decisions about the calls of agents, and what they did and spent.
import { Type } from 'typebox'
import { RISK_LEVELS } from '#core/policy.ts'
import { AGENT, AgentPath, microusd, REASON, TOOL } from './agents.ts'
import {
  anyJson,
  body,
  flag,
  INT_MAX,
  listOf,
  nullable,
  oneOf,
  optional,
  paging,
  query,
  RunPath,
  text,
  time,
  timeOrNull,
  uuid,
  whole,
  withDefault,
} from './common.ts'
import { route } from './route.ts'
import { FENCED } from './runs/executor.ts'
import { LedgerTotals } from './usage.ts'

const tag = 'Agents'
const COUNT_MAX = Number.MAX_SAFE_INTEGER

export const Decision = Type.Object(
  {
    authorization_id: uuid('Settle the call under this id.'),
    decision: oneOf(['allowed', 'blocked', 'asked'], 'asked: a person has to approve it first.'),
    reason: REASON,
    risk_level: oneOf(RISK_LEVELS, 'How grave it is.'),
    observed: nullable(REASON, 'What would have stopped it, if its policy were enforced.'),
    policy_version: whole(0, INT_MAX, 'Version of the policy that decided; 0 without one.'),
    cost_microusd: microusd('What is reserved for it'),
    input_request_id: nullable(Type.String(), 'What a person has to answer, if it is asked.'),
  },
  { title: 'Decision' },
)

const call = {
  tool: TOOL,
  args: optional(
    anyJson('What it is called with; hashed into the log, shown to who has to approve it, and not kept otherwise.'),
  ),
  cost_microusd: optional(microusd("What the call costs; what the policy's price says when left out")),
}

export const authorizeCall = route({
  method: 'POST',
  path: '/v1/agents/:agent_id/authorize',
  needs: 'agents:write',
  tag,
  name: 'authorizeCall',
  summary: 'Authorize a call of an agent, and reserve its cost.',
  description: 'Concurrent calls never exceed the policy. Settle an allowed call afterwards.',
  params: AgentPath,
  body: body({ ...call, run_id: optional(text(256, 'The run that makes it.', { minLength: 1 })) }),
  replies: { 200: Decision },
  refusals: ['run_not_found'],
})

export const authorizeOwnCall = route({
  method: 'POST',
  path: '/v1/runs/:run_id/authorize',
  needs: 'run_token',
  tag: 'Running attempt',
  name: 'authorizeOwnCall',
  summary: "Authorize a call of a running attempt, on behalf of its run's agent.",
  params: RunPath,
  body: body(call),
  replies: { 200: Decision },
  refusals: FENCED,
})

export const Authorization = Type.Object(
  {
    id: uuid('Id of the authorization.'),
    agent_id: AGENT,
    tool: TOOL,
    run_id: nullable(Type.String(), 'The run that made the call.'),
    state: oneOf(['reserved', 'settled', 'blocked', 'asked', 'denied'], 'reserved: allowed, and not settled yet.'),
    reason: REASON,
    risk_level: oneOf(RISK_LEVELS, 'How grave it is.'),
    observed: nullable(REASON, 'What would have stopped it, if its policy were enforced.'),
    policy_version: whole(0, INT_MAX, 'Version of the policy that decided.'),
    args_hash: nullable(Type.String(), 'SHA-256 of the canonical JSON of its args, in hex.'),
    cost_microusd: microusd('What is reserved or booked for it'),
    outcome: nullable(Type.String(), 'How it ended: succeeded or failed.'),
    created_at: time('When it was decided.'),
    settled_at: timeOrNull('When it was settled.'),
  },
  { title: 'Authorization' },
)

export const getAuthorization = route({
  method: 'GET',
  path: '/v1/agents/:agent_id/authorizations/:authorization_id',
  needs: 'agents:read',
  tag,
  name: 'getAuthorization',
  summary: 'Get a decision; one that was `asked` changes when a person has answered.',
  params: Type.Object({ agent_id: AGENT, authorization_id: uuid('Id of the authorization.') }),
  replies: { 200: Authorization },
  refusals: ['authorization_not_found'],
})

const settlement = {
  authorization_id: uuid('From the decision.'),
  outcome: withDefault(oneOf(['succeeded', 'failed'], 'How it ended.'), 'succeeded'),
  cost_microusd: optional(microusd('What it cost; what was reserved when left out')),
}

export const settleCall = route({
  method: 'POST',
  path: '/v1/agents/:agent_id/settle',
  needs: 'agents:write',
  tag,
  name: 'settleCall',
  summary: 'Settle an authorized call: its actual cost and outcome.',
  params: AgentPath,
  body: body(settlement),
  replies: { 200: Authorization },
  refusals: ['authorization_not_found', 'authorization_not_reserved'],
})

export const settleOwnCall = route({
  method: 'POST',
  path: '/v1/runs/:run_id/settle',
  needs: 'run_token',
  tag: 'Running attempt',
  name: 'settleOwnCall',
  summary: 'Settle a call that a running attempt was allowed.',
  params: RunPath,
  body: body(settlement),
  replies: { 200: Authorization },
  refusals: [...FENCED, 'authorization_not_found', 'authorization_not_reserved'],
})

export const listAgentLog = route({
  method: 'GET',
  path: '/v1/agents/:agent_id/logs',
  needs: 'agents:read',
  tag,
  name: 'listAgentLog',
  summary: "List the decisions about an agent's calls, newest first.",
  params: AgentPath,
  query: query(paging),
  replies: { 200: listOf(Authorization, 'AuthorizationList') },
  refusals: ['invalid_cursor'],
})

const sums = {
  allowed: whole(0, COUNT_MAX, 'Calls that were allowed.'),
  blocked: whole(0, COUNT_MAX, 'Calls that were blocked.'),
  cost_microusd: whole(0, COUNT_MAX, 'What is reserved or booked, in millionths of a US dollar.'),
}

const modelSums = {
  provider: Type.String({ description: 'Provider of the model.' }),
  model: Type.String({ description: 'The model.' }),
  calls: whole(0, COUNT_MAX, 'Calls of it.'),
  cost_microusd: whole(0, COUNT_MAX, 'What they cost, in millionths of a US dollar.'),
}

export const agentMetrics = route({
  method: 'GET',
  path: '/v1/agents/:agent_id/metrics',
  needs: 'agents:read',
  tag,
  name: 'agentMetrics',
  summary: 'Get what an agent did and spent, from sums kept as it acts.',
  params: AgentPath,
  query: query({
    period: withDefault(oneOf(['hour', 'day', 'week'], 'This hour, this day, or these seven days (UTC).'), 'day'),
  }),
  replies: {
    200: Type.Object(
      {
        agent_id: AGENT,
        period: Type.String({ description: 'As asked.' }),
        since: time('From when on.'),
        ...sums,
        cost_microusd: whole(0, COUNT_MAX, 'What tools and models cost, in millionths of a US dollar.'),
        tools_microusd: whole(0, COUNT_MAX, 'What tools cost of that, calls that are reserved included.'),
        models_microusd: whole(0, COUNT_MAX, 'What models cost of that.'),
        models: Type.Array(Type.Object(modelSums), { description: 'By model, the costliest first.' }),
        tools: Type.Array(Type.Object({ tool: TOOL, ...sums }), { description: 'By tool, the busiest first.' }),
      },
      { title: 'AgentMetrics' },
    ),
  },
})

export const agentSpend = route({
  method: 'GET',
  path: '/v1/spend',
  needs: 'agents:read',
  tag,
  name: 'agentSpend',
  summary: 'Sum up spend on tools and models, by agent and day.',
  description: 'The same ledger as GET /v1/usage: `totals` of the same time are the same there.',
  query: query({
    agent_id: optional(AGENT),
    from: optional(time('From the day of this time on; 30 days ago when left out.')),
    to: optional(time('Before the day of this time; tomorrow when left out. A year at most.')),
  }),
  replies: {
    200: Type.Object(
      {
        data: Type.Array(Type.Object({ agent_id: AGENT, tool: TOOL, day: time('Begin of the day (UTC).'), ...sums }), {
          description: 'What tools cost, by agent, day and tool, in this order.',
        }),
        models: Type.Array(Type.Object({ agent_id: AGENT, day: time('Begin of the day (UTC).'), ...modelSums }), {
          description: 'What models cost, by agent, day and model, in this order.',
        }),
        totals: LedgerTotals,
        truncated: flag(
          'True when there are more than 10,000 rows of tools, or of models: ask for less time, or one agent.',
        ),
      },
      { title: 'Spend' },
    ),
  },
})
