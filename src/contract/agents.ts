// Agents: each has a switch and a policy.
import { Type } from 'typebox'
import { OVER_BUDGET_ACTIONS, POLICY_MODES, POLICY_REASONS } from '#core/policy.ts'
import {
  body,
  flag,
  INT_MAX,
  listOf,
  nullable,
  oneOf,
  optional,
  paging,
  query,
  text,
  time,
  timeOrNull,
  whole,
  withDefault,
} from './common.ts'
import { route } from './route.ts'

const tag = 'Agents'
const COUNT_MAX = Number.MAX_SAFE_INTEGER
/** A million dollars. */
export const COST_MAX = 1_000_000_000_000

export const AGENT = text(128, 'Id of the agent: any string that its owner chose.', { minLength: 1 })
export const TOOL = text(128, 'Name of the tool.', { minLength: 1 })
export const AgentPath = Type.Object({ agent_id: AGENT })
export const REASON = oneOf(POLICY_REASONS, 'Which rule decided; ok when none stood in the way.')
export const microusd = (description: string) => whole(0, COST_MAX, `${description}, in millionths of a US dollar.`)
const toolList = (description: string) =>
  Type.Array(text(128, 'A tool; one that ends in * stands for all that begin so.', { minLength: 1 }), {
    maxItems: 1000,
    uniqueItems: true,
    description,
  })
const perTool = (description: string, max: number) =>
  Type.Unsafe<Record<string, number>>({
    type: 'object',
    additionalProperties: { type: 'integer', minimum: 0, maximum: max },
    propertyNames: { type: 'string', minLength: 1, maxLength: 128 },
    maxProperties: 1000,
    description,
  })

export const Policy = body(
  {
    allowed_tools: withDefault(
      nullable(toolList(''), 'Tools that may be called; null for all that are not blocked.'),
      null,
    ),
    blocked_tools: withDefault(toolList('Tools that may not be called, whatever else is said.'), []),
    approval_tools: withDefault(toolList('Tools of which a person approves each call.'), []),
    max_actions_per_hour: withDefault(
      nullable(whole(0, INT_MAX, ''), 'Calls per hour of the clock (UTC); null: no limit.'),
      null,
    ),
    max_calls_per_tool_per_day: withDefault(perTool('Calls of a tool per day (UTC).', INT_MAX), {}),
    max_spend_microusd_per_day: withDefault(
      nullable(microusd('Spend on tools and models per day (UTC)'), 'Null: no limit.'),
      null,
    ),
    max_spend_microusd_per_run: withDefault(
      nullable(microusd('Spend of one run on tools and models'), 'Null: no limit.'),
      null,
    ),
    over_budget: withDefault(
      oneOf(
        OVER_BUDGET_ACTIONS,
        'What becomes of a running attempt that has gone over a budget. block: its next call is blocked. pause, cancel: ' +
          'it is told to stop as well, and its run is paused or canceled.',
      ),
      'block',
    ),
    prices_microusd: withDefault(perTool('What a call of a tool costs when the caller does not say.', COST_MAX), {}),
  },
  { title: 'Policy' },
)

const MODE = oneOf(POLICY_MODES, 'enforce: what it forbids is blocked. observe: it is only told, in the log.')

/** Beside what was booked, when that has overdrawn a budget. */
export const OverBudget = Type.Object(
  {
    reason: REASON,
    limit_microusd: microusd('What may be spent'),
    spent_microusd: whole(0, COUNT_MAX, 'What was spent by then, in millionths of a US dollar.'),
    action: oneOf(OVER_BUDGET_ACTIONS, 'As the policy says; pause and cancel: the attempt was told to stop.'),
    observed: flag('True when the policy is only observed: the next call is not blocked.'),
  },
  { title: 'OverBudget', description: 'The budget that is overdrawn; absent when none is.' },
)

export const Agent = Type.Object(
  {
    id: AGENT,
    enabled: flag('False while it is switched off.'),
    disabled_reason: nullable(Type.String(), 'Why it is off.'),
    disabled_at: timeOrNull('Since when it is off.'),
    policy_version: whole(0, INT_MAX, 'Version of its policy; 0 without one.'),
    policy_mode: nullable(MODE, 'Null without a policy.'),
    policy: nullable(
      Type.Unsafe<Record<string, unknown>>({ type: 'object', additionalProperties: true }),
      'Its policy.',
    ),
    created_at: time('When it was first heard of.'),
    updated_at: time('When its switch or policy was changed last.'),
  },
  { title: 'Agent' },
)

