// How bulk operations progress: a page of runs at a time. The page's moves or new runs and the operation's progress are
// one transaction under the lock of the operation's row, so a crash repeats nothing and two nodes never share a page.

import type { Ctx } from '#bell/ctx.ts'
import { type Tx, transact } from '#bell/transact.ts'
import type { Refusal } from '#core/error.ts'
import { type Cause, SYSTEM } from '#core/event.ts'
import { type OperationKind, type OperationProblem, ORDER_OF } from '#core/operation.ts'
import { cutText } from '#core/storable.ts'
import { instantText, microsOf } from '#postgres/instant.ts'
import { listRunsPage, type RunFilter, type RunPlace } from '#run-state/read/list-runs.sql.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'
import { PAGE_MAX } from '#runs/control/cancel-matching.ts'
import { afterCancel } from '#runs/control/cancel-runs.ts'
import { dismissing, endingByHand } from '#runs/control/end-by-hand.ts'
import { moveEach, type Writer, within } from '#runs/control/move-each.ts'
import { redrivingOf } from '#runs/control/redrive-runs.ts'
import { replayPage } from '#runs/control/replay-runs.ts'
import { countFailure, type OperationRow, saveProgress, takeOperation } from './operations.sql.ts'
import { endWithEvent } from './operations.ts'

const FAILURES_MAX = 10
const PROBLEMS_MAX = 20
const ERROR_LENGTH_MAX = 1_000

type Done = { problem?: Refusal }
type Asked = Cause & { reason?: string | undefined }
type Act = {
  /** Results for the first of the runs, in order: for all of them, or for as many as fit into a page. */
  write: (writer: Writer, runs: readonly RunRow[], asked: Asked) => Promise<Done[]>
  /** What is done after the commit. */
  follow?: (ctx: Ctx, runs: readonly RunRow[], done: readonly Done[], asked: Asked) => Promise<void>
}

const ACTS: Record<OperationKind, Act> = {
  cancel: {
    write: (writer, runs, asked) => moveEach(writer, runs, endingByHand(asked)),
    // If this is interrupted, the duty for orphans finishes it.
    follow: (ctx, runs, done, asked) => afterCancel(ctx, withoutProblem(runs, done), asked),
  },
  redrive: {
    write: (writer, runs, asked) => moveEach(writer, runs, redrivingOf(asked)),
  },
  dismiss: {
    write: (writer, runs, asked) => moveEach(writer, runs, dismissing(asked)),
    follow: (ctx, runs, done, asked) => afterCancel(ctx, withoutProblem(runs, done), asked),
  },
  replay: { write: replayPage },
}

const withoutProblem = (runs: readonly RunRow[], done: readonly Done[]) =>
  runs.filter((_, index) => !done[index]!.problem)

/** Processes one page of the operation whose turn it is; returns whether there was one. */
export async function moveNextPage(ctx: Ctx): Promise<'moved' | 'failed' | 'idle'> {
  let operation: OperationRow | undefined
  const moved = await transact(ctx, async (tx) => {
    operation = await takeOperation(tx)
    return operation && movePage(ctx, tx, operation)
  }).catch((error: unknown) => {
    if (!operation) throw error
    return { error }
  })
  if (!operation || !moved) return 'idle'
  if ('error' in moved) {
    await noteFailure(ctx, operation, moved.error)
    return 'failed'
  }
  await ACTS[operation.kind].follow?.(ctx, moved.runs, moved.done, causeOf(operation))
  return 'moved'
}

async function movePage(ctx: Ctx, tx: Tx, operation: OperationRow): Promise<{ runs: RunRow[]; done: Done[] }> {
  const left = operation.maxRuns === null ? Number.POSITIVE_INFINITY : operation.maxRuns - operation.matched
  const { rows, next } = await listRunsPage(ctx.reads, { ...filterOf(operation), limit: Math.min(PAGE_MAX, left) })
  const done = rows.length === 0 ? [] : await ACTS[operation.kind].write(within(tx), rows, causeOf(operation))
  const runs = rows.slice(0, done.length)
  const isCut = runs.length < rows.length
  const problems = runs.flatMap((run, index) => problemOf(run, done[index]!.problem))
  await saveProgress(tx, operation.id, {
    done: runs.length - problems.length,
    skipped: problems.length,
    problems: [...operation.problems, ...problems].slice(0, PROBLEMS_MAX),
    after: isCut ? placeOf(runs.at(-1)!) : next,
  })
  if ((!next && !isCut) || runs.length === left)
    await endWithEvent(tx, operation.id, { state: 'completed' }, { actor: SYSTEM })
  return { runs, done }
}

const placeOf = ({ createdAt, id }: RunRow): RunPlace => ({ createdAt: instantText(createdAt), id })

const problemOf = (run: RunRow, problem: Refusal | undefined): OperationProblem[] =>
  problem ? [{ runId: run.publicId, code: problem.code, message: problem.message }] : []

const causeOf = ({ id, actorType, actorId, reason }: OperationRow): Asked => ({
  actor: { type: actorType, id: actorId },
  causationId: id,
  ...(reason !== null && { reason }),
})

/** The runs that an operation has yet to process. */
function filterOf({
  kind,
  projectId,
  conditions,
  runsBefore,
  afterCreatedAt,
  afterId,
}: OperationRow): Omit<RunFilter, 'limit'> {
  const before = instantText(runsBefore)
  const { createdTo = before } = conditions
  return {
    ...conditions,
    projectId,
    createdTo: microsOf(createdTo) < microsOf(before) ? createdTo : before,
    order: ORDER_OF[kind],
    after: afterCreatedAt && afterId ? { createdAt: instantText(afterCreatedAt), id: afterId } : undefined,
  }
}

/** A page failed and was rolled back: it is retried, and the operation fails after this many failures in a row. */
async function noteFailure(ctx: Ctx, operation: OperationRow, error: unknown): Promise<void> {
  ctx.log.error({ err: error, operation: operation.id }, 'a page of a bulk operation failed; it will be retried')
  const message = error instanceof Error ? error.message : String(error)
  await transact(ctx, async (tx) => {
    if ((await countFailure(tx, operation.id)) < FAILURES_MAX) return
    const end = { state: 'failed' as const, error: cutText(message, ERROR_LENGTH_MAX) }
    await endWithEvent(tx, operation.id, end, { actor: SYSTEM })
  })
}
