// Cancel: works in every state before the end, and includes all that the run has spawned, at any depth.

import type { Ctx } from '#bell/ctx.ts'
import type { Cause } from '#core/event.ts'
import { OVER_STATES } from '#core/run.ts'
import { moveRun } from '#run-state/move/move-run.ts'
import type { RunChange } from '#run-state/move/move-runs.sql.ts'
import { doNamed } from '#run-state/read/named-runs.ts'
import { type RunRow, readLiveDescendants, readRuns } from '#run-state/read/read-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import type { Target } from './move-by-hand.ts'
import { type Done, grouped, moveEach } from './move-each.ts'

const ROUNDS_MAX = 100
/** Moves in flight at once: a tree of any width must not fill the queue of moves. */
const PAGE_MAX = 500

/** Cancels a run and its children. Canceling a canceled run is not an error, and reaches children that are left. */
export async function cancelRun(ctx: Ctx, target: Target & { reason?: string | undefined }): Promise<RunRow> {
  const run = await requireRun(ctx, target.projectId, target.runId)
  const [done] = await cancelFound(ctx, [run], target)
  if (done!.problem) throw done!.problem
  const [now] = await readRuns(ctx.sql, [run.id])
  return now!
}

export type CancelWords = {
  reason?: string | undefined
  /** Stored as the error of the run. */
  error?: string | undefined
}
type Asked = Cause & CancelWords
type Many = Asked & { projectId: string; runIds: readonly string[] }

/** Cancels up to 500 runs by id; results are in order. */
export const cancelRuns = (ctx: Ctx, many: Many) => doNamed(ctx, many, (runs) => cancelFound(ctx, runs, many))

/** Cancels runs that were just read, and their children. */
export async function cancelFound(ctx: Ctx, runs: readonly RunRow[], asked: Asked): Promise<Done[]> {
  const done = await moveEach(grouped(ctx), runs, canceling(asked))
  await afterCancel(
    ctx,
    runs.filter((_, index) => !done[index]!.problem),
    asked,
  )
  return done
}

export const canceling =
  ({ actor, causationId, reason, error = 'canceled by user' }: Asked) =>
  (run: RunRow): RunChange => ({
    runId: run.id,
    move: 'cancel',
    actor,
    ...(causationId && { causationId }),
    error,
    errorCode: 'canceled',
    data: { error },
    ...(reason && { message: reason }),
  })

/** Cancels the children of canceled runs. */
export async function afterCancel(ctx: Ctx, canceled: readonly RunRow[], cause: Cause): Promise<void> {
  if (canceled.length === 0) return
  const { actor, causationId } = cause
  await cancelDescendants(
    ctx,
    canceled.map((run) => run.id),
    { actor, ...(causationId && { causationId }) },
  )
}

/**
 * Cancels what ended runs have left below them. A running child may spawn while we look: its spawn holds the
 * lock that our cancel needs, so it is either seen in the next round or refused.
 */
export async function cancelDescendants(ctx: Ctx, runIds: readonly string[], cause: Cause): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const ids = await readLiveDescendants(ctx.sql, runIds, OVER_STATES)
    if (ids.length === 0) return
    for (let at = 0; at < ids.length; at += PAGE_MAX) {
      const page = ids.slice(at, at + PAGE_MAX)
      await Promise.all(
        page.map((runId) =>
          moveRun(ctx, { runId, move: 'cancel', ...cause, error: 'parent run canceled', errorCode: 'parent_canceled' }),
        ),
      )
    }
  }
  throw new Error(`runs below ${runIds.join()} kept appearing while they were being canceled`)
}
