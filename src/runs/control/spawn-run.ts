// A child of a run, which its parent may wait for.

import type { Ctx } from '#bell/ctx.ts'
import { refuse, refuseField } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import type { Db } from '#postgres/sql.ts'
import { moveProblem } from '#run-state/move/move-outcome.ts'
import { moveRuns } from '#run-state/move/move-runs.sql.ts'
import { newWait } from '#run-state/move/wait-parts.sql.ts'
import { countAncestors, findRun, type RunRow } from '#run-state/read/read-runs.sql.ts'
import type { RunRequest } from '../trigger/run-request.ts'
import type { Triggered } from '../trigger/trigger-runs.ts'
import { refuseWhilePausing } from '../waits/waits.ts'
import { createFromRun } from './run-from-run.ts'

/** Maximum nesting of runs: beyond it is an unintended loop. */
const DEPTH_MAX = 100

type Parent = Cause & {
  projectId: string
  /** Public id of the parent. */
  parentRunId: string
  /** The parent's lease, when its own attempt asks. */
  token?: string | undefined
  /** The parent, which must hold its lease, waits until the child ends, and times out after this long. */
  awaitCompletion?: { timeoutSecs: number } | undefined
}

/** Whoever ends the child wakes the parent, unless its row is locked just then: so it is also polled now and then. */
const FIRST_CHECK_MS = 10_000

/** The state key under which the parent finds the child's outcome. */
export const awaitKey = (childRunId: string): string => `spawn-await:${childRunId}`

/** Triggers a run of `jobName` as a child of a run that has not ended. */
export async function spawnRun(ctx: Ctx, jobName: string, request: RunRequest, parent: Parent): Promise<Triggered> {
  const { projectId, parentRunId, token, awaitCompletion } = parent
  const above = await findRun(ctx.sql, projectId, parentRunId)
  if (!above) throw refuse('run_not_found', { runId: parentRunId })
  if ((await countAncestors(ctx.sql, above.id, DEPTH_MAX)) >= DEPTH_MAX)
    throw refuse('depth_exceeded', { depthMax: DEPTH_MAX })
  const wait = (tx: Db, childRunId: string, checkInMs?: number) =>
    waitForChild(tx, above, { ...parent, childRunId, timeoutSecs: awaitCompletion!.timeoutSecs, checkInMs })
  const triggered = await createFromRun(ctx, {
    above,
    token,
    actor: parent.actor,
    causationId: parent.causationId,
    job: jobName,
    request,
    origin: { triggeredBy: 'spawn', parentRunId: above.id },
    event: { type: 'run.child_spawned', data: (child, job) => ({ child_run_id: child.id, job: job.slug }) },
    ...(awaitCompletion && { also: (tx, child) => wait(tx, child.id) }),
  })
  // The child existed already, and may have ended: the wait is checked immediately.
  if (awaitCompletion && triggered.replayed) {
    if (triggered.run.id === above.id) throw refuseField('idempotency_key', 'is the key of the run that would wait')
    await wait(ctx.sql, triggered.run.id, 0)
    ctx.ring([`run:${above.id}`, 'waits', 'slots', 'tail'])
  }
  return triggered
}

type ChildWait = Parent & { childRunId: string; timeoutSecs: number; checkInMs?: number | undefined }

async function waitForChild(tx: Db, above: RunRow, it: ChildWait): Promise<void> {
  const { childRunId, timeoutSecs, checkInMs } = it
  await refuseWhilePausing(tx, above.id)
  const [changed] = await moveRuns(tx, [
    {
      runId: above.id,
      move: 'wait',
      from: ['executing'],
      ...(it.token && { token: it.token }),
      actor: it.actor,
      wait: newWait('child', { childRunId, timeoutMs: timeoutSecs * 1000, checkInMs: checkInMs ?? FIRST_CHECK_MS }),
      data: { for: 'child', child_run_id: childRunId, timeout_secs: timeoutSecs },
    },
  ])
  const problem =
    changed!.outcome === 'already'
      ? refuse('wrong_state', { runId: above.publicId, state: 'waiting', needs: ['executing'] })
      : moveProblem(above.publicId, 'wait', changed!)
  if (problem) throw problem
}
