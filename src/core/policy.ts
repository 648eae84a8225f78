// What an agent may do: a pure decision about one tool call, from its policy and what it has done so far.

import { own } from './own.ts'
import { addCosts, type Cost, costOfMicrousd, isAbove, NO_COST } from './usage/cost.ts'

export const POLICY_MODES = ['enforce', 'observe'] as const
export type PolicyMode = (typeof POLICY_MODES)[number]

/** What happens to a running attempt that exceeds a budget; its next call is blocked in any case. */
export const OVER_BUDGET_ACTIONS = ['block', 'pause', 'cancel'] as const
export type OverBudgetAction = (typeof OVER_BUDGET_ACTIONS)[number]

export type Policy = {
  /** Tool names; a trailing * matches every tool with that prefix. Null: every tool that is not blocked. */
  allowedTools: string[] | null
  blockedTools: string[]
  /** Tools whose every call needs approval by a person. */
  approvalTools: string[]
  /** Null, here and below: no limit. Hours and days are in UTC. */
  maxActionsPerHour: number | null
  maxCallsPerToolPerDay: Record<string, number>
  /** For tools and models together, here and below. */
  maxSpendMicrousdPerDay: number | null
  maxSpendMicrousdPerRun: number | null
  overBudget: OverBudgetAction
  /** Cost of a call, by tool, when the caller does not state it. */
  pricesMicrousd: Record<string, number>
}

export const NO_POLICY: Policy = {
  allowedTools: null,
  blockedTools: [],
  approvalTools: [],
  maxActionsPerHour: null,
  maxCallsPerToolPerDay: {},
  maxSpendMicrousdPerDay: null,
  maxSpendMicrousdPerRun: null,
  overBudget: 'block',
  pricesMicrousd: {},
}

/** A policy stored before a rule existed does not have it, and gets its default. */
export const wholePolicy = (kept: Policy | null | undefined): Policy => ({ ...NO_POLICY, ...kept })

export const POLICY_REASONS = [
  'ok',
  'agent_disabled',
  'tool_explicitly_blocked',
  'tool_not_in_allowed_list',
  'max_actions_per_hour_exceeded',
  'max_calls_per_tool_exceeded',
  'max_spend_usd_per_day_exceeded',
  'max_spend_usd_per_run_exceeded',
  'project_max_spend_usd_per_day_exceeded',
  'approval_required',
  'approval_denied',
] as const
export type PolicyReason = (typeof POLICY_REASONS)[number]
export const RISK_LEVELS = ['low', 'medium', 'high'] as const
export type RiskLevel = (typeof RISK_LEVELS)[number]

/** Spend by budget: of the agent and the project on this day, and of the run, if there is one. */
export type Spend = { agent: Cost; run: Cost | null; project: Cost; projectMaxMicrousd: number | null }
export const NO_SPEND: Spend = { agent: NO_COST, run: null, project: NO_COST, projectMaxMicrousd: null }

/** Usage so far: the agent's calls in this hour, calls of this tool on this day, and spend. */
export type Standing = {
  enabled: boolean
  actionsThisHour: number
  callsOfToolToday: number
  spend: Spend
}

export type ToolCall = { tool: string; cost: Cost }

const RISK: Readonly<Record<PolicyReason, RiskLevel>> = {
  ok: 'low',
  agent_disabled: 'high',
  tool_explicitly_blocked: 'high',
  tool_not_in_allowed_list: 'medium',
  max_actions_per_hour_exceeded: 'medium',
  max_calls_per_tool_exceeded: 'medium',
  max_spend_usd_per_day_exceeded: 'high',
  max_spend_usd_per_run_exceeded: 'high',
  project_max_spend_usd_per_day_exceeded: 'high',
  approval_required: 'medium',
  approval_denied: 'high',
}
export const riskOf = (reason: PolicyReason): RiskLevel => RISK[reason]

/** The first rule that objects, the gravest first; 'ok' when none does. */
export function judge(policy: Policy, standing: Standing, { tool, cost }: ToolCall): PolicyReason {
  if (!standing.enabled) return 'agent_disabled'
  const budget = overBudget(policy, standing.spend, cost)
  // Checked before the rules of the policy, which may be in observe mode.
  if (budget?.reason === 'project_max_spend_usd_per_day_exceeded') return budget.reason
  if (names(policy.blockedTools, tool)) return 'tool_explicitly_blocked'
  if (policy.allowedTools && !names(policy.allowedTools, tool)) return 'tool_not_in_allowed_list'
  if (over(standing.actionsThisHour + 1, policy.maxActionsPerHour)) return 'max_actions_per_hour_exceeded'
  const callsMax = own(policy.maxCallsPerToolPerDay, tool)
  if (over(standing.callsOfToolToday + 1, callsMax)) return 'max_calls_per_tool_exceeded'
  if (budget) return budget.reason
  return names(policy.approvalTools, tool) ? 'approval_required' : 'ok'
}

export type OverBudget = { reason: PolicyReason; limitMicrousd: number; spent: Cost }

/**
 * The budget that is too small for `cost` more: the project's first, because it holds whatever an agent's policy says.
 */
export function overBudget(
  { maxSpendMicrousdPerDay, maxSpendMicrousdPerRun }: Policy,
  { agent, run, project, projectMaxMicrousd }: Spend,
  cost: Cost = NO_COST,
): OverBudget | undefined {
  const budgets = [
    ['project_max_spend_usd_per_day_exceeded', projectMaxMicrousd, project],
    ['max_spend_usd_per_day_exceeded', maxSpendMicrousdPerDay, agent],
    ['max_spend_usd_per_run_exceeded', maxSpendMicrousdPerRun, run],
  ] as const
  for (const [reason, limitMicrousd, spent] of budgets)
    if (limitMicrousd != null && spent && isAbove(addCosts(spent, cost), limitMicrousd))
      return { reason, limitMicrousd, spent }
  return undefined
}

/** A policy in observe mode stops nothing; the kill switch and the project's budget are not part of the policy. */
export const isObserved = (mode: PolicyMode | null | undefined, judged: PolicyReason): boolean =>
  mode === 'observe' &&
  !(['ok', 'agent_disabled', 'project_max_spend_usd_per_day_exceeded'] as PolicyReason[]).includes(judged)

/** Whether the switch or the lists of tools block a call that passed the limits before. */
export function isForbidden(policy: Policy | null, { enabled, mode }: Switches, tool: string): boolean {
  const { blockedTools, allowedTools } = policy ?? NO_POLICY
  const standing = { enabled, actionsThisHour: 0, callsOfToolToday: 0, spend: NO_SPEND }
  const judged = judge({ ...NO_POLICY, blockedTools, allowedTools }, standing, { tool, cost: NO_COST })
  return judged !== 'ok' && !isObserved(mode, judged)
}

type Switches = { enabled: boolean; mode: PolicyMode | null }

const over = (wanted: number, limit: number | null | undefined): boolean => limit != null && wanted > limit

const names = (patterns: readonly string[], tool: string): boolean =>
  patterns.some((pattern) => (pattern.endsWith('*') ? tool.startsWith(pattern.slice(0, -1)) : tool === pattern))

/** The assumed cost of a call: what the caller states, or else the policy's price, or else 0. */
export function costOf(policy: Policy, tool: string, said: Cost | undefined): Cost {
  if (said) return said
  return costOfMicrousd(own(policy.pricesMicrousd, tool) ?? 0)
}
