// Ends waits that a run gave a key: their time is over, their events have arrived, or their runs have ended. The
// outcome becomes a value of the run, in the transaction that queues it.

import type { Ctx } from '#bell/ctx.ts'
import { queueTopic, runTopic } from '#bell/topics.ts'
import { type Cause, SYSTEM } from '#core/event.ts'
import { appendEvents } from '#log/append-events.sql.ts'
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
export async function endIfDone(tx: Db, wait: WaitRow, cause: Cause): Promise<RunRow | undefined> {
  const outcome = await outcomeNow(tx, wait)
  if (outcome.status === 'waiting') return undefined
  const [run] = await readRuns(tx, [wait.runId])
  return end(tx, { run: run!, outcome, kind: wait.kind, ...cause })
}

async function endUnderLock(ctx: Ctx, wait: WaitRow, judge: (now: WaitOutcome) => WaitOutcome): Promise<boolean> {
  const { run, ended, told } = (await ctx.sql.begin(async (tx) => {
    await lockStandings(tx, [wait.runId])
    // If the run has gone on meanwhile, it gets nothing.
    const [run] = (await findWait(tx, wait.runId))?.id === wait.id ? await readRuns(tx, [wait.runId]) : []
    if (!run) return { run, ended: false, told: false }
    const told = wait.kind === 'items' && (await takeEventsForAll(tx, wait))
    const outcome = judge(await outcomeNow(tx, wait))
    if (outcome.status === 'waiting') return { run, ended: false, told }
    await end(tx, { run, outcome, kind: wait.kind, actor: SYSTEM })
    return { run, ended: true, told }
  })) as { run: RunRow | undefined; ended: boolean; told: boolean }
  if (ended || told) ctx.ring([runTopic(run!.id), ...(ended ? [queueTopic(run!.queue)] : []), 'tail'])
  return ended
}

/** Whether there were any. */
async function takeEventsForAll(tx: Db, { runId, projectId, mode }: WaitRow): Promise<boolean> {
  const open = (await readItems(tx, runId)).flatMap(({ ord, eventKey, eventId, createdAt }) =>
    eventKey === null || eventId !== null ? [] : { ord, eventKey, createdAt },
  )
  if (open.length === 0) return false
  const itemsMax = mode === 'any' ? 1 : open.length
  const found = await readEventsForAll(tx, projectId, { items: open, itemsMax })
  if (found.length === 0) return false
  const events = await appendEvents(
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
  return true
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

async function end(tx: Db, { run, outcome, kind, ...cause }: Ending): Promise<RunRow> {
  await writeOutcome(tx, { projectId: run.projectId, runId: run.id }, { outcome, ...cause })
  const data = { for: kind, key: outcome.key, ...(outcome.status === 'timed_out' && { timed_out: true }) }
  await wake(tx, run, { actor: SYSTEM, ...(cause.causationId && { causationId: cause.causationId }), data })
  return run
}

type Written = { outcome: WaitOutcome } & Cause

export async function writeOutcome(
  tx: Db,
  { projectId, runId }: { projectId: string; runId: string },
  { outcome, actor, causationId }: Written,
): Promise<void> {
  const key = waitKey(outcome.key)
  await appendEvents(tx, [{ projectId, runId, type: 'state.set', actor, causationId, data: { key } }])
  await putValue(tx, { runId, key, value: outcome })
}
