// Events that runs wait for: given to the run that has waited longest, to every run that waits, or kept for those that
// will.

import type { Ctx } from '#bell/ctx.ts'
import { type Tx, transact } from '#bell/transact.ts'
import { refuse } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { appendIn } from '#log/append-event.ts'
import { newId } from '#postgres/id.ts'
import { asMoved } from '#run-state/move/move-outcome.ts'
import { type RunRow, readRuns } from '#run-state/read/read-runs.sql.ts'
import { lockStandings } from '../attempts/fence.sql.ts'
import { endIfDone } from './end-keyed-wait.ts'
import { receivedBy } from './event-facts.ts'
import { insertKeptEvent, type KeptEvent, type Recipients, sumKeptEvents } from './kept-events.sql.ts'
import { callItems, findOldestItem, lockEventKeys, receiveItems } from './wait-items.sql.ts'
import { findWait, findWaitForEvent, type WaitRow } from './waits.sql.ts'
import { giveEvent } from './waits.ts'

/** What a project may have kept. */
export const KEPT_EVENTS_MAX = 10_000
export const KEPT_BYTES_MAX = 256 * 1024 * 1024

export type Sending = Cause & {
  projectId: string
  eventKey: string
  payload: unknown
  to: Recipients
  /** How long it is kept when nobody waits, or for all; zero: not at all. */
  keepSecs: number
}

/** One run that was given the event, or the event that is kept and how many runs it reaches already. */
export type Sent = { run: RunRow; wait: WaitRow } | { kept: KeptEvent; delivered: number }

/** Not woken: the run waits for more. */
type Given = { run: RunRow; wait: WaitRow; woken: boolean }

type SentIn = { given?: Given; kept?: KeptEvent; delivered: number }

/** Sends an event. Refused with `wait_not_found` when no run waits for it and it is not to be kept. */
export async function sendEvent(ctx: Ctx, it: Sending): Promise<Sent> {
  const sent = await transact(ctx, (tx) => sendIn(tx, it))
  if (sent.kept) return { kept: sent.kept, delivered: sent.delivered }
  const { run, wait, woken } = sent.given!
  const [now] = await readRuns(ctx.sql, [run.id])
  return { run: woken ? asMoved(now!, { state: 'queued' }) : now!, wait }
}

/** Gives an event to the run that has waited longest for it; refused when none does. */
export async function sendEventNow(
  ctx: Ctx,
  it: Omit<Sending, 'to' | 'keepSecs'>,
): Promise<{ run: RunRow; wait: WaitRow }> {
  const sent = await sendEvent(ctx, { ...it, to: 'first', keepSecs: 0 })
  if ('kept' in sent) throw new Error('an event that was not to be kept is')
  return sent
}

/** The same as a part of a transaction. */
export async function sendIn(tx: Tx, it: Sending): Promise<SentIn> {
  await lockEventKeys(tx, it.projectId, [it.eventKey])
  return it.to === 'all' ? sendToAll(tx, it) : sendToFirst(tx, it)
}

async function sendToFirst(tx: Tx, it: Sending): Promise<SentIn> {
  let given = await giveToOldest(tx, it)
  for (let tries = 1; given === 'again' && tries < TRIES_MAX; tries++) given = await giveToOldest(tx, it)
  if (given === 'again')
    throw refuse('unavailable', { what: `A run that waits for ${it.eventKey}`, retryAfterMs: 1000 })
  if (given) return { given, delivered: 1 }
  if (it.keepSecs === 0) throw refuse('wait_not_found', { eventKey: it.eventKey })
  return { kept: await keep(tx, it), delivered: 0 }
}

const TRIES_MAX = 20

/** Undefined when no run waits; 'again' when the one that did has just stopped waiting. */
async function giveToOldest(tx: Tx, it: Sending): Promise<Given | 'again' | undefined> {
  const { projectId, eventKey, payload } = it
  const cause = causeOf(it)
  const [wait, item] = [await findWaitForEvent(tx, projectId, eventKey), await findOldestItem(tx, projectId, eventKey)]
  if (wait && !(item && item.createdAt < wait.createdAt)) {
    // It is looked at again once its run is locked.
    await lockStandings(tx, [wait.runId])
    if ((await findWait(tx, wait.runId))?.id !== wait.id) return 'again'
    const run = await giveEvent(tx, wait as WaitRow & { eventKey: string }, { ...cause, payload })
    return { run, wait, woken: true }
  }
  if (!item) return undefined
  await lockStandings(tx, [item.runId])
  const [waiting, still] = [await findWait(tx, item.runId), await findOldestItem(tx, projectId, eventKey)]
  if (!waiting || still?.runId !== item.runId || still.ord !== item.ord) return 'again'
  const [received] = await appendIn(tx, [receivedBy({ projectId, runId: item.runId }, { ...cause, eventKey })])
  if (received!.outcome !== 'appended') throw new Error(`run ${item.runId} waits, and could not be told of its event`)
  await receiveItems(tx, item.runId, [{ ord: item.ord, eventId: received!.id, payload }])
  const ended = await endIfDone(tx, waiting, { actor: it.actor, causationId: received!.id })
  const [run] = ended ? [ended] : await readRuns(tx, [item.runId])
  return { run: run!, wait: waiting, woken: ended !== undefined }
}

/** Runs whose wait is for several things are looked at by the duty: they may be many. */
async function sendToAll(tx: Tx, it: Sending): Promise<SentIn> {
  const { projectId, eventKey, payload } = it
  const wait = await findWaitForEvent(tx, projectId, eventKey)
  const isWaiting = wait && (await lockStandings(tx, [wait.runId])) && (await findWait(tx, wait.runId))?.id === wait.id
  const run = isWaiting
    ? await giveEvent(tx, wait as WaitRow & { eventKey: string }, { ...causeOf(it), payload })
    : undefined
  const kept = await keep(tx, it)
  const called = await callItems(tx, projectId, eventKey)
  if (called > 0) tx.rings.add('waits')
  return { kept, delivered: called + (run ? 1 : 0) }
}

async function keep(tx: Tx, it: Sending): Promise<KeptEvent> {
  const { projectId, eventKey, to, keepSecs, actor, causationId, payload } = it
  const { count, bytes } = await sumKeptEvents(tx, projectId)
  if (count >= KEPT_EVENTS_MAX || bytes >= KEPT_BYTES_MAX)
    throw refuse('too_many_kept_events', { eventsMax: KEPT_EVENTS_MAX, bytesMax: KEPT_BYTES_MAX })
  const id = newId()
  await appendIn(tx, [
    {
      id,
      projectId,
      type: 'event.kept',
      actor,
      causationId,
      resourceType: 'received_event',
      resourceId: eventKey,
      data: { event_key: eventKey, to, keep_secs: keepSecs },
    },
  ])
  return insertKeptEvent(tx, { id, projectId, eventKey, recipients: to, payload, actor, keepSecs })
}

const causeOf = ({ actor, causationId }: Sending): Cause => ({ actor, ...(causationId && { causationId }) })
