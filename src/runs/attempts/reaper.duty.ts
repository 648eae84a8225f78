// Expired leases: an attempt past its timeout, or one whose executor is gone. The run is retried while
// attempts remain.
import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import { SYSTEM } from '#core/event.ts'
import { type Ending, endAttempts } from './end-attempts.ts'
import { type Expired, readExpiredLeases } from './leases.sql.ts'

const BATCH_MAX = 500

/** Safe on every node at once: each move is fenced by the expired lease. */
export const reaper = (ctx: Ctx): Duty => ({
  name: 'reaper',
  everyMs: 1_000,
  async tick() {
    const expired = await readExpiredLeases(ctx.sql, BATCH_MAX)
    if (expired.length === 0) return { inMs: undefined }
    const ended = await endAttempts(ctx, expired.map(endingOf))
    ctx.log.info(
      { leases: expired.length, ended: ended.filter((it) => !(it instanceof Error)).length },
      'leases expired',
    )
    return expired.length === BATCH_MAX ? 'again' : { inMs: undefined }
  },
})

function endingOf(lease: Expired): Ending {
  const base = { runId: lease.runId, token: lease.token, actor: SYSTEM, onlyExpired: true as const }
  // Claimed into a buffer and never started: no attempt is used up.
  if (lease.state === 'dequeued') return { ...base, kind: 'returned' }
  // It was asked to pause, and its grace period is over.
  if (lease.told === 'pause') return { ...base, kind: 'paused' }
  return lease.overdue
    ? {
        ...base,
        kind: 'timed_out',
        error: `timed out after ${lease.timeoutSecs} s`,
        errorCode: 'timeout',
        retryable: true,
      }
    : {
        ...base,
        kind: 'crashed',
        error: `lost contact with ${lease.owner}`,
        errorCode: 'heartbeat_lost',
        retryable: true,
      }
}
