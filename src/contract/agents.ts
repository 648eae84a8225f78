// Agents: each has a kill switch and a policy.
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
  pathText,
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

export const AGENT = pathText(128, 'Id of the agent: any string that its owner chooses.')
export const TOOL = text(128, 'Name of the tool.', { minLength: 1 })
export const AgentPath = Type.Object({ agent_id: AGENT })
export const REASON = oneOf(POLICY_REASONS, 'The rule that decided; ok when no rule objected.')
export const microusd = (description: string) => whole(0, COST_MAX, `${description}, in millionths of a US dollar.`)
/** A * anywhere but at the end would match nothing. */
export const TOOL_OR_PREFIX = '^[^*]*\\*?$'
export const TOOL_PATTERN = text(128, 'Name of a tool; a trailing * matches every tool with that prefix.', {
  minLength: 1,
  pattern: TOOL_OR_PREFIX,
})
/** Limits and prices are of one tool each. */
export const ONE_TOOL = '^[^*]*$'

const toolList = (description: string) =>
  Type.Array(TOOL_PATTERN, {
    maxItems: 1000,
    uniqueItems: true,
    description,
  })
const perTool = (description: string, max: number) =>
  Type.Unsafe<Record<string, number>>({
    type: 'object',
    additionalProperties: { type: 'integer', minimum: 0, maximum: max },
    propertyNames: { type: 'string', minLength: 1, maxLength: 128, pattern: ONE_TOOL },
    maxProperties: 1000,
    description,
  })

export const Policy = body(
  {
    allowed_tools: withDefault(
      nullable(toolList(''), 'Tools that may be called; null: all that are not blocked.'),
      null,
    ),
    blocked_tools: withDefault(toolList('Tools that may not be called; takes precedence over every other field.'), []),
    approval_tools: withDefault(toolList('Tools whose every call needs approval by a person.'), []),
    max_actions_per_hour: withDefault(
      nullable(whole(0, INT_MAX, ''), 'Maximum calls per clock hour (UTC); null: no limit.'),
      null,
    ),
    max_calls_per_tool_per_day: withDefault(
      perTool('Maximum calls of a tool per day (UTC), by the full name of the tool.', INT_MAX),
      {},
    ),
    max_spend_microusd_per_day: withDefault(
      nullable(
        microusd(''),
        'Maximum spend on tools and models per day (UTC), in millionths of a US dollar; null: no limit.',
      ),
      null,
    ),
    max_spend_microusd_per_run: withDefault(
      nullable(
        microusd(''),
        'Maximum spend of one run on tools and models, in millionths of a US dollar; null: no limit.',
      ),
      null,
    ),
    over_budget: withDefault(
      oneOf(
        OVER_BUDGET_ACTIONS,
        'What happens to a running attempt that exceeds a budget. block: its next call is blocked. pause, cancel: ' +
          'it is also asked to stop, and its run is paused or canceled.',
      ),
      'block',
    ),
    prices_microusd: withDefault(
      perTool('Cost of a call, by tool, in millionths of a US dollar, when the caller does not state it.', COST_MAX),
      {},
    ),
  },
  { title: 'Policy' },
)

const MODE = oneOf(POLICY_MODES, 'enforce: forbidden calls are blocked. observe: they are allowed, and only logged.')

/** Returned with a recorded cost that overdrew a budget. */
export const OverBudget = Type.Object(
  {
    reason: REASON,
    limit_microusd: microusd('Limit of the budget'),
    spent_microusd: whole(0, COUNT_MAX, 'Amount spent so far, in millionths of a US dollar.'),
    action: oneOf(OVER_BUDGET_ACTIONS, 'As set by the policy; pause, cancel: the attempt was asked to stop.'),
    observed: flag('True when the policy is in observe mode: the next call is not blocked.'),
  },
  { title: 'OverBudget', description: 'The overdrawn budget; absent when there is none.' },
)

export const Agent = Type.Object(
  {
    id: AGENT,
    enabled: flag('False while the agent is disabled.'),
    disabled_reason: nullable(Type.String(), 'Why it was disabled.'),
    disabled_at: timeOrNull('When it was disabled.'),
    policy_version: whole(0, INT_MAX, 'Version of its policy; 0 without one.'),
    policy_mode: nullable(MODE, 'Null without a policy.'),
    policy: nullable(
      Type.Unsafe<Record<string, unknown>>({ type: 'object', additionalProperties: true }),
      'Its policy.',
    ),
    created_at: time('When the agent was first seen.'),
    updated_at: time('When its switch or policy last changed.'),
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

const Reason = body({ reason: optional(nullable(text(500, ''), 'Why; stored in the event log.')) })

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
  summary: 'Enable an agent again: its held runs continue; paused runs must be resumed.',
  params: AgentPath,
  body: Reason,
  bodyOptional: true,
  replies: { 200: Agent },
})

export const PolicyVersion = Type.Object(
  {
    agent_id: AGENT,
    version: whole(1, INT_MAX, 'Version number, counting from 1.'),
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
  description: 'The calls of the last `days` days are decided again, in order, each with the sums it would have had.',
  params: AgentPath,
  body: body({ policy: Policy, days: withDefault(whole(1, 30, 'How many days to go back.'), 7) }),
  replies: {
    200: Type.Object(
      {
        calls: whole(0, COUNT_MAX, 'Number of calls evaluated: at most the latest 10,000.'),
        truncated: flag('Whether there were more calls than that.'),
        allowed: whole(0, COUNT_MAX, 'Calls that it would have allowed.'),
        stopped: Type.Array(Count, { description: 'Calls that it would have stopped, by rule.' }),
        newly_stopped: whole(0, COUNT_MAX, 'Calls that it would have stopped and that were in fact allowed.'),
        newly_allowed: whole(0, COUNT_MAX, 'Calls that it would have allowed and that were in fact stopped.'),
        samples: Type.Array(Type.Object({ at: time('When it was made.'), tool: TOOL, was: REASON, would_be: REASON }), {
          description: 'The latest calls, at most 20, that would have been decided differently.',
        }),
      },
      { title: 'PolicyTrial' },
    ),
  },
})
