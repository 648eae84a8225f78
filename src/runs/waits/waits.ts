// Waiting runs: for an event, for a child, or for the runs that their job depends on. Every wait is ended
// here; a run that continues is queued again with the same attempt.

import type { Ctx } from '#bell/ctx.ts'
import { type Tx, transact } from '#bell/transact.ts'
import { type Refusal, refuse } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { appendIn } from '#log/append-event.ts'
import { newId } from '#postgres/id.ts'
import { type Db, isDuplicate } from '#postgres/sql.ts'
import { moveProblem } from '#run-state/move/move-outcome.ts'
import { moveRunsIn } from '#run-state/move/move-run.ts'
import type { RunChange } from '#run-state/move/move-runs.sql.ts'
import { newWait } from '#run-state/move/wait-parts.sql.ts'
import { type RunRow, readRuns } from '#run-state/read/read-runs.sql.ts'
import type { Attempt } from '../attempts/attempt-calls.ts'
import { insertCheckpoint } from '../attempts/attempt-writes.sql.ts'
import { findLease } from '../attempts/leases.sql.ts'
import { receivedBy, senderOf } from './event-facts.ts'
import { takeKeptEvent } from './kept-events.sql.ts'
import { lockEventKeys } from './wait-items.sql.ts'
import { findWaitForEvent } from './waits.sql.ts'

/** The source of the checkpoint that an event leaves. */
export const EVENT_SOURCE = 'event_trigger'

/** Suspends an executing run until an event with this key arrives; after `timeoutSecs` it times out. */
export async function waitForEvent(
  ctx: Ctx,
  it: Attempt,
  { eventKey, timeoutSecs }: { eventKey: string; timeoutSecs: number },
): Promise<{ run: RunRow; waitId: string; expiresAt: Date }> {
  await refuseWhilePausing(ctx.sql, it.runId)
  const wait = newWait('event', { eventKey, timeoutMs: timeoutSecs * 1000 })
  const change: RunChange = {
    runId: it.runId,
    move: 'wait',
    from: ['executing'],
    token: it.token,
    actor: it.actor,
    wait,
    data: { for: 'event', event_key: eventKey, timeout_secs: timeoutSecs },
  }
  await transact(ctx, async (tx) => {
    await lockEventKeys(tx, it.projectId, [eventKey])
    const [changed] = await moveRunsIn(tx, [change])
    // A run that already waits for something else does not wait for this.
    const problem =
      changed!.outcome === 'already'
        ? refuse('wrong_state', { runId: it.runId, state: 'waiting', needs: ['executing'] })
        : moveProblem(it.runId, 'wait', changed!)
    if (problem) throw problem
    const kept = await takeKeptEvent(tx, it.projectId, eventKey)
    if (!kept) return
    const cause = { causationId: kept.id, actor: senderOf(kept) }
    await giveEvent(tx, { runId: it.runId, projectId: it.projectId, eventKey }, { ...cause, payload: kept.payload })
  }).catch((error: unknown) => {
    if (isDuplicate(error)) throw refuse('wait_key_taken', { eventKey })
    throw error
  })
  const [run] = await readRuns(ctx.sql, [it.runId])
  return { run: run!, waitId: wait.id, expiresAt: new Date(ctx.nowMs() + timeoutSecs * 1000) }
}

type Given = Cause & { payload: unknown }

/** The payload becomes the checkpoint that the run goes on from. In a transaction; the caller holds the key's lock. */
export async function giveEvent(
  tx: Tx,
  { runId, projectId, eventKey }: { runId: string; projectId: string; eventKey: string },
  { payload, ...cause }: Given,
): Promise<RunRow> {
  const [received] = await appendIn(tx, [receivedBy({ projectId, runId }, { ...cause, eventKey })])
  // Of two simultaneous senders that found one wait, the second learns that it has ended.
  const still = await findWaitForEvent(tx, projectId, eventKey)
  if (still?.runId !== runId || received!.outcome !== 'appended') throw refuse('wait_not_found', { eventKey })
  const [run] = await readRuns(tx, [runId])
  const { number } = await insertCheckpoint(tx, {
    id: newId(),
    runId,
    attempt: run!.attempt,
    source: EVENT_SOURCE,
    state: payload,
  })
  const data = { for: 'event', event_key: eventKey, checkpoint: number }
  await wake(tx, run!, { actor: cause.actor, causationId: received!.id, data })
  return run!
}

/** An attempt that was asked to pause must stop, and must not wait for something else instead. */
export async function refuseWhilePausing(sql: Db, runId: string): Promise<void> {
  if ((await findLease(sql, runId))?.told === 'pause') throw refuse('pause_requested', { runId })
}

/** Queues a waiting run, in a transaction that holds its lock. */
export async function wake(
  tx: Tx,
  run: RunRow,
  about: Pick<RunChange, 'actor' | 'causationId' | 'data'>,
): Promise<void> {
  const [changed] = await moveRunsIn(tx, [{ runId: run.id, move: 'wake', ...about, ...requeued(run) }])
  const problem: Refusal | undefined = moveProblem(run.publicId, 'wake', changed!)
  if (problem) throw problem
}

/** Its time to live starts again: it has waited through no fault of its own. */
export const requeued = (run: RunRow): Pick<RunChange, 'dueInMs' | 'ttlMs'> => ({
  dueInMs: 0,
  ...(run.ttlSecs !== null && { ttlMs: run.ttlSecs * 1000 }),
})
