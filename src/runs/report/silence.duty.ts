// External runs end by the reports of others. One that nobody has reported on for long is not executing any more,
// whatever its last event said, and ends here.

import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import { type Tx, transact } from '#bell/transact.ts'
import { SYSTEM } from '#core/event.ts'
import { moveRunsIn } from '#run-state/move/move-run.ts'
import { lockSilentRuns } from '#run-state/silent-runs.sql.ts'
import { cancelDescendants } from '../control/cancel-runs.ts'

const BATCH_MAX = 500
const LOOK_MS_MIN = 1_000
const LOOK_MS_MAX = 600_000

/** Safe on every node at once: each processes runs that no other has locked. */
export const silence = (ctx: Ctx, silenceSecs: number | null): Duty => ({
  name: 'silence',
  everyMs: Math.min(LOOK_MS_MAX, Math.max(LOOK_MS_MIN, (silenceSecs ?? Number.POSITIVE_INFINITY) * 100)),
  async tick() {
    if (silenceSecs === null) return { inMs: undefined }
    const { looked, ended } = await transact(ctx, (tx) => endSilent(tx, silenceSecs))
    if (ended.length > 0) {
      ctx.log.info({ runs: ended.length, silenceSecs }, 'external runs without new events have timed out')
      await cancelDescendants(ctx, ended, { actor: SYSTEM })
    }
    return looked === BATCH_MAX ? 'again' : { inMs: undefined }
  },
})

async function endSilent(tx: Tx, silenceSecs: number): Promise<{ looked: number; ended: string[] }> {
  const { looked, silent } = await lockSilentRuns(tx, silenceSecs, BATCH_MAX)
  const error = `no event was reported for ${silenceSecs} s`
  const moved =
    silent.length === 0
      ? []
      : await moveRunsIn(
          tx,
          silent.map((runId) => ({
            runId,
            move: 'timeOut',
            actor: SYSTEM,
            error,
            errorCode: 'silent',
            message: error,
            data: { silence_secs: silenceSecs },
          })),
        )
  return { looked, ended: silent.filter((_, index) => moved[index]!.outcome === 'moved') }
}
