// What is old goes: whole partitions of the log and the deltas, and in small batches the rest. Alone, under an
// advisory lock; makes the partitions of the time ahead as well.
import { deleteOldSessions } from '#access/people/sessions.sql.ts'
import { deleteOldAnswerLinks } from '#alerts/answer-links.sql.ts'
import { deleteOldMessages } from '#alerts/channels.sql.ts'
import { deleteOldAlerts } from '#alerts/rules.sql.ts'
import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import { deleteOldOperations } from '#bulk/operations.sql.ts'
import { HOUR_MS } from '#core/durations.ts'
import { deleteOldHookDeliveries } from '#hooks/hooks.sql.ts'
import { deleteOldEnds } from '#log/counts/end-counts.sql.ts'
import { dropPartitions, makePartitions } from '#log/partitions.sql.ts'
import { deleteOldHeldSpans } from '#otlp/held-spans.sql.ts'
import { whileAlone } from '#postgres/advisory-lock.ts'
import { deleteSilentClaimers } from '#run-state/claim/queue-claimers.sql.ts'
import { deleteOldMarks } from '#runs/trigger/admission.sql.ts'
import { deleteExpiredEvents } from '#runs/waits/kept-events.sql.ts'
import { deleteOldSpent } from '#usage/ledger.sql.ts'
import { deleteExpiredLocks } from '#usage/locks.sql.ts'
import { deleteOldUse } from '#usage/plans.sql.ts'
import { deleteOldDeliveries } from '#webhooks/deliveries.sql.ts'
import {
  deleteOldBatches,
  deleteOldDecisions,
  deleteOldRuns,
  deleteStaleKeys,
  deleteUnseenResources,
  dropOldPayloads,
  type Walk,
} from './retention.sql.ts'

/** Days that each class of data is kept; null: forever. */
export type Retention = {
  eventsDays: number | null
  deltasDays: number | null
  payloadsDays: number | null
  runsDays: number | null
}

const BATCH_MAX = 1_000
/** What webhooks sent and were answered. */
const DELIVERIES_DAYS = 7
const MESSAGES_DAYS = 7
const ALERTS_DAYS = 90
/** A walk through old runs begins anew about once a day. */
const SWEEPS_PER_WALK = 24

export const retention = (ctx: Ctx, keep: Retention): Duty => {
  const walks: Walks = { payloads: new Map(), runs: new Map() }
  let sweeps = 0
  return {
    name: 'retention',
    everyMs: HOUR_MS,
    async tick(signal) {
      // Creating partitions is safe everywhere, and must not wait for the node that holds the lock.
      await makePartitions(ctx.sql)
      const more = await whileAlone(ctx.sql, 'retention', () => sweep(ctx, keep, { walks, signal }))
      if (more) return { inMs: 1_000 }
      // Runs that were passed because they lived on are looked at again.
      if (++sweeps % SWEEPS_PER_WALK === 0) for (const walk of Object.values(walks)) walk.clear()
      return { inMs: undefined }
    },
  }
}

type Walks = { payloads: Walk; runs: Walk }

async function sweep(
  ctx: Ctx,
  keep: Retention,
  { walks, signal }: { walks: Walks; signal: AbortSignal },
): Promise<boolean> {
  const dropped = [
    ...(keep.eventsDays === null ? [] : await dropPartitions(ctx.sql, 'events', keep.eventsDays)),
    ...(keep.deltasDays === null ? [] : await dropPartitions(ctx.sql, 'deltas', keep.deltasDays)),
  ]
  if (dropped.length > 0) ctx.log.info({ dropped }, 'dropped old partitions')
  const counts = new Map<string, number>()
  let more = false
  for (let batch = 0; batch < 50 && !signal.aborted; batch++) {
    const swept = await sweepBatch(ctx, keep, walks)
    for (const [name, count] of Object.entries(swept)) counts.set(name, (counts.get(name) ?? 0) + count)
    more = Math.max(...Object.values(swept)) === BATCH_MAX
    if (!more) break
  }
  if ([...counts.values()].some((count) => count > 0)) ctx.log.info(Object.fromEntries(counts), 'deleted old data')
  return more
}

/** One after the other, so that the sweep uses one connection; returns the number of deleted rows of each kind. */
async function sweepBatch({ sql }: Ctx, { payloadsDays, runsDays, eventsDays }: Retention, walks: Walks) {
  return {
    payloads: payloadsDays === null ? 0 : await dropOldPayloads(sql, payloadsDays, BATCH_MAX, walks.payloads),
    runs: runsDays === null ? 0 : await deleteOldRuns(sql, runsDays, BATCH_MAX, walks.runs),
    batches: runsDays === null ? 0 : await deleteOldBatches(sql, runsDays, BATCH_MAX),
    operations: runsDays === null ? 0 : await deleteOldOperations(sql, runsDays, BATCH_MAX),
    ends: runsDays === null ? 0 : await deleteOldEnds(sql, runsDays, BATCH_MAX),
    decisions: runsDays === null ? 0 : await deleteOldDecisions(sql, runsDays, BATCH_MAX),
    keys: await deleteStaleKeys(sql, BATCH_MAX),
    resources: eventsDays === null ? 0 : await deleteUnseenResources(sql, eventsDays, BATCH_MAX),
    locks: await deleteExpiredLocks(sql, BATCH_MAX),
    use: await deleteOldUse(sql, BATCH_MAX),
    claimers: await deleteSilentClaimers(sql, BATCH_MAX),
    spent: await deleteOldSpent(sql, BATCH_MAX),
    hookDeliveries: await deleteOldHookDeliveries(sql, BATCH_MAX),
    keptEvents: await deleteExpiredEvents(sql, BATCH_MAX),
    marks: await deleteOldMarks(sql, BATCH_MAX),
    heldSpans: await deleteOldHeldSpans(sql, BATCH_MAX),
    sessions: await deleteOldSessions(sql, BATCH_MAX),
    deliveries: await deleteOldDeliveries(sql, DELIVERIES_DAYS, BATCH_MAX),
    messages: await deleteOldMessages(sql, MESSAGES_DAYS, BATCH_MAX),
    answerLinks: await deleteOldAnswerLinks(sql, BATCH_MAX),
    alerts: await deleteOldAlerts(sql, ALERTS_DAYS, BATCH_MAX),
  }
}
