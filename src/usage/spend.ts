// Spend, as budgets see it.

import { type OverBudget, overBudget, type Policy, type Spend, wholePolicy } from '#core/policy.ts'
import { NO_COST } from '#core/usage/cost.ts'
import type { BookedCall, UsageCall } from './book-usage.sql.ts'
import { payerKey, payersOf, type Spent } from './ledger.sql.ts'

/** The agent that a run is charged to: its own or, for a run without one, the agent named after its job. */
export const agentOfRun = (run: { id: string; agentId: string | null; jobSlug: string | null }): string =>
  run.agentId ?? run.jobSlug ?? run.id

type Charged = { projectId: string; agentId: string; runId?: string | null | undefined }
type Kept = { spent: Spent; budgets: ReadonlyMap<string, number>; day: string }

export function spendOf(call: Charged, { spent, budgets, day }: Kept): Spend {
  const [agent, project, run] = payersOf(call, day).map((payer) => spent.get(payerKey(payer)) ?? NO_COST)
  return {
    agent: agent!,
    project: project!,
    run: run ?? null,
    projectMaxMicrousd: budgets.get(call.projectId) ?? null,
  }
}

/** The budget that a model call has exceeded, and the policy that says what happens then. */
export function overAfter(
  { usage }: UsageCall,
  booked: BookedCall,
): { over: OverBudget; policy: Policy; observed: boolean } | undefined {
  const { projectId, agentId } = usage
  const found = booked.policies.find((it) => it.projectId === projectId && it.agentId === agentId)
  const policy = wholePolicy(found?.policy)
  const over = overBudget(policy, spendOf(usage, booked))
  const isProject = over?.reason === 'project_max_spend_usd_per_day_exceeded'
  return over && { over, policy, observed: found?.mode === 'observe' && !isProject }
}
