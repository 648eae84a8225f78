// Runs that become due are queued, or wait for their dependencies; runs that waited too long for their turn expire.

import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import { SYSTEM } from '#core/event.ts'
import { moveRun } from '#run-state/move/move-run.ts'
import type { RunChange } from '#run-state/move/move-runs.sql.ts'
import { readRuns } from '#run-state/read/read-runs.sql.ts'
import { cancelDescendants } from '../control/cancel-runs.ts'
import { type DueRun, nextTimerInMs, readDueRuns, readExpiredRuns } from './timers.sql.ts'
import { waitOnDependencies } from './wait-on-dependencies.ts'

const BATCH_MAX = 500
/** Of runs that expire together, at most this many are named in the log. */
const RUNS_TOLD_MAX = 10

/** Safe on every node at once: the move compares the state, so the second one moves nothing. */
export const timers = (ctx: Ctx): Duty => ({
  name: 'timers',
  everyMs: 2_000,
  topics: ['timers'],
  async tick() {
    const inMs = await nextTimerInMs(ctx.sql)
    if (inMs === undefined || inMs > 0) return { inMs }
    const [due, expired] = await Promise.all([readDueRuns(ctx.sql, BATCH_MAX), readExpiredRuns(ctx.sql, BATCH_MAX)])
    // Expiry first: a run that is due too late to be useful must not start.
    const gone = new Set(expired)
    await Promise.all([
      ...expired.map((runId) =>
        moveRun(ctx, { runId, move: 'expire', actor: SYSTEM, error: 'run expired', errorCode: 'expired' }),
      ),
      ...due.filter(({ id }) => !gone.has(id)).map((run) => begin(ctx, run)),
    ])
    if (expired.length > 0) {
      const runIds = expired.slice(0, RUNS_TOLD_MAX)
      ctx.log.warn({ runs: expired.length, runIds }, 'runs expired before they started')
      await cancelDescendants(ctx, expired, { actor: SYSTEM })
    }
    return 'again'
  },
})

async function begin(ctx: Ctx, due: DueRun): Promise<unknown> {
  return moveRun(ctx, (due.dependent && (await waiting(ctx, due.id))) || { runId: due.id, move: 'due', actor: SYSTEM })
}

/** Undefined when there is nothing to wait for. */
async function waiting(ctx: Ctx, runId: string): Promise<RunChange | undefined> {
  const [run] = await readRuns(ctx.sql, [runId])
  if (!run?.jobId) return undefined
  const timeoutMs = run.ttlSecs === null ? undefined : run.ttlSecs * 1000
  const wait = await waitOnDependencies(ctx.sql, { ...run, jobId: run.jobId, timeoutMs })
  return wait && { runId, move: 'wait', from: ['delayed'], actor: SYSTEM, wait, data: { for: 'dependencies' } }
}
