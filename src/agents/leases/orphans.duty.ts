// Orphans: live runs below one that ended without completing, or of a deleted job, because their cancel was
// interrupted. They are rare, and nothing else would ever find them.

import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import { SYSTEM } from '#core/event.ts'
import { OVER_STATES } from '#core/run.ts'
import { moveRun } from '#run-state/move/move-run.ts'
import { readOrphans } from '#run-state/read/read-runs.sql.ts'
import { cancelDescendants } from '#runs/control/cancel-runs.ts'

const BATCH_MAX = 500

/** Safe on every node at once: an ended run does not move again. */
export const orphans = (ctx: Ctx): Duty => ({
  name: 'orphans',
  everyMs: 30_000,
  async tick() {
    const ids = await readOrphans(ctx.sql, OVER_STATES, BATCH_MAX)
    await Promise.all(
      ids.map((runId) =>
        moveRun(ctx, {
          runId,
          move: 'cancel',
          actor: SYSTEM,
          error: 'nothing is left that it was for',
          errorCode: 'orphaned',
        }),
      ),
    )
    if (ids.length > 0) await cancelDescendants(ctx, ids, { actor: SYSTEM })
    return ids.length === BATCH_MAX ? 'again' : { inMs: undefined }
  },
})
