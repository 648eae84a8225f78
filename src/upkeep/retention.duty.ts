// What is old goes: whole partitions of the log and the deltas, and in small batches the rest. Alone, under an
// advisory lock; makes the partitions of the time ahead as well.
import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import { deleteOldOperations } from '#bulk/operations.sql.ts'
import { dropPartitions, makePartitions } from '#log/partitions.sql.ts'
import { deleteSilentClaimers } from '#run-state/claim/queue-claimers.sql.ts'
import { deleteExpiredLocks } from '#usage/locks.sql.ts'
import { deleteOldUse } from '#usage/plans.sql.ts'
import {
  deleteOldBatches,
  deleteOldDecisions,
  deleteOldRuns,
  deleteStaleKeys,
  deleteUnseenResources,
  dropOldPayloads,
  whileAlone,
} from './retention.sql.ts'

/** Days that each class of data is kept; null for ever. */
export type Retention = {
  eventsDays: number | null
  deltasDays: number | null
  payloadsDays: number | null
  runsDays: number | null
}

const BATCH_MAX = 1_000
const HOUR_MS = 3_600_000

export const retention = (ctx: Ctx, keep: Retention): Duty => ({
  name: 'retention',
  everyMs: HOUR_MS,
  async tick(signal) {
    // Making partitions is safe everywhere, and must not wait for a node that holds the lock.
    await makePartitions(ctx.sql)
    const more = await whileAlone(ctx.sql, 'retention', () => sweep(ctx, keep, signal))
    return more ? { inMs: 1_000 } : { inMs: undefined }
  },
})

async function sweep(ctx: Ctx, keep: Retention, signal: AbortSignal): Promise<boolean> {
  const dropped = [
    ...(keep.eventsDays === null ? [] : await dropPartitions(ctx.sql, 'events', keep.eventsDays)),
    ...(keep.deltasDays === null ? [] : await dropPartitions(ctx.sql, 'deltas', keep.deltasDays)),
  ]
  if (dropped.length > 0) ctx.log.info({ dropped }, 'dropped old partitions')
  const counts = {
    payloads: 0,
    runs: 0,
    batches: 0,
    operations: 0,
    decisions: 0,
    keys: 0,
    resources: 0,
    locks: 0,
    use: 0,
    claimers: 0,
  }
  let more = false
  for (let batch = 0; batch < 50 && !signal.aborted; batch++) {
    const payloads = keep.payloadsDays === null ? 0 : await dropOldPayloads(ctx.sql, keep.payloadsDays, BATCH_MAX)
    const runs = keep.runsDays === null ? 0 : await deleteOldRuns(ctx.sql, keep.runsDays, BATCH_MAX)
    const batches = keep.runsDays === null ? 0 : await deleteOldBatches(ctx.sql, keep.runsDays, BATCH_MAX)
    const operations = keep.runsDays === null ? 0 : await deleteOldOperations(ctx.sql, keep.runsDays, BATCH_MAX)
    const decisions = keep.runsDays === null ? 0 : await deleteOldDecisions(ctx.sql, keep.runsDays, BATCH_MAX)
    const keys = await deleteStaleKeys(ctx.sql, BATCH_MAX)
    const resources = keep.eventsDays === null ? 0 : await deleteUnseenResources(ctx.sql, keep.eventsDays, BATCH_MAX)
    const locks = await deleteExpiredLocks(ctx.sql, BATCH_MAX)
    const use = await deleteOldUse(ctx.sql, BATCH_MAX)
    const claimers = await deleteSilentClaimers(ctx.sql, BATCH_MAX)
    counts.payloads += payloads
    counts.runs += runs
    counts.batches += batches
    counts.operations += operations
    counts.decisions += decisions
    counts.keys += keys
    counts.resources += resources
    counts.locks += locks
    counts.use += use
    counts.claimers += claimers
    more = Math.max(payloads, runs, batches, operations, decisions, keys, resources, locks, use, claimers) === BATCH_MAX
    if (!more) break
  }
  if (Object.values(counts).some((count) => count > 0)) ctx.log.info(counts, 'swept what is old')
  return more
}
