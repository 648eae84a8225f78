// Input requests that nobody answered in time.
import type { Ctx } from '#actions/ctx.ts'
import { expireInput } from '#actions/input-requests.ts'
import { nextInputInMs, readExpiredInputs } from '#storage/input-requests.ts'
import type { Duty } from './loop.ts'

const BATCH_MAX = 100

/** Safe on every node at once: a request ends once. */
export const inputs = (ctx: Ctx): Duty => ({
  name: 'inputs',
  everyMs: 10_000,
  topics: ['inputs'],
  async tick() {
    const inMs = await nextInputInMs(ctx.sql)
    if (inMs === undefined || inMs > 0) return { inMs }
    for (const row of await readExpiredInputs(ctx.sql, BATCH_MAX)) await expireInput(ctx, row)
    return 'again'
  },
})
