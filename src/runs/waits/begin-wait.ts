// A running attempt begins a wait under a key of its own. The same key again, from a retry, a later entry or a later
// attempt, is the same wait: once it is over it is answered, and until then the run rests.

import type { Ctx } from '#bell/ctx.ts'
import { type Tx, transact } from '#bell/transact.ts'
import { refuse, refuseField } from '#core/error.ts'
import { appendIn } from '#log/append-event.ts'
import type { Db } from '#postgres/sql.ts'
import { moveProblem } from '#run-state/move/move-outcome.ts'
import { moveRunsIn } from '#run-state/move/move-run.ts'
import { type NewWait, newWait, type OnTimeout, type WaitMode } from '#run-state/move/wait-parts.sql.ts'
import { findRuns, idsOf, type RunRow, readRuns } from '#run-state/read/read-runs.sql.ts'
import type { Attempt } from '../attempts/attempt-calls.ts'
import { findValue } from '../attempts/attempt-writes.sql.ts'
import { lockStandings } from '../attempts/fence.sql.ts'
import { fenceProblem } from '../attempts/fence.ts'
import { writeOutcome } from './end-keyed-wait.ts'
import { receivedBy, senderOf } from './event-facts.ts'
import { type KeptHead, readKeptEvents, takeKeptPayloads } from './kept-events.sql.ts'
import {
  decided,
  type ItemName,
  isDone,
  isSameWait,
  itemOutcomes,
  type Known,
  keptOutcome,
  knownItems,
  type WaitOutcome,
  waitKey,
} from './keyed-outcome.ts'
import { insertItems, lockEventKeys, lockWaitGraph, reachesRun, readItems } from './wait-items.sql.ts'
import { findWait } from './waits.sql.ts'
import { refuseWhilePausing } from './waits.ts'

/** An event by its key, or a run by the id that its client knows. */
export type ItemAsked = { eventKey: string } | { runId: string }

export type WaitAsked = { key: string } & (
  | { kind: 'sleep'; until: Date }
  | { kind: 'items'; items: readonly ItemAsked[]; mode: WaitMode; timeoutSecs: number; onTimeout: OnTimeout }
)

/** Answers what became of the wait; while it is `waiting`, the run rests, and its lease has ended. */
export async function beginWait(
  ctx: Ctx,
  it: Attempt,
  asked: WaitAsked,
): Promise<{ run: RunRow; outcome: WaitOutcome }> {
  const named = asked.kind === 'items' ? asked.items.flatMap((item) => ('runId' in item ? item.runId : [])) : []
  const runs = named.length > 0 ? await findRuns(ctx.sql, it.projectId, named) : new Map<string, RunRow>()
  const outcome = await transact(ctx, async (tx) => {
    if (asked.kind === 'items') await lockWhatIsAwaited(tx, it.projectId, asked.items)
    // Only then: what is known of the key outlives the runs that it was for.
    return (await findOutcome(tx, it, { ...asked, runs })) ?? begin(tx, it, { ...asked, runs, nowMs: ctx.nowMs() })
  })
  const [run] = await readRuns(ctx.sql, [it.runId])
  return { run: run!, outcome }
}

async function lockWhatIsAwaited(tx: Db, projectId: string, items: readonly ItemAsked[]): Promise<void> {
  const keys = items.flatMap((item) => ('eventKey' in item ? item.eventKey : []))
  if (keys.length > 0) await lockEventKeys(tx, projectId, keys)
  if (keys.length < items.length) await lockWaitGraph(tx, projectId)
}

/** With those of the awaited runs that there are. */
type Asked = WaitAsked & { runs: ReadonlyMap<string, RunRow> }

/** What is known of this key already. Locks the run, and checks that its attempt holds it. */
async function findOutcome(tx: Db, it: Attempt, asked: Asked): Promise<WaitOutcome | undefined> {
  const [now] = await lockStandings(tx, [it.runId])
  const problem = fenceProblem({ projectId: it.projectId, runId: it.runId, leaseToken: it.token }, now)
  if (problem) throw problem
  const kept = await findValue(tx, it.runId, waitKey(asked.key))
  if (kept) return sameOnly(keptOutcome(kept.value!), it, asked)
  if (now!.state === 'executing') return undefined
  const wait = await findWait(tx, it.runId)
  if (!wait || wait.key !== asked.key)
    throw refuse('wrong_state', { runId: it.runId, state: now!.state, needs: ['executing'] })
  // Its reply was lost: the run rests already.
  const until = wait.kind === 'sleep' ? wait.checkAt : wait.expiresAt
  const outcome = {
    key: asked.key,
    status: 'waiting' as const,
    until: until?.toISOString() ?? null,
    winner: null,
    items: await itemOutcomes(tx, await knownItems(tx, await readItems(tx, it.runId))),
  }
  return sameOnly(outcome, it, asked)
}

