// Checks whether what a run waits for has happened; if so, the run continues.

import type { Ctx } from '#bell/ctx.ts'
import { SYSTEM } from '#core/event.ts'
import { isOver } from '#core/run.ts'
import { readDependencyStandings } from '#jobs/dependencies.sql.ts'
import { recordOfRun } from '#log/record.ts'
import { moveRun } from '#run-state/move/move-run.ts'
import { readRuns } from '#run-state/read/read-runs.sql.ts'
import { putValue } from '../attempts/attempt-writes.sql.ts'
import { awaitKey } from '../control/spawn-run.ts'
import { endKeyedWait } from './end-keyed-wait.ts'
import { GONE, readEnds } from './keyed-outcome.ts'
import { findWait, type WaitRow } from './waits.sql.ts'
import { requeued, wake } from './waits.ts'

/** False when the run has to keep waiting. */
export async function endWait(ctx: Ctx, wait: WaitRow): Promise<boolean> {
  switch (wait.kind) {
    case 'event':
    case 'input':
      // Only the event itself, or the answer, ends it.
      return false
    case 'child':
      return endChildWait(ctx, wait)
    case 'dependencies':
      return endDependencyWait(ctx, wait)
    case 'sleep':
    case 'items':
      return endKeyedWait(ctx, wait)
  }
}

async function endDependencyWait(ctx: Ctx, wait: WaitRow): Promise<boolean> {
  const standings = await readDependencyStandings(ctx.sql, wait.jobId!, wait.matchKey)
  if (!standings.every((it) => it.met)) return false
  const [run] = await readRuns(ctx.sql, [wait.runId])
  if (!run) return false
  const data = { for: 'dependencies', run_ids: standings.map((it) => it.runId) }
  const changed = await moveRun(ctx, {
    runId: run.id,
    move: 'wake',
    waitId: wait.id,
    actor: SYSTEM,
    data,
    ...requeued(run),
  })
  return changed.outcome === 'moved'
}

/** The child's outcome is stored in the parent's state: the next call of its handler finds it there. */
async function endChildWait(ctx: Ctx, wait: WaitRow): Promise<boolean> {
  const [child] = await readRuns(ctx.sql, [wait.childRunId!])
  if (child && !isOver(child.state)) return false
  const value = child
    ? (await readEnds(ctx.sql, [child])).get(child.id)!
    : { run_id: wait.childRunId, status: null, error: GONE }
  const key = awaitKey(wait.childRunId!)
  const event = { projectId: wait.projectId, runId: wait.runId, type: 'state.set', actor: SYSTEM, data: { key } }
  return recordOfRun<boolean>(ctx, event, async (tx, appended, rollBack) => {
    // The run is locked now: if it has continued meanwhile, it gets nothing.
    if ((await findWait(tx, wait.runId))?.id !== wait.id || appended.outcome !== 'appended') return rollBack(false)
    const [run] = await readRuns(tx, [wait.runId])
    await putValue(tx, { runId: wait.runId, key, value })
    await wake(tx, run!, {
      actor: SYSTEM,
      causationId: appended.id,
      data: { for: 'child', child_run_id: value.run_id, child_status: value.status },
    })
    return true
  })
}
