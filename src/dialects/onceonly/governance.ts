// Agent policies, translated from and to ours: the same rules under other names, in dollars.
import type { FastifyInstance } from 'fastify'
import { findAgent, readPolicyHolders } from '#agents/agents.sql.ts'
import { setPolicy } from '#agents/agents.ts'
import { policyHash } from '#agents/policy-hash.ts'
import type { Ctx } from '#bell/ctx.ts'
import type { Route } from '#contract/route.ts'
import type { Policy } from '#core/policy.ts'
import type { Plan } from '#core/usage/plan.ts'
import type { ScopedCaller } from '#http/caller.ts'
import { implement } from '#http/implement.ts'
import { planOf } from '#usage/plan-of.ts'
import { AGENT_ROUTES, agentRoutes } from './agents.ts'
import { microusd } from './ai.ts'
import * as contract from './governance-contract.ts'
import { type RulesInput, rulesOf } from './policy-templates.ts'
import { TOOL_ROUTES, toolRoutes } from './tools.ts'
import { fieldRefusal, onceRefusal } from './wording.ts'

export const ONCEONLY_GOVERNANCE_ROUTES: readonly Route[] = [...contract.POLICY_ROUTES, ...TOOL_ROUTES, ...AGENT_ROUTES]

const POLICIES_MAX = 1_000

export function onceonlyGovernanceRoutes(app: FastifyInstance, { ctx }: { ctx: Ctx }): void {
  implement(app, contract.setPolicy, async ({ agent_id, ...rules }, caller, { body }) => {
    checkAgent(agent_id, body)
    return put(ctx, caller, agent_id, exact(rules, ['body']))
  })
  implement(app, contract.setPolicyFromTemplate, async ({ agent_id, template, overrides }, caller, { body }) => {
    checkAgent(agent_id, body)
    const changes = said(overrides as RulesInput | null | undefined)
    return put(ctx, caller, agent_id, { ...rulesOf(template), ...exact(changes, ['body', 'overrides']) })
  })
  implement(app, contract.listPolicies, async (_, { projectId }) =>
    (await readPolicyHolders(ctx.reads, projectId, POLICIES_MAX)).map(({ id, policy }) => policyWire(id, policy!)),
  )
  implement(app, contract.readPolicy, async ({ agent_id }, { projectId }) => {
    const agent = await findAgent(ctx.sql, projectId, agent_id)
    if (!agent?.policy)
      throw onceRefusal(404, { error: 'policy_not_found', message: `The agent ${agent_id} has no policy.` })
    return policyWire(agent_id, agent.policy)
  })
  toolRoutes(app, ctx)
  agentRoutes(app, ctx)
}

/** The body repeats the agent of the path; if they differ, refuse instead of guessing. */
function checkAgent(agentId: string, body: unknown): void {
  const said = (body as { agent_id?: string | null }).agent_id
  if (said != null && said !== agentId)
    throw fieldRefusal(['body', 'agent_id'], `differs from the agent in the path, ${agentId}`, said)
}

/** The same rules. Budgets are kept in micro-dollars: a smaller part of one would be rounded away. */
function exact(rules: RulesInput, at: readonly string[]): RulesInput {
  const usd = rules.max_spend_usd_per_day
  if (usd != null && !Number.isInteger(microusd(usd)))
    throw fieldRefusal([...at, 'max_spend_usd_per_day'], 'may have six decimals at most: a micro-dollar', usd)
  return rules
}

const said = (rules: RulesInput | null | undefined): RulesInput =>
  Object.fromEntries(Object.entries(rules ?? {}).filter(([, value]) => value != null))

async function put(ctx: Ctx, { projectId, actor }: ScopedCaller, agentId: string, rules: RulesInput) {
  const plan = await planOf(ctx, projectId)
  const allowed = rulesIn(plan, rules)
  const policy = (before: Policy | null) => policyOf(allowed, before)
  const row = await setPolicy(ctx, { projectId, agentId, actor, mode: 'enforce', policy })
  return policyWire(agentId, row.policy)
}

/** Limits that the plan does not include are dropped, not refused. */
const rulesIn = (
  { features }: Plan,
  { allowed_tools, blocked_tools, pricing_rules, ...limits }: RulesInput,
): RulesInput => ({
  allowed_tools,
  blocked_tools,
  ...(features.includes('limits') && limits),
  ...(features.includes('prices') && { pricing_rules }),
})

const unique = (names: readonly string[] | null | undefined): string[] => [...new Set(names ?? [])]

function policyOf(rules: RulesInput, before: Policy | null): Policy {
  const allowed = unique(rules.allowed_tools)
  return {
    allowedTools: allowed.length > 0 ? allowed : null,
    blockedTools: unique(rules.blocked_tools),
    // OnceOnly cannot express these, so values set natively stay: a safeguard is never dropped silently.
    approvalTools: before?.approvalTools ?? [],
    maxSpendMicrousdPerRun: before?.maxSpendMicrousdPerRun ?? null,
    overBudget: before?.overBudget ?? 'block',
    maxActionsPerHour: rules.max_actions_per_hour ?? null,
    maxCallsPerToolPerDay: rules.max_calls_per_tool ?? {},
    maxSpendMicrousdPerDay: rules.max_spend_usd_per_day == null ? null : microusd(rules.max_spend_usd_per_day),
    pricesMicrousd: Object.fromEntries(
      (rules.pricing_rules ?? []).map(({ tool, price_usd }) => [tool, microusd(price_usd)]),
    ),
  }
}

function policyWire(agentId: string, policy: Policy) {
  const { maxActionsPerHour, maxSpendMicrousdPerDay, maxCallsPerToolPerDay, pricesMicrousd } = policy
  const prices = Object.entries(pricesMicrousd).map(([tool, price]) => ({ tool, price_usd: price / 1_000_000 }))
  return {
    agent_id: agentId,
    policy: {
      allowed_tools: policy.allowedTools ?? [],
      blocked_tools: policy.blockedTools,
      ...(maxActionsPerHour !== null && { max_actions_per_hour: maxActionsPerHour }),
      ...(maxSpendMicrousdPerDay !== null && { max_spend_usd_per_day: maxSpendMicrousdPerDay / 1_000_000 }),
      ...(Object.keys(maxCallsPerToolPerDay).length > 0 && { max_calls_per_tool: maxCallsPerToolPerDay }),
      ...(prices.length > 0 && { pricing_rules: prices }),
    },
    policy_version: policyHash(policy),
  }
}
