// Ends runs by an operator, whatever their state: a run in progress is canceled, and a dead letter is dismissed. Only
// for callers that mean both; a cancel alone never takes away the chance of a redrive.

import type { Ctx } from '#bell/ctx.ts'
import type { Cause } from '#core/event.ts'
import { RUN_MOVES, type RunState } from '#core/run.ts'
import type { RunChange } from '#run-state/move/move-runs.sql.ts'
import { doNamed } from '#run-state/read/named-runs.ts'
import { type RunRow, readRuns } from '#run-state/read/read-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { afterCancel, type CancelWords, canceling } from './cancel-runs.ts'
import type { Target } from './move-by-hand.ts'
import { type Done, grouped, moveEach } from './move-each.ts'

type Asked = Cause & CancelWords

/** Ends a run and its children. Canceling a canceled run is not an error. */
export async function endRun(ctx: Ctx, target: Target & { reason?: string | undefined }): Promise<RunRow> {
  const run = await requireRun(ctx, target.projectId, target.runId)
  const [done] = await endFound(ctx, [run], target)
  if (done!.problem) throw done!.problem
  const [now] = await readRuns(ctx.sql, [run.id])
  return now!
}

/** Ends up to 500 runs by id; results are in order. */
export const endRuns = (ctx: Ctx, many: Asked & { projectId: string; runIds: readonly string[] }) =>
  doNamed(ctx, many, (runs) => endFound(ctx, runs, many))

async function endFound(ctx: Ctx, runs: readonly RunRow[], asked: Asked): Promise<Done[]> {
  const done = await moveEach(grouped(ctx), runs, endingByHand(asked))
  // Between read and move, an attempt may have died or a redrive arrived: then the other move is meant. Retried once: a
  // run that is redriven and dies again in that time is reported as it is.
  const turned = runs.flatMap((run, index) =>
    done[index]!.problem && moveFor(run.state) !== moveFor(done[index]!.state) ? [index] : [],
  )
  const again = await moveEach(
    grouped(ctx),
    turned.map((index) => ({ ...runs[index]!, state: done[index]!.state })),
    endingByHand(asked),
  )
  turned.forEach((index, at) => {
    done[index] = again[at]!
  })
  await afterCancel(
    ctx,
    runs.filter((_, index) => !done[index]!.problem),
    asked,
  )
  return done
}

const moveFor = (state: RunState) => (RUN_MOVES.dismiss.from.includes(state) ? 'dismiss' : 'cancel')

/** The move that ends a run, by the state in which it was found. */
export const endingByHand =
  (asked: Asked) =>
  (run: RunRow): RunChange =>
    moveFor(run.state) === 'dismiss' ? dismissing(asked)(run) : canceling(asked)(run)

/** Its error stays, so that whoever looks at it later sees why its attempts failed. */
export const dismissing =
  ({ actor, causationId, reason }: Asked) =>
  (run: RunRow): RunChange => ({
    runId: run.id,
    move: 'dismiss',
    actor,
    ...(causationId && { causationId }),
    ...(reason && { message: reason }),
  })
