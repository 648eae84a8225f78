// Ends waits that a run gave a key: their time is over, their events have arrived, or their runs have ended. The
// outcome becomes a value of the run, in the transaction that queues it.

import type { Ctx } from '#bell/ctx.ts'
import { type Tx, transact } from '#bell/transact.ts'
import { type Cause, SYSTEM } from '#core/event.ts'
import { appendIn } from '#log/append-event.ts'
import type { Db } from '#postgres/sql.ts'
import { type RunRow, readRuns } from '#run-state/read/read-runs.sql.ts'
import { putValue } from '../attempts/attempt-writes.sql.ts'
import { lockStandings } from '../attempts/fence.sql.ts'
import { receivedBy, senderOf } from './event-facts.ts'
import { readEventsForAll } from './kept-events.sql.ts'
import { decided, itemOutcomes, knownItems, type WaitOutcome, waitKey } from './keyed-outcome.ts'
import { readItems, receiveItems } from './wait-items.sql.ts'
import { findWait, type WaitRow } from './waits.sql.ts'
import { wake } from './waits.ts'

/** False when the run has to keep waiting. */
export const endKeyedWait = (ctx: Ctx, wait: WaitRow): Promise<boolean> => endUnderLock(ctx, wait, (now) => now)

/** Its time is over, and the run goes on all the same. False when something else has ended the wait. */
export const endOverdueWait = (ctx: Ctx, wait: WaitRow): Promise<boolean> =>
  endUnderLock(ctx, wait, (now) => (now.status === 'waiting' ? { ...now, status: 'timed_out' } : now))

/** In a transaction that holds the lock of the run, after one of its events was received; undefined: it waits on. */
export async function endIfDone(tx: Tx, wait: WaitRow, cause: Cause): Promise<RunRow | undefined> {
  const outcome = await outcomeNow(tx, wait)
  if (outcome.status === 'waiting') return undefined
  const [run] = await readRuns(tx, [wait.runId])
  return end(tx, { run: run!, outcome, kind: wait.kind, ...cause })
}

const endUnderLock = (ctx: Ctx, wait: WaitRow, judge: (now: WaitOutcome) => WaitOutcome): Promise<boolean> =>
  transact(ctx, async (tx) => {
    await lockStandings(tx, [wait.runId])
    // If the run has gone on meanwhile, it gets nothing.
    const [run] = (await findWait(tx, wait.runId))?.id === wait.id ? await readRuns(tx, [wait.runId]) : []
    if (!run) return false
    if (wait.kind === 'items') await takeEventsForAll(tx, wait)
    const outcome = judge(await outcomeNow(tx, wait))
    if (outcome.status === 'waiting') return false
    await end(tx, { run, outcome, kind: wait.kind, actor: SYSTEM })
    return true
  })

async function takeEventsForAll(tx: Tx, { runId, projectId, mode }: WaitRow): Promise<void> {
  const open = (await readItems(tx, runId)).flatMap(({ ord, eventKey, eventId, createdAt }) =>
    eventKey === null || eventId !== null ? [] : { ord, eventKey, createdAt },
  )
  if (open.length === 0) return
  const itemsMax = mode === 'any' ? 1 : open.length
  const found = await readEventsForAll(tx, projectId, { items: open, itemsMax })
  if (found.length === 0) return
  const events = await appendIn(
    tx,
    found.map((kept) =>
      receivedBy({ projectId, runId }, { eventKey: kept.eventKey, causationId: kept.id, actor: senderOf(kept) }),
    ),
  )
  const received = found.map(({ ord, payload }, index) => {
    const told = events[index]!
    if (told.outcome !== 'appended') throw new Error(`run ${runId} waits, and could not be told of its event`)
    return { ord, eventId: told.id, payload }
  })
  await receiveItems(tx, runId, received)
}

async function outcomeNow(tx: Db, wait: WaitRow): Promise<WaitOutcome> {
  const key = wait.key!
  if (wait.kind === 'sleep')
    return { key, status: 'done', until: wait.checkAt?.toISOString() ?? null, winner: null, items: [] }
  const items = await knownItems(tx, await readItems(tx, wait.runId))
  const is = decided(wait.mode!, items)
  return {
    key,
    status: is ? 'done' : 'waiting',
    until: wait.expiresAt?.toISOString() ?? null,
    winner: is?.winner ?? null,
    items: await itemOutcomes(tx, items),
  }
}

type Ending = Cause & { run: RunRow; outcome: WaitOutcome; kind: WaitRow['kind'] }

async function end(tx: Tx, { run, outcome, kind, ...cause }: Ending): Promise<RunRow> {
  await writeOutcome(tx, { projectId: run.projectId, runId: run.id }, { outcome, ...cause })
  const data = { for: kind, key: outcome.key, ...(outcome.status === 'timed_out' && { timed_out: true }) }
  await wake(tx, run, { actor: SYSTEM, ...(cause.causationId && { causationId: cause.causationId }), data })
  return run
}

type Written = { outcome: WaitOutcome } & Cause

export async function writeOutcome(
  tx: Tx,
  { projectId, runId }: { projectId: string; runId: string },
  { outcome, actor, causationId }: Written,
): Promise<void> {
  const key = waitKey(outcome.key)
  await appendIn(tx, [{ projectId, runId, type: 'state.set', actor, causationId, data: { key } }])
  await putValue(tx, { runId, key, value: outcome })
}
