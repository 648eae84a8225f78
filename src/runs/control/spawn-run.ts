// A child of a run, which its parent may wait for.

import type { Ctx } from '#bell/ctx.ts'
import { type Tx, transact } from '#bell/transact.ts'
import { refuse, refuseField } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { jobsOf } from '#jobs/job-cache.ts'
import type { Db } from '#postgres/sql.ts'
import { moveProblem } from '#run-state/move/move-outcome.ts'
import { moveRunsIn } from '#run-state/move/move-run.ts'
import { newWait } from '#run-state/move/wait-parts.sql.ts'
import { countAncestors, findRun, type RunRow } from '#run-state/read/read-runs.sql.ts'
import { findValue, putValue } from '../attempts/attempt-writes.sql.ts'
import { lockStandings } from '../attempts/fence.sql.ts'
import { fenceProblem } from '../attempts/fence.ts'
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
  /** Its own name for the child: the same name again means the same child. */
  key?: string | undefined
  /** The parent, which must hold its lease, waits until the child ends, and times out after this long. */
  awaitCompletion?: { timeoutSecs: number } | undefined
}

/** Whoever ends the child wakes the parent, unless its row is locked just then: so it is also polled now and then. */
const FIRST_CHECK_MS = 10_000

/** The state key under which the parent finds the child's outcome. */
export const awaitKey = (childRunId: string): string => `spawn-await:${childRunId}`

/** The state key under which the parent keeps the child that it gave a key. */
const childKey = (key: string): string => `child:${key}`

/** Triggers a run of `jobName` as a child of a run that has not ended. */
export async function spawnRun(ctx: Ctx, jobName: string, request: RunRequest, parent: Parent): Promise<Triggered> {
  const { projectId, parentRunId, awaitCompletion } = parent
  const above = await findRun(ctx.sql, projectId, parentRunId)
  if (!above) throw refuse('run_not_found', { runId: parentRunId })
  if ((await countAncestors(ctx.sql, above.id, DEPTH_MAX)) >= DEPTH_MAX)
    throw refuse('depth_exceeded', { depthMax: DEPTH_MAX })
  const triggered =
    (await findKeyedChild(ctx, above, { key: parent.key, jobName })) ??
    (await createOrKeepChild(ctx, above, { jobName, request, parent }))
  // The child existed already, and may have ended: the wait is checked immediately.
  if (awaitCompletion && triggered.replayed) {
    if (triggered.run.id === above.id) throw refuseField('idempotency_key', 'is the key of the run that would wait')
    const wait = { ...parent, ...awaitCompletion, childRunId: triggered.run.id, checkInMs: 0 }
    await transact(ctx, (tx) => waitForChild(tx, above, wait))
  }
  return triggered
}

/** Somebody else has spawned the child of that key since it was looked for. */
class SpawnedAlready extends Error {}

async function findKeyedChild(
  ctx: Ctx,
  above: RunRow,
  { key, jobName }: { key: string | undefined; jobName: string },
): Promise<Triggered | undefined> {
  const value = key === undefined ? undefined : await findValue(ctx.sql, above.id, childKey(key))
  if (!value) return undefined
  const { run_id: childRunId } = value.value!.value as { run_id: string }
  const run = await findRun(ctx.sql, above.projectId, childRunId)
  if (!run) throw refuse('run_not_found', { runId: childRunId })
  const job = await jobsOf(ctx).find(above.projectId, jobName)
  if (job && job.id !== run.jobId) throw refuseField('key', `is that of a child of job ${run.jobSlug ?? run.jobId}`)
  return { run, replayed: true }
}

async function createOrKeepChild(ctx: Ctx, above: RunRow, child: Child): Promise<Triggered> {
  const { jobName, parent } = child
  const { key } = parent
  try {
    const triggered = await createChild(ctx, above, child)
    // Its idempotency key found a run that was there: from now on the key means that one.
    if (key !== undefined && triggered.replayed) await keepChild(ctx, above, { ...parent, key, child: triggered.run })
    return triggered
  } catch (error) {
    const known = error instanceof SpawnedAlready ? await findKeyedChild(ctx, above, { key, jobName }) : undefined
    if (!known) throw error
    return known
  }
}

async function keepChild(
  ctx: Ctx,
  above: RunRow,
  { projectId, token, key, child }: Parent & { key: string; child: RunRow },
): Promise<void> {
  await transact(ctx, async (tx) => {
    const [now] = await lockStandings(tx, [above.id])
    const problem =
      token === undefined ? undefined : fenceProblem({ projectId, runId: above.id, leaseToken: token }, now)
    if (problem) throw problem
    await insertKeyedChild(tx, above, { key, childId: child.id })
  })
}

/** In a transaction that holds the lock of the parent. */
async function insertKeyedChild(
  tx: Db,
  above: RunRow,
  { key, childId }: { key: string; childId: string },
): Promise<void> {
  if (await findValue(tx, above.id, childKey(key))) throw new SpawnedAlready()
  await putValue(tx, { runId: above.id, key: childKey(key), value: { run_id: childId } })
}

type Child = { jobName: string; request: RunRequest; parent: Parent }

function createChild(ctx: Ctx, above: RunRow, { jobName, request, parent }: Child): Promise<Triggered> {
  const { key, token, actor, causationId, awaitCompletion } = parent
  return createFromRun(ctx, {
    above,
    token,
    actor,
    causationId,
    job: jobName,
    request,
    origin: { triggeredBy: 'spawn', parentRunId: above.id },
    event: {
      type: 'run.child_spawned',
      data: (child, job) => ({ child_run_id: child.id, job: job.slug, ...(key !== undefined && { key }) }),
    },
    also: async (tx, child) => {
      if (key !== undefined) await insertKeyedChild(tx, above, { key, childId: child.id })
      if (awaitCompletion) await waitForChild(tx, above, { ...parent, ...awaitCompletion, childRunId: child.id })
    },
  })
}

type ChildWait = Parent & { childRunId: string; timeoutSecs: number; checkInMs?: number | undefined }

async function waitForChild(tx: Tx, above: RunRow, it: ChildWait): Promise<void> {
  const { childRunId, timeoutSecs, checkInMs } = it
  await refuseWhilePausing(tx, above.id)
  const [changed] = await moveRunsIn(tx, [
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
