// A running attempt records the usage of a model call. The call has already been made, so its cost is always charged;
// an overdrawn budget is reported.
import type { Ctx } from '#bell/ctx.ts'
import type { OverBudget, OverBudgetAction } from '#core/policy.ts'
import { exactUsd, shownMicrousd } from '#core/usage/cost.ts'
import { bookCall } from '#usage/book-call.ts'
import type { UsageCall } from '#usage/book-usage.sql.ts'
import { costOfCall } from '#usage/prices.ts'
import { overAfter } from '#usage/spend.ts'
import type { UsageRow } from '#usage/usage.sql.ts'
import { stopOverBudget } from '../control/stop-over-budget.ts'
import { type Attempt, eventOf, written } from './attempt-calls.ts'

type Usage = {
  provider: string
  model: string
  promptTokens: number
  completionTokens: number
  totalTokens?: number | undefined
  cachedTokens?: number | undefined
  reasoningTokens?: number | undefined
  /** Calculated from the price of the model when omitted. */
  costMicrousd?: number | undefined
}
/** The keys of the sums, and whose budget is charged. */
type Spender = { jobId: string | null; agentId: string }
/** `over`: the budget that is now overdrawn, and whether the attempt was told to stop. */
export type Booked = { row: UsageRow; over: (OverBudget & { action: OverBudgetAction; observed: boolean }) | undefined }

export async function recordUsage(ctx: Ctx, it: Attempt, usage: Usage & Spender): Promise<Booked> {
  const { provider, model, promptTokens, completionTokens, cachedTokens = null, reasoningTokens = null } = usage
  const totalTokens = usage.totalTokens ?? promptTokens + completionTokens
  const { cost, costSource } = await costOfCall(ctx, it.projectId, usage)
  const data = {
    provider,
    model,
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: totalTokens,
    ...(cachedTokens !== null && { cached_tokens: cachedTokens }),
    ...(reasoningTokens !== null && { reasoning_tokens: reasoningTokens }),
    cost_microusd: shownMicrousd(cost),
    ...(cost.picousd > 0 && { cost_usd: exactUsd(cost) }),
    cost_source: costSource,
  }
  const call: UsageCall = {
    event: eventOf(it, { type: 'usage.recorded', data }),
    usage: { ...usage, totalTokens, cachedTokens, reasoningTokens, cost, runId: it.runId, projectId: it.projectId },
  }
  const booked = await bookCall(ctx, call)
  written(it, booked.appended)
  const found = overAfter(call, booked)
  if (!found) return { row: booked.row!, over: undefined }
  const { over, policy, observed } = found
  const action = observed ? 'block' : policy.overBudget
  await stopOverBudget(ctx, it, { over, action })
  return { row: booked.row!, over: { ...over, action, observed } }
}
