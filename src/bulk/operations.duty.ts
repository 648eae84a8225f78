// Processes bulk operations: each tick a page of the operation whose turn it is.
import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import { moveNextPage } from './operation-pages.ts'

/** Safe on every node at once: an operation that another node is processing is skipped. */
export const operations = (ctx: Ctx): Duty => ({
  name: 'operations',
  everyMs: 5_000,
  topics: ['operations'],
  async tick() {
    const outcome = await moveNextPage(ctx)
    if (outcome === 'moved') return 'again'
    return { inMs: outcome === 'failed' ? 1_000 : undefined }
  },
})
