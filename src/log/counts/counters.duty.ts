// Keeps counts quick to read: folds the counters of hours that are over into sums.
import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import { whileAlone } from '#postgres/advisory-lock.ts'
import { nameResources } from '../resources.sql.ts'
import { foldEnds } from './end-counts.sql.ts'
import { foldCounts } from './fold-counts.sql.ts'

const ROWS_MAX = 5_000
const NAMES_MAX = 1_000

export const counters = (ctx: Ctx): Duty => ({
  name: 'counters',
  everyMs: 60_000,
  async tick() {
    // One node at a time: two would only wait for each other's sums.
    const more = await whileAlone(ctx.sql, 'counters', async () => {
      const [named, folded] = [await nameResources(ctx.sql, NAMES_MAX), await foldCounts(ctx.sql, ROWS_MAX)]
      const ends = await foldEnds(ctx.sql, ROWS_MAX)
      return named === NAMES_MAX || folded === ROWS_MAX || ends === ROWS_MAX
    })
    return more ? 'again' : { inMs: undefined }
  },
})
