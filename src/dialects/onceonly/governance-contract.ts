// OnceOnly's agent policies.
import { type TProperties, Type } from 'typebox'
import { ONE_TOOL, TOOL_PATTERN } from '#contract/agents.ts'
import { INT_MAX, nullable, optional, text, whole } from '#contract/common.ts'
import { type Route, route } from '#contract/route.ts'
import { AGENT_ID, usd } from './ai-contract.ts'
import { TEMPLATE_NAMES } from './policy-templates.ts'

const tag = 'Policies'
const TOOLS_MAX = 1_000
const AgentPath = Type.Object({ agent_id: AGENT_ID })

const toolList = (description: string) => Type.Array(TOOL_PATTERN, { maxItems: TOOLS_MAX, description })

const RULES = {
  allowed_tools: optional(nullable(toolList('Tools that may be called; an empty list allows all.'))),
  blocked_tools: optional(nullable(toolList('Tools that may not be called; takes precedence over every other field.'))),
  max_actions_per_hour: optional(nullable(whole(0, INT_MAX, 'Maximum calls per clock hour (UTC).'))),
  max_spend_usd_per_day: optional(nullable(usd('Maximum spend per day (UTC), in whole micro-dollars: six decimals.'))),
  max_calls_per_tool: optional(
    Type.Unsafe<Record<string, number> | null>({
      type: ['object', 'null'],
      additionalProperties: { type: 'integer', minimum: 0, maximum: INT_MAX },
      propertyNames: { type: 'string', minLength: 1, maxLength: 128, pattern: ONE_TOOL },
      maxProperties: TOOLS_MAX,
      description: 'Maximum calls of a tool per day (UTC), by the full name of the tool.',
    }),
  ),
  pricing_rules: optional(
    nullable(
      Type.Array(
        Type.Object({
          tool: text(128, 'Full name of the tool.', { minLength: 1, pattern: ONE_TOOL }),
          price_usd: usd('Cost of one call of the tool.'),
        }),
        { maxItems: TOOLS_MAX, description: 'Cost of calls when the caller does not state it.' },
      ),
    ),
  ),
} satisfies TProperties

export const Rules = Type.Object(RULES)

const Effective = Type.Object(
  {
    agent_id: AGENT_ID,
    policy: Type.Unsafe<Record<string, unknown>>({
      type: 'object',
      additionalProperties: true,
      description:
        'The rules in force: both lists of tools and the limits that are set. Rules that the plan does not include are omitted.',
    }),
    policy_version: Type.String({ description: 'Version of the policy; equal rules have equal versions.' }),
  },
  { title: 'AgentPolicy' },
)

export const setPolicy = route({
  method: 'POST',
  path: '/v1/policies/:agent_id',
  needs: 'agents:write',
  tag,
  name: 'setAgentPolicy',
  summary: 'Set the policy of an agent; it applies from the next call.',
  description: 'It replaces the previous policy. Limits that the plan does not include are dropped, not refused.',
  params: AgentPath,
  body: Type.Object({ ...RULES, agent_id: optional(nullable(AGENT_ID)) }),
  replies: { 200: Effective },
})

export const listPolicies = route({
  method: 'GET',
  path: '/v1/policies',
  needs: 'agents:read',
  tag,
  name: 'listAgentPolicies',
  summary: 'List the policies of all agents, by agent; at most 1,000.',
  replies: { 200: Type.Array(Effective) },
})

export const readPolicy = route({
  method: 'GET',
  path: '/v1/policies/:agent_id',
  needs: 'agents:read',
  tag,
  name: 'readAgentPolicy',
  summary: 'Get the policy of an agent.',
  params: AgentPath,
  replies: { 200: Effective },
  refusals: ['agent_not_found'],
})

export const setPolicyFromTemplate = route({
  method: 'POST',
  path: '/v1/policies/:agent_id/from-template',
  needs: 'agents:write',
  tag,
  name: 'setAgentPolicyFromTemplate',
  summary: 'Apply a policy template to an agent, with overrides.',
  description: 'Fields in `overrides` replace those of the template.',
  params: AgentPath,
  body: Type.Object({
    agent_id: optional(nullable(AGENT_ID)),
    template: Type.Unsafe<(typeof TEMPLATE_NAMES)[number]>({
      type: 'string',
      enum: [...TEMPLATE_NAMES],
      description: 'Name of the template; docs/onceonly-governance.md lists their rules.',
    }),
    overrides: optional(Type.Unsafe<unknown>({ ...Rules, type: ['object', 'null'] })),
  }),
  replies: { 200: Effective },
})

export const POLICY_ROUTES: readonly Route[] = [setPolicy, listPolicies, readPolicy, setPolicyFromTemplate]
