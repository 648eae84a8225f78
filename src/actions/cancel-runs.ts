// Cancelling: in every state that is not over, with all that the run has spawned, at any depth.
import type { Refusal } from '#core/error.ts'
import { refuse } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { OVER_STATES } from '#core/run.ts'
import { findRun, type RunRow, readLiveDescendants, readRuns } from '#storage/read-runs.ts'
import type { Ctx } from './ctx.ts'
import { moveProblem } from './ended.ts'
import { findRunOr404, type Target } from './move-run.ts'

const ROUNDS_MAX = 100
/** Moves asked for at once: a tree of any width must not fill the queue of moves. */
const PAGE_MAX = 500

/** Cancels a run and its children. Cancelling a canceled run is no error, and reaches children that are left. */
export async function cancelRun(ctx: Ctx, target: Target & { reason?: string | undefined }): Promise<RunRow> {
  const run = await findRunOr404(ctx, target.projectId, target.runId)
  const problem = await cancelFound(ctx, run, target)
  if (problem) throw problem
  const [now] = await readRuns(ctx.sql, [run.id])
  return now!
}

type Many = Cause & { projectId: string; runIds: readonly string[]; reason?: string | undefined }
export type CanceledRun = { runId: string; state?: string; problem?: Refusal }

/** Cancels up to 500 runs by their ids; answers in their order. */
export const cancelRuns = (ctx: Ctx, many: Many): Promise<CanceledRun[]> =>
  Promise.all(
    many.runIds.map(async (runId) => {
      const run = await findRun(ctx.sql, many.projectId, runId)
      if (!run) return { runId, problem: refuse('run_not_found', { runId }) }
      const problem = await cancelFound(ctx, run, many)
      return problem ? { runId, state: run.state, problem } : { runId, state: 'canceled' }
    }),
  )

async function cancelFound(
  ctx: Ctx,
  run: RunRow,
  { actor, causationId, reason }: Cause & { reason?: string | undefined },
): Promise<Refusal | undefined> {
  const cause = { actor, ...(causationId && { causationId }) }
  const changed = await ctx.moveRun({
    runId: run.id,
    move: 'cancel',
    ...cause,
    error: 'canceled by user',
    errorCode: 'canceled',
    ...(reason && { message: reason }),
  })
  const problem = moveProblem(run.publicId, 'cancel', changed)
  if (problem) return problem
  ctx.ring([`run:${run.id}`, 'leases', 'tail'])
  await cancelDescendants(ctx, [run.id], cause)
  return undefined
}

/**
 * Cancels what runs that are over have left below them. A running child may spawn while we look: its spawn holds the
 * lock that our cancel needs, so it is either seen by the next round or refused.
 */
export async function cancelDescendants(ctx: Ctx, runIds: readonly string[], cause: Cause): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const ids = await readLiveDescendants(ctx.sql, runIds, OVER_STATES)
    if (ids.length === 0) return
    for (let at = 0; at < ids.length; at += PAGE_MAX) {
      const page = ids.slice(at, at + PAGE_MAX)
      await Promise.all(
        page.map((runId) =>
          ctx.moveRun({ runId, move: 'cancel', ...cause, error: 'parent run canceled', errorCode: 'parent_canceled' }),
        ),
      )
      ctx.ring([...page.map((id) => `run:${id}`), 'leases', 'tail'])
    }
  }
  throw new Error(`runs below ${runIds.join()} kept appearing while they were being canceled`)
}
