// Stops a running attempt that has exceeded a budget, if its policy says so.
import type { Ctx } from '#bell/ctx.ts'
import { Refusal } from '#core/error.ts'
import { SYSTEM } from '#core/event.ts'
import type { OverBudget, OverBudgetAction } from '#core/policy.ts'
import { cancelRun } from './cancel-runs.ts'
import { pauseRun } from './pause-run.ts'

/** Pauses the run as a person would, or cancels it with its children; a run that has left its executor is unchanged. */
export async function stopOverBudget(
  ctx: Ctx,
  run: { projectId: string; runId: string },
  { over, action }: { over: OverBudget; action: OverBudgetAction },
): Promise<void> {
  const target = { ...run, actor: SYSTEM, reason: `over its budget: ${over.reason}` }
  try {
    if (action === 'pause') await pauseRun(ctx, target)
    if (action === 'cancel') await cancelRun(ctx, target)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
  }
}
