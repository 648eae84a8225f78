// Expires input requests that nobody answered in time.
import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import { nextInputInMs, readExpiredInputs } from './input-requests.sql.ts'
import { expireInput } from './input-requests.ts'

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
