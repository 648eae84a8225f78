// Runs that wait are looked at when what they wait for may have come, and given up when their time is over.
import { cancelDescendants } from '#actions/cancel-runs.ts'
import type { Ctx } from '#actions/ctx.ts'
import { endWait } from '#actions/end-wait.ts'
import { SYSTEM } from '#core/event.ts'
import { nextWaitInMs, postponeWaits, readDueWaits, readExpiredWaits, type WaitRow } from '#storage/waits.ts'
import type { Duty } from './loop.ts'

const BATCH_MAX = 200
/** Looked at side by side: each takes a statement or two, and the engine has few connections. */
const PARALLEL_MAX = 2
const RETRY_MS = 1_000

/** Safe on every node at once: a run goes on once, whoever finds out that it may. */
export const waits = (ctx: Ctx): Duty => ({
  name: 'waits',
  everyMs: 5_000,
  topics: ['waits'],
  async tick() {
    const inMs = await nextWaitInMs(ctx.sql)
    if (inMs === undefined || inMs > 0) return { inMs }
    const expired = await readExpiredWaits(ctx.sql, BATCH_MAX)
    const givenUp = await Promise.all(expired.map((wait) => giveUp(ctx, wait)))
    const due = await readDueWaits(ctx.sql, BATCH_MAX)
    const left: WaitRow[] = []
    for (let at = 0; at < due.length; at += PARALLEL_MAX) {
      const some = due.slice(at, at + PARALLEL_MAX)
      const ended = await Promise.all(some.map((wait) => endWait(ctx, wait)))
      left.push(...some.filter((_, index) => !ended[index]))
    }
    if (left.length > 0) await postponeWaits(ctx.sql, left)
    // Somebody else may be ending those that are left this very moment.
    return due.length > 0 || givenUp.includes(true) ? 'again' : { inMs: RETRY_MS }
  },
})

const FOR = {
  event: (wait: WaitRow) => `the event ${wait.eventKey}`,
  child: (wait: WaitRow) => `its child ${wait.childRunId}`,
  dependencies: () => 'the jobs that it depends on',
  input: () => 'an answer',
}

async function giveUp(ctx: Ctx, wait: WaitRow): Promise<boolean> {
  const { runId } = wait
  const error = `timed out waiting for ${FOR[wait.kind](wait)}`
  const changed = await ctx.moveRun({
    runId,
    move: 'timeOut',
    from: ['waiting'],
    actor: SYSTEM,
    error,
    errorCode: 'wait_timeout',
    data: { error, error_code: 'wait_timeout' },
  })
  if (changed.outcome !== 'moved') return false
  await cancelDescendants(ctx, [runId], { actor: SYSTEM })
  ctx.ring([`run:${runId}`, 'slots', 'tail'])
  return true
}