function sameOnly(outcome: WaitOutcome, { projectId }: Attempt, asked: Asked): WaitOutcome {
  const names = asked.kind === 'sleep' ? [] : asked.items.map((item) => nameOf(projectId, item, asked.runs))
  if (!isSameWait(outcome, names)) throw refuse('wait_mismatch', { key: asked.key })
  return outcome
}

function nameOf(projectId: string, item: ItemAsked, runs: ReadonlyMap<string, RunRow>): ItemName {
  if ('eventKey' in item) return item
  const { runId } = item
  return { runIds: [runId, ...idsOf(projectId, runId), runs.get(runId)?.publicId ?? runId] }
}

type Beginning = Asked & { nowMs: number }
type Sleep = Extract<Beginning, { kind: 'sleep' }>
type Items = Extract<Beginning, { kind: 'items' }>

const begin = (tx: Tx, it: Attempt, asked: Beginning): Promise<WaitOutcome> =>
  asked.kind === 'sleep' ? beginSleep(tx, it, asked) : beginItems(tx, it, asked)

async function beginSleep(tx: Tx, it: Attempt, { key, until, nowMs }: Sleep): Promise<WaitOutcome> {
  const isPast = until.getTime() <= nowMs
  const status = isPast ? 'done' : 'waiting'
  const outcome: WaitOutcome = { key, status, until: until.toISOString(), winner: null, items: [] }
  if (isPast) return over(tx, it, outcome)
  await rest(tx, it, { wait: newWait('sleep', { key, checkAt: until }), data: { key, until: outcome.until } })
  return outcome
}

async function beginItems(tx: Tx, it: Attempt, asked: Items): Promise<WaitOutcome> {
  const { key, mode, items: names, runs, timeoutSecs, onTimeout } = asked
  checkRuns(it, names, runs)
  await refuseCycle(tx, it.runId, [...runs.values()])
  const items = await whatIsThere(tx, it, asked)
  const shown = await itemOutcomes(tx, items)
  const is = decided(mode, items)
  if (is) return over(tx, it, { key, status: 'done', until: null, winner: is.winner, items: shown })
  const wait = newWait('items', {
    key,
    mode,
    onTimeout,
    timeoutMs: timeoutSecs * 1000,
    // Runs may end while this is written: they are looked at as soon as it is.
    ...(runs.size > 0 && { checkInMs: 0 }),
  })
  await rest(tx, it, { wait, data: { key, mode, ...shownNames(names), timeout_secs: timeoutSecs } })
  const rows = items.map(({ eventKey, run, eventId, payload }, ord) => ({
    ord,
    eventKey: eventKey ?? undefined,
    childRunId: run?.id,
    ...(eventId !== null && { received: { eventId, payload } }),
  }))
  await insertItems(tx, it, rows)
  const { expiresAt } = (await findWait(tx, it.runId))!
  const until = expiresAt!.toISOString()
  return { key, status: 'waiting', until, winner: null, items: shown }
}

function checkRuns({ runId }: Attempt, items: readonly ItemAsked[], runs: ReadonlyMap<string, RunRow>): void {
  for (const [at, item] of items.entries()) {
    if (!('runId' in item)) continue
    const run = runs.get(item.runId)
    if (!run) throw refuseField(`for.${at}.run_id`, 'is not a run of this project')
    if (run.id === runId) throw refuseField(`for.${at}.run_id`, 'is the run that would wait')
  }
}

async function refuseCycle(tx: Db, runId: string, runs: readonly RunRow[]): Promise<void> {
  const ids = runs.map(({ id }) => id)
  if (ids.length > 0 && (await reachesRun(tx, ids, runId))) throw refuse('wait_cycle', { runId })
}

