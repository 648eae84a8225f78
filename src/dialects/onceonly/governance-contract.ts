// OnceOnly's policies of agents.
import { type TProperties, Type } from 'typebox'
import { INT_MAX, nullable, optional, text, whole } from '#contract/common.ts'
import { type Route, route } from '#contract/route.ts'
import { AGENT_ID, usd } from './ai-contract.ts'
import { TEMPLATE_NAMES } from './policy-templates.ts'

const tag = 'Policies'
const TOOLS_MAX = 1_000
const AgentPath = Type.Object({ agent_id: AGENT_ID })

const toolList = (description: string) =>
  Type.Array(text(128, 'A tool; one that ends in * stands for all that begin so.', { minLength: 1 }), {
    maxItems: TOOLS_MAX,
    description,
  })

const RULES = {
  allowed_tools: optional(nullable(toolList('Tools that may be called; an empty list restricts nothing.'))),
  blocked_tools: optional(nullable(toolList('Tools that may not be called, whatever else is said.'))),
  max_actions_per_hour: optional(nullable(whole(0, INT_MAX, 'Calls per hour of the clock (UTC).'))),
  max_spend_usd_per_day: optional(nullable(usd('Spend per day (UTC).'))),
  max_calls_per_tool: optional(
    Type.Unsafe<Record<string, number> | null>({
      type: ['object', 'null'],
      additionalProperties: { type: 'integer', minimum: 0, maximum: INT_MAX },
      propertyNames: { type: 'string', minLength: 1, maxLength: 128 },
      maxProperties: TOOLS_MAX,
      description: 'Calls of a tool per day (UTC).',
    }),
  ),
  pricing_rules: optional(
    nullable(
      Type.Array(
        Type.Object({ tool: text(128, 'The tool.', { minLength: 1 }), price_usd: usd('What a call of it costs.') }),
        { maxItems: TOOLS_MAX, description: 'What calls cost when the caller does not say.' },
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
        'The rules in force: both lists of tools, and the limits that are set. What the plan does not have is left out.',
    }),
    policy_version: Type.String({ description: 'The same for the same rules.' }),
  },
  { title: 'AgentPolicy' },
)

export const setPolicy = route({
  method: 'POST',
  path: '/v1/policies/:agent_id',
  needs: 'agents:write',
  tag,
  name: 'setAgentPolicy',
  summary: 'Give an agent a policy; it applies to its next call.',
  description:
    'It takes the place of what the agent had. Limits are dropped, and not refused, by plans that do not have them.',
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
  summary: 'List the policies of all agents, by agent; 1,000 at most.',
  replies: { 200: Type.Array(Effective) },
})

export const readPolicy = route({
  method: 'GET',
  path: '/v1/policies/:agent_id',
  needs: 'agents:read',
  tag,
  name: 'readAgentPolicy',
  summary: 'Read the policy of an agent.',
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
  summary: 'Give an agent a policy that is made already, with changes.',
  description: 'What `overrides` names takes the place of what the template says there.',
  params: AgentPath,
  body: Type.Object({
    agent_id: optional(nullable(AGENT_ID)),
    template: Type.Unsafe<(typeof TEMPLATE_NAMES)[number]>({
      type: 'string',
      enum: [...TEMPLATE_NAMES],
      description: 'Which one; what they say is in the documents.',
    }),
    overrides: optional(Type.Unsafe<unknown>({ ...Rules, type: ['object', 'null'] })),
  }),
  replies: { 200: Effective },
})

export const POLICY_ROUTES: readonly Route[] = [setPolicy, listPolicies, readPolicy, setPolicyFromTemplate]
