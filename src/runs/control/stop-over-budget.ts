// A running attempt that has gone over a budget, whose policy asks that it is told to stop.
import type { Ctx } from '#bell/ctx.ts'
import { Refusal } from '#core/error.ts'
import { SYSTEM } from '#core/event.ts'
import type { OverBudget, OverBudgetAction } from '#core/policy.ts'
import { cancelRun } from './cancel-runs.ts'
import { pauseRun } from './pause-run.ts'

/** Paused as by a person, or canceled with all that is below it; one that has left its executor meanwhile stays as it is. */
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