/** The items with what has come already. Of events, no more are taken than the wait needs. */
async function whatIsThere(tx: Tx, it: Attempt, { items, mode, runs }: Items): Promise<Known[]> {
  const ids = [...runs.values()].map(({ id }) => id)
  const now = new Map((ids.length > 0 ? await readRuns(tx, ids) : []).map((run) => [run.id, run]))
  const known = items.map((item): Known => {
    if ('eventKey' in item) return { ...NOTHING, eventKey: item.eventKey }
    const { id } = runs.get(item.runId)!
    return { ...NOTHING, childRunId: id, run: now.get(id) ?? null }
  })
  const kept = await keptFor(tx, it.projectId, { known, mode })
  if (kept.size === 0) return known
  const received = await receive(tx, it, kept)
  return known.map((item, at) => ({ ...item, ...received.get(at) }))
}

const NOTHING = { eventKey: null, childRunId: null, receivedAt: null, eventId: null, payload: null }

type Waiting = { known: readonly Known[]; mode: WaitMode }

/** The kept events that these items are given, by their places. */
async function keptFor(tx: Db, projectId: string, { known, mode }: Waiting): Promise<Map<number, KeptHead>> {
  const keys = known.flatMap(({ eventKey }) => eventKey ?? [])
  const heads = keys.length > 0 ? await readKeptEvents(tx, projectId, keys) : []
  const given = new Map<number, KeptHead>()
  for (const [at, item] of known.entries()) {
    const head = item.eventKey === null ? undefined : takeFrom(heads, item.eventKey)
    if (head) given.set(at, head)
    if (mode === 'any' && (head || isDone(item))) break
  }
  return given
}

/** The earliest with this key. One for everybody stays there for the next item. */
function takeFrom(heads: KeptHead[], eventKey: string): KeptHead | undefined {
  const at = heads.findIndex((head) => head.eventKey === eventKey)
  if (at < 0) return undefined
  return heads[at]!.recipients === 'all' ? heads[at] : heads.splice(at, 1)[0]
}

type Received = Pick<Known, 'eventId' | 'payload' | 'receivedAt'>

/** Tells the run of each of these events, and takes them. */
async function receive(tx: Tx, it: Attempt, kept: ReadonlyMap<number, KeptHead>): Promise<Map<number, Received>> {
  const { projectId, runId, token } = it
  const heads = [...kept.values()]
  const ids = heads.map(({ id }) => id)
  const payloads = await takeKeptPayloads(tx, ids)
  const facts = heads.map((head) => {
    const cause = { eventKey: head.eventKey, causationId: head.id, actor: senderOf(head) }
    return receivedBy({ projectId, runId, token }, cause)
  })
  const told = await appendIn(tx, facts)
  return new Map(
    [...kept].map(([at, head], index) => {
      const event = told[index]!
      if (event.outcome !== 'appended') throw refuse('stale_lease', { runId })
      return [at, { eventId: event.id, payload: payloads.get(head.id), receivedAt: head.createdAt }]
    }),
  )
}

/** Nothing has to be waited for: the attempt goes on. */
async function over(tx: Tx, it: Attempt, outcome: WaitOutcome): Promise<WaitOutcome> {
  await writeOutcome(tx, it, { outcome, actor: it.actor })
  return outcome
}

async function rest(tx: Tx, it: Attempt, { wait, data }: { wait: NewWait; data: object }): Promise<void> {
  await refuseWhilePausing(tx, it.runId)
  const { runId, token, actor } = it
  const [changed] = await moveRunsIn(tx, [
    { runId, move: 'wait', from: ['executing'], token, actor, wait, data: { for: wait.kind, ...data } },
  ])
  const problem = moveProblem(runId, 'wait', changed!)
  if (problem) throw problem
}

const NAMES_TOLD_MAX = 10

/** Of many items the first are named in the log. */
function shownNames(names: readonly ItemAsked[]) {
  const events = names.flatMap((it) => ('eventKey' in it ? it.eventKey : []))
  const runs = names.flatMap((it) => ('runId' in it ? it.runId : []))
  return {
    items: names.length,
    ...(events.length > 0 && { event_keys: events.slice(0, NAMES_TOLD_MAX) }),
    ...(runs.length > 0 && { run_ids: runs.slice(0, NAMES_TOLD_MAX) }),
  }
}
