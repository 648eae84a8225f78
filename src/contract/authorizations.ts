// Authorization: decisions about the calls of agents, and what agents did and spent.
import { Type } from 'typebox'
import { DAY_SECS } from '#core/durations.ts'
import { RISK_LEVELS } from '#core/policy.ts'
import { AGENT, AgentPath, microusd, REASON, TOOL } from './agents.ts'
import {
  anyJson,
  body,
  flag,
  INT_MAX,
  jsonObject,
  listOf,
  nullable,
  oneOf,
  optional,
  paging,
  query,
  RUN_ID,
  RUN_KEY,
  RunPath,
  text,
  time,
  timeOrNull,
  uuid,
  whole,
  withDefault,
} from './common.ts'
import { ASSIGNEE } from './inputs.ts'
import { route } from './route.ts'
import { FENCED } from './runs/executor.ts'
import { LedgerTotals } from './usage.ts'

const tag = 'Agents'
const COUNT_MAX = Number.MAX_SAFE_INTEGER

const STATE = oneOf(
  ['reserved', 'settled', 'blocked', 'asked', 'denied'],
  'reserved: allowed and not settled yet; settled: it was made.',
)

export const Decision = Type.Object(
  {
    authorization_id: uuid('Id to settle the call with.'),
    decision: oneOf(['allowed', 'blocked', 'asked'], 'asked: a person must approve the call first.'),
    reason: REASON,
    risk_level: oneOf(RISK_LEVELS, 'Severity of the call.'),
    observed: nullable(REASON, 'The rule that would have stopped it if the policy were enforced.'),
    policy_version: whole(0, INT_MAX, 'Version of the policy that decided; 0 without a policy.'),
    cost_microusd: microusd('Amount reserved for the call'),
    input_request_id: nullable(Type.String(), 'The input request that a person must answer, when asked.'),
    state: STATE,
    params: nullable(
      jsonObject('The args as their approver left them, when some of them could be edited and the call was approved.'),
    ),
    resting: optional(flag('With `wait`: the run rests until somebody decides, and the executor should stop.')),
  },
  { title: 'Decision' },
)

const call = {
  tool: TOOL,
  args: optional(
    anyJson('Arguments of the call; hashed into the log, shown to those who approve it, and otherwise not stored.'),
  ),
  cost_microusd: optional(microusd("Cost of the call; defaults to the policy's price")),
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
  body: body({ ...call, run_id: optional(text(256, 'The run that makes the call.', { minLength: 1 })) }),
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
  description:
    'With `wait` a call that a person has to approve suspends the run: its lease ends, and the executor should stop when ' +
    'the reply says `resting`. Once somebody has decided, the run is queued again with the same attempt, and the same ' +
    'call with the same `key` is answered with the decision. A key is never reserved or charged twice; a call whose ' +
    'state is `settled` was made already.',
  params: RunPath,
  body: body({
    ...call,
    key: optional(RUN_KEY),
    wait: withDefault(flag('Suspend the run until a person who is asked has decided; requires `key`.'), false),
    editable_params: withDefault(
      Type.Array(text(128, 'Name of an arg.', { minLength: 1 }), {
        maxItems: 100,
        uniqueItems: true,
        description: 'Args that the approver may change; `args` is then an object of at most 64 KiB.',
      }),
      [],
    ),
    expires_in_secs: withDefault(
      whole(
        1,
        366 * DAY_SECS,
        'Seconds after which a call that nobody has decided about is denied; defaults to a day.',
      ),
      DAY_SECS,
    ),
    assignee: optional(ASSIGNEE),
  }),
  replies: { 200: Decision },
  refusals: [...FENCED, 'wrong_state', 'pause_requested'],
})

export const Authorization = Type.Object(
  {
    id: uuid('Id of the authorization.'),
    agent_id: AGENT,
    tool: TOOL,
    run_id: nullable(Type.String(), 'The run that made the call.'),
    key: nullable(Type.String(), 'The name that the run gave it.'),
    state: STATE,
    reason: REASON,
    risk_level: oneOf(RISK_LEVELS, 'Severity of the call.'),
    observed: nullable(REASON, 'The rule that would have stopped it if the policy were enforced.'),
    policy_version: whole(0, INT_MAX, 'Version of the policy that decided.'),
    args_hash: nullable(Type.String(), 'SHA-256 of the canonical JSON of the args, in hex.'),
    cost_microusd: microusd('Amount reserved or charged'),
    outcome: nullable(Type.String(), 'Outcome: succeeded or failed.'),
    created_at: time('When it was decided.'),
    settled_at: timeOrNull('When it was settled.'),
  },
  { title: 'Authorization' },
)

