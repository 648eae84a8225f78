// What an agent may do: a pure decision about one call of a tool, from its policy and what it has done so far.

export const POLICY_MODES = ['enforce', 'observe'] as const
export type PolicyMode = (typeof POLICY_MODES)[number]

export type Policy = {
  /** Names of tools; one that ends in * stands for all that begin so. Null: every tool that is not blocked. */
  allowedTools: string[] | null
  blockedTools: string[]
  /** Tools whose calls a person has to approve, each of them. */
  approvalTools: string[]
  /** Null, here and below: no limit. Hours and days are those of UTC. */
  maxActionsPerHour: number | null
  maxCallsPerToolPerDay: Record<string, number>
  maxSpendMicrousdPerDay: number | null
  /** What a call of a tool costs when the caller does not say. */
  pricesMicrousd: Record<string, number>
}

export const NO_POLICY: Policy = {
  allowedTools: null,
  blockedTools: [],
  approvalTools: [],
  maxActionsPerHour: null,
  maxCallsPerToolPerDay: {},
  maxSpendMicrousdPerDay: null,
  pricesMicrousd: {},
}

export const POLICY_REASONS = [
  'ok',
  'agent_disabled',
  'tool_explicitly_blocked',
  'tool_not_in_allowed_list',
  'max_actions_per_hour_exceeded',
  'max_calls_per_tool_exceeded',
  'max_spend_usd_per_day_exceeded',
  'approval_required',
  'approval_denied',
] as const
export type PolicyReason = (typeof POLICY_REASONS)[number]
export const RISK_LEVELS = ['low', 'medium', 'high'] as const
export type RiskLevel = (typeof RISK_LEVELS)[number]

/** What the agent has done: actions in this hour, calls of this tool and spend on this day. */
export type Standing = {
  enabled: boolean
  actionsThisHour: number
  callsOfToolToday: number
  spendTodayMicrousd: number
}

export type ToolCall = { tool: string; costMicrousd: number }

const RISK: Readonly<Record<PolicyReason, RiskLevel>> = {
  ok: 'low',
  agent_disabled: 'high',
  tool_explicitly_blocked: 'high',
  tool_not_in_allowed_list: 'medium',
  max_actions_per_hour_exceeded: 'medium',
  max_calls_per_tool_exceeded: 'medium',
  max_spend_usd_per_day_exceeded: 'high',
  approval_required: 'medium',
  approval_denied: 'high',
}
export const riskOf = (reason: PolicyReason): RiskLevel => RISK[reason]

/** The first rule that stands in the way, the gravest first; 'ok' when none does. */
export function judge(policy: Policy, standing: Standing, { tool, costMicrousd }: ToolCall): PolicyReason {
  if (!standing.enabled) return 'agent_disabled'
  if (names(policy.blockedTools, tool)) return 'tool_explicitly_blocked'
  if (policy.allowedTools && !names(policy.allowedTools, tool)) return 'tool_not_in_allowed_list'
  if (over(standing.actionsThisHour + 1, policy.maxActionsPerHour)) return 'max_actions_per_hour_exceeded'
  if (over(standing.callsOfToolToday + 1, policy.maxCallsPerToolPerDay[tool])) return 'max_calls_per_tool_exceeded'
  if (over(standing.spendTodayMicrousd + costMicrousd, policy.maxSpendMicrousdPerDay))
    return 'max_spend_usd_per_day_exceeded'
  return names(policy.approvalTools, tool) ? 'approval_required' : 'ok'
}

/** A policy that is only observed stops nothing; the switch of an agent is no policy. */
export const isObserved = (mode: PolicyMode | null | undefined, judged: PolicyReason): boolean =>
  mode === 'observe' && judged !== 'ok' && judged !== 'agent_disabled'

/** Whether the switch or the lists of tools stand in the way of a call that the limits let through before. */
export function isForbidden(policy: Policy | null, { enabled, mode }: Switches, tool: string): boolean {
  const { blockedTools, allowedTools } = policy ?? NO_POLICY
  const standing = { enabled, actionsThisHour: 0, callsOfToolToday: 0, spendTodayMicrousd: 0 }
  const judged = judge({ ...NO_POLICY, blockedTools, allowedTools }, standing, { tool, costMicrousd: 0 })
  return judged !== 'ok' && !isObserved(mode, judged)
}

type Switches = { enabled: boolean; mode: PolicyMode | null }

const over = (wanted: number, limit: number | null | undefined): boolean => limit != null && wanted > limit

const names = (patterns: readonly string[], tool: string): boolean =>
  patterns.some((pattern) => (pattern.endsWith('*') ? tool.startsWith(pattern.slice(0, -1)) : tool === pattern))

/** What a call is taken to cost: what the caller says, else what the policy says, else nothing. */
export const costOf = (policy: Policy, tool: string, saidMicrousd: number | undefined): number =>
  saidMicrousd ?? policy.pricesMicrousd[tool] ?? 0
