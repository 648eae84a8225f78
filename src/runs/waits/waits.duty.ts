// Waiting runs are checked when what they wait for may have happened, and time out.

import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import { SYSTEM } from '#core/event.ts'
import { moveRun } from '#run-state/move/move-run.ts'
import { logEnding } from '../attempts/log-ending.ts'
import { cancelDescendants } from '../control/cancel-runs.ts'
import { endKeyedWait, endOverdueWait } from './end-keyed-wait.ts'
import { endWait } from './end-wait.ts'
import {
  dropWait,
  nextWaitInMs,
  postponeWaits,
  readDueWaits,
  readExpiredWaits,
  takeJobCalls,
  type WaitRow,
} from './waits.sql.ts'

const BATCH_MAX = 200
/** Checked concurrently: each takes a statement or two, and the engine has few connections. */
const PARALLEL_MAX = 2
const RETRY_MS = 1_000

/** Safe on every node at once: a run continues once, whoever finds out that it may. */
export const waits = (ctx: Ctx): Duty => ({
  name: 'waits',
  everyMs: 5_000,
  topics: ['waits'],
  async tick() {
    const inMs = await nextWaitInMs(ctx.sql)
    if (inMs === undefined || inMs > 0) return { inMs }
    const called = await takeJobCalls(ctx.sql, BATCH_MAX)
    const expired = await readExpiredWaits(ctx.sql, BATCH_MAX)
    const givenUp = await each(ctx, expired, giveUp)
    const due = await readDueWaits(ctx.sql, BATCH_MAX)
    const ended = await each(ctx, due, endWait)
    const left = due.filter((_, index) => !ended[index])
    if (left.length > 0) await postponeWaits(ctx.sql, left)
    // Someone else may be ending the remaining ones at this very moment.
    return called > 0 || due.length > 0 || givenUp.includes(true) ? 'again' : { inMs: RETRY_MS }
  },
})

/** Each on its own: a wait that cannot be ended is logged, and delays no other. */
async function each(
  ctx: Ctx,
  waits: readonly WaitRow[],
  act: (ctx: Ctx, wait: WaitRow) => Promise<boolean>,
): Promise<boolean[]> {
  const done: boolean[] = []
  for (let at = 0; at < waits.length; at += PARALLEL_MAX) {
    const some = waits.slice(at, at + PARALLEL_MAX).map((wait) =>
      act(ctx, wait).catch(async (error: unknown) => {
        ctx.log.error(
          { err: error, runId: wait.runId, wait: wait.kind },
          'a wait could not be ended; it will be retried',
        )
        await dropWait(ctx.sql, wait)
        return false
      }),
    )
    done.push(...(await Promise.all(some)))
  }
  return done
}

const FOR = {
  event: (wait: WaitRow) => `the event ${wait.eventKey}`,
  child: (wait: WaitRow) => `its child ${wait.childRunId}`,
  dependencies: () => 'the jobs that it depends on',
  input: () => 'an answer',
  sleep: () => 'its sleep to end',
  items: (wait: WaitRow) => `the items of wait "${wait.key}"`,
}

async function giveUp(ctx: Ctx, wait: WaitRow): Promise<boolean> {
  if (wait.kind === 'items') {
    // What has come by now counts, although nobody has looked yet.
    if (wait.onTimeout === 'continue') return endOverdueWait(ctx, wait)
    if (await endKeyedWait(ctx, wait)) return true
  }
  const { runId } = wait
  const error = `timed out waiting for ${FOR[wait.kind](wait)}`
  const changed = await moveRun(ctx, {
    runId,
    move: 'timeOut',
    from: ['waiting'],
    waitId: wait.id,
    actor: SYSTEM,
    error,
    errorCode: 'wait_timeout',
    data: { error, error_code: 'wait_timeout' },
  })
  if (changed.outcome !== 'moved') return false
  logEnding(ctx.log, { runId, kind: 'timed_out', error, errorCode: 'wait_timeout' }, { ended: changed })
  await cancelDescendants(ctx, [runId], { actor: SYSTEM })
  return true
}