export const getOwnAuthorization = route({
  method: 'GET',
  path: '/v1/runs/:run_id/authorizations/:authorization_id',
  needs: 'agents:read',
  orRunToken: true,
  tag,
  name: 'getOwnAuthorization',
  summary: 'Get the decision about a call of a run, as it stands now.',
  params: Type.Object({ run_id: RUN_ID, authorization_id: uuid('Id of the authorization.') }),
  replies: { 200: Decision },
  refusals: ['run_not_found', 'authorization_not_found'],
})

export const getAuthorization = route({
  method: 'GET',
  path: '/v1/agents/:agent_id/authorizations/:authorization_id',
  needs: 'agents:read',
  tag,
  name: 'getAuthorization',
  summary: 'Get a decision; a decision that was `asked` changes once a person has answered.',
  params: Type.Object({ agent_id: AGENT, authorization_id: uuid('Id of the authorization.') }),
  replies: { 200: Authorization },
  refusals: ['authorization_not_found'],
})

const settlement = {
  authorization_id: uuid('Id of the authorization, from the decision.'),
  outcome: withDefault(oneOf(['succeeded', 'failed'], 'How it ended.'), 'succeeded'),
  cost_microusd: optional(microusd('Actual cost; defaults to the amount reserved')),
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
  cost_microusd: whole(0, COUNT_MAX, 'Amount reserved or charged, in millionths of a US dollar.'),
}

const modelSums = {
  provider: Type.String({ description: 'Provider of the model.' }),
  model: Type.String({ description: 'Name of the model.' }),
  calls: whole(0, COUNT_MAX, 'Calls of the model.'),
  cost_microusd: whole(0, COUNT_MAX, 'Cost of those calls, in millionths of a US dollar.'),
}

export const agentMetrics = route({
  method: 'GET',
  path: '/v1/agents/:agent_id/metrics',
  needs: 'agents:read',
  tag,
  name: 'agentMetrics',
  summary: 'Get the calls and the spend of an agent, from sums kept as it acts.',
  params: AgentPath,
  query: query({
    period: withDefault(
      oneOf(
        ['hour', 'day', 'week'],
        'The current hour, the current day, or the last seven days including today (UTC).',
      ),
      'day',
    ),
  }),
  replies: {
    200: Type.Object(
      {
        agent_id: AGENT,
        period: Type.String({ description: 'Period of the request.' }),
        since: time('Start of the period.'),
        ...sums,
        cost_microusd: whole(0, COUNT_MAX, 'Cost of tools and models, in millionths of a US dollar.'),
        tools_microusd: whole(0, COUNT_MAX, 'The part of cost_microusd spent on tools, including reserved calls.'),
        models_microusd: whole(0, COUNT_MAX, 'The part of cost_microusd spent on models.'),
        models: Type.Array(Type.Object(modelSums), { description: 'By model, costliest first.' }),
        tools: Type.Array(Type.Object({ tool: TOOL, ...sums }), { description: 'By tool, busiest first.' }),
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
  description: 'Reads the same ledger as GET /v1/usage: for the same period, `totals` are equal.',
  query: query({
    agent_id: optional(AGENT),
    from: optional(time('First day, given as any time within it; defaults to 30 days ago.')),
    to: optional(
      time(
        'End, exclusive: the day before the one of this time is the last; defaults to tomorrow. The range is at most a year.',
      ),
    ),
  }),
  replies: {
    200: Type.Object(
      {
        data: Type.Array(Type.Object({ agent_id: AGENT, tool: TOOL, day: time('Start of the day (UTC).'), ...sums }), {
          description: 'Cost of tools by agent, day and tool, in that order.',
        }),
        models: Type.Array(Type.Object({ agent_id: AGENT, day: time('Start of the day (UTC).'), ...modelSums }), {
          description: 'Cost of models by agent, day and model, in that order.',
        }),
        totals: LedgerTotals,
        truncated: flag(
          'True when there are more than 10,000 rows of tools or of models: ask for a shorter period or one agent.',
        ),
      },
      { title: 'Spend' },
    ),
  },
})