export const listAgents = route({
  method: 'GET',
  path: '/v1/agents',
  needs: 'agents:read',
  tag,
  name: 'listAgents',
  summary: 'List the agents of the project, by id.',
  query: query(paging),
  replies: { 200: listOf(Agent, 'AgentList') },
  refusals: ['invalid_cursor'],
})

export const getAgent = route({
  method: 'GET',
  path: '/v1/agents/:agent_id',
  needs: 'agents:read',
  tag,
  name: 'getAgent',
  summary: 'Get an agent with its policy.',
  params: AgentPath,
  replies: { 200: Agent },
  refusals: ['agent_not_found'],
})

const Reason = body({ reason: optional(nullable(text(500, ''), 'Why; kept in the log.')) })

export const disableAgent = route({
  method: 'POST',
  path: '/v1/agents/:agent_id/disable',
  needs: 'agents:write',
  tag,
  name: 'disableAgent',
  summary: 'Disable an agent (kill switch), immediately and on every node.',
  description:
    'Its next call is blocked, its queued runs are held, and its executing runs are paused. An agent that has not been ' +
    'seen yet can be disabled too.',
  params: AgentPath,
  body: Reason,
  bodyOptional: true,
  replies: { 200: Agent },
})

export const enableAgent = route({
  method: 'POST',
  path: '/v1/agents/:agent_id/enable',
  needs: 'agents:write',
  tag,
  name: 'enableAgent',
  summary: 'Enable an agent again; its held runs continue, paused ones have to be resumed.',
  params: AgentPath,
  body: Reason,
  bodyOptional: true,
  replies: { 200: Agent },
})

export const PolicyVersion = Type.Object(
  {
    agent_id: AGENT,
    version: whole(1, INT_MAX, 'Counts up from 1.'),
    mode: MODE,
    policy: Policy,
    created_at: time('When it was set.'),
    created_by: nullable(Type.String(), 'Who set it.'),
  },
  { title: 'PolicyVersion' },
)

export const setPolicy = route({
  method: 'PUT',
  path: '/v1/agents/:agent_id/policy',
  needs: 'agents:write',
  tag,
  name: 'setPolicy',
  summary: 'Set the policy of an agent, as a new version that applies from its next call.',
  params: AgentPath,
  body: body({ mode: withDefault(MODE, 'enforce'), policy: Policy }),
  replies: { 200: PolicyVersion },
})

export const listPolicyVersions = route({
  method: 'GET',
  path: '/v1/agents/:agent_id/policy/versions',
  needs: 'agents:read',
  tag,
  name: 'listPolicyVersions',
  summary: 'List the policy versions of an agent, newest first.',
  params: AgentPath,
  query: query(paging),
  replies: { 200: listOf(PolicyVersion, 'PolicyVersionList') },
  refusals: ['invalid_cursor'],
})

const Count = Type.Object({ reason: REASON, calls: whole(0, COUNT_MAX, 'Calls that the rule would have stopped.') })

export const tryPolicy = route({
  method: 'POST',
  path: '/v1/agents/:agent_id/policy/try',
  needs: 'agents:read',
  tag,
  name: 'tryPolicy',
  summary: "Dry-run a policy against the agent's past calls.",
  description: 'The calls of the last days are decided again, in order, each with the sums it would have met.',
  params: AgentPath,
  body: body({ policy: Policy, days: withDefault(whole(1, 30, 'Days back.'), 7) }),
  replies: {
    200: Type.Object(
      {
        calls: whole(0, COUNT_MAX, 'Calls that were judged; the latest 10,000 at most.'),
        truncated: flag('True when there were more.'),
        allowed: whole(0, COUNT_MAX, 'Calls that it would have allowed.'),
        stopped: Type.Array(Count, { description: 'Calls that it would have stopped, by rule.' }),
        newly_stopped: whole(0, COUNT_MAX, 'Of those, calls that were allowed in fact.'),
        newly_allowed: whole(0, COUNT_MAX, 'Calls that were stopped in fact, and would have been allowed.'),
        samples: Type.Array(Type.Object({ at: time('When it was made.'), tool: TOOL, was: REASON, would_be: REASON }), {
          description: 'The latest calls that would have been judged otherwise; 20 at most.',
        }),
      },
      { title: 'PolicyTrial' },
    ),
  },
})
