// Runs that become due are queued; runs that waited too long for their turn expire.
import { cancelDescendants } from '#actions/cancel-runs.ts'
import type { Ctx } from '#actions/ctx.ts'
import { SYSTEM } from '#core/event.ts'
import { readRuns } from '#storage/read-runs.ts'
import { nextTimerInMs, readDueRuns, readExpiredRuns } from '#storage/timers.ts'
import type { Duty } from './loop.ts'

const BATCH_MAX = 500

/** Safe on every node at once: the move compares the state, and whoever comes second moves nothing. */
export const timers = (ctx: Ctx): Duty => ({
  name: 'timers',
  everyMs: 2_000,
  topics: ['timers'],
  async tick() {
    const [due, expired] = await Promise.all([readDueRuns(ctx.sql, BATCH_MAX), readExpiredRuns(ctx.sql, BATCH_MAX)])
    // Expiry first: a run that is due too late to be of use must not begin.
    const gone = new Set(expired)
    await Promise.all([
      ...expired.map((runId) =>
        ctx.moveRun({ runId, move: 'expire', actor: SYSTEM, error: 'run expired', errorCode: 'expired' }),
      ),
      ...due.filter((runId) => !gone.has(runId)).map((runId) => ctx.moveRun({ runId, move: 'due', actor: SYSTEM })),
    ])
    if (expired.length > 0) await cancelDescendants(ctx, expired, { actor: SYSTEM })
    if (due.length + expired.length > 0) {
      const runs = await readRuns(ctx.sql, due)
      ctx.ring([
        ...new Set(runs.map((run) => `queue:${run.queue}`)),
        ...due.concat(expired).map((id) => `run:${id}`),
        'tail',
      ])
    }
    if (due.length === BATCH_MAX || expired.length === BATCH_MAX) return 'again'
    return { inMs: await nextTimerInMs(ctx.sql) }
  },
})
