// Keeps counts quick to read: folds the counters of hours that are over into sums.
import type { Ctx } from '#actions/ctx.ts'
import { foldCounts } from '#storage/fold-counts.ts'
import { nameResources } from '#storage/resources.ts'
import { whileAlone } from '#storage/retention.ts'
import type { Duty } from './loop.ts'

const ROWS_MAX = 5_000
const NAMES_MAX = 1_000

export const counters = (ctx: Ctx): Duty => ({
  name: 'counters',
  everyMs: 60_000,
  async tick() {
    // One node at a time: two would only wait for each other's sums.
    const more = await whileAlone(ctx.sql, 'counters', async () => {
      const [named, folded] = [await nameResources(ctx.sql, NAMES_MAX), await foldCounts(ctx.sql, ROWS_MAX)]
      return named === NAMES_MAX || folded === ROWS_MAX
    })
    return more ? 'again' : { inMs: undefined }
  },
})
