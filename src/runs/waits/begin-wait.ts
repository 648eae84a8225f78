// A running attempt begins a wait under a key of its own. The same key again, from a retry, a later entry or a later
// attempt, is the same wait: once it is over it is answered, and until then the run rests.

import type { Ctx } from '#bell/ctx.ts'
import { runTopic } from '#bell/topics.ts'
import { refuse, refuseField } from '#core/error.ts'
import { appendEvents } from '#log/append-events.sql.ts'
import type { Db } from '#postgres/sql.ts'
import { moveProblem } from '#run-state/move/move-outcome.ts'
import { moveRuns } from '#run-state/move/move-runs.sql.ts'
import { type NewWait, newWait, type OnTimeout, type WaitMode } from '#run-state/move/wait-parts.sql.ts'
import { findRun, type RunRow, readRuns } from '#run-state/read/read-runs.sql.ts'
import type { Attempt } from '../attempts/attempt-calls.ts'
import { findValue } from '../attempts/attempt-writes.sql.ts'
import { lockStandings } from '../attempts/fence.sql.ts'
import { fenceProblem } from '../attempts/fence.ts'
import { writeOutcome } from './end-keyed-wait.ts'
import { receivedBy, senderOf } from './event-facts.ts'
import { type KeptEvent, takeKeptEvent } from './kept-events.sql.ts'
import { decided, isSameWait, itemOutcomes, type Known, type WaitOutcome, waitKey } from './keyed-outcome.ts'
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
  const runs = asked.kind === 'items' ? await runsOf(ctx, it, asked.items) : new Map<string, RunRow>()
  const done = (await ctx.sql.begin(async (tx) => {
    if (asked.kind === 'items') await lockWhatIsAwaited(tx, it.projectId, asked.items)
    return (await findOutcome(tx, it, asked)) ?? begin(tx, it, { ...asked, runs, nowMs: ctx.nowMs() })
  })) as { outcome: WaitOutcome; begun?: boolean; told?: boolean }
  if (done.begun) ctx.ring([runTopic(it.runId), 'waits', 'slots', 'tail'])
  else if (done.told) ctx.ring([runTopic(it.runId), 'tail'])
  const [run] = await readRuns(ctx.sql, [it.runId])
  return { run: run!, outcome: done.outcome }
}

async function runsOf(ctx: Ctx, it: Attempt, items: readonly ItemAsked[]): Promise<Map<string, RunRow>> {
  const found = new Map<string, RunRow>()
  for (const [at, item] of items.entries()) {
    if (!('runId' in item) || found.has(item.runId)) continue
    const run = await findRun(ctx.sql, it.projectId, item.runId)
    if (!run) throw refuseField(`for.${at}.run_id`, 'is not a run of this project')
    if (run.id === it.runId) throw refuseField(`for.${at}.run_id`, 'is the run that would wait')
    found.set(item.runId, run)
  }
  return found
}

async function lockWhatIsAwaited(tx: Db, projectId: string, items: readonly ItemAsked[]): Promise<void> {
  const keys = items.flatMap((item) => ('eventKey' in item ? item.eventKey : []))
  if (keys.length > 0) await lockEventKeys(tx, projectId, keys)
  if (keys.length < items.length) await lockWaitGraph(tx, projectId)
}

/** What is known of this key already. Locks the run, and checks that its attempt holds it. */
async function findOutcome(tx: Db, it: Attempt, asked: WaitAsked): Promise<{ outcome: WaitOutcome } | undefined> {
  const [now] = await lockStandings(tx, [it.runId])
  const problem = fenceProblem({ projectId: it.projectId, runId: it.runId, leaseToken: it.token }, now)
  if (problem) throw problem
  const kept = await findValue(tx, it.runId, waitKey(asked.key))
  if (kept) return { outcome: sameOnly(kept.value!.value as WaitOutcome, asked) }
  if (now!.state === 'executing') return undefined
  const wait = await findWait(tx, it.runId)
  if (!wait || wait.key !== asked.key)
    throw refuse('wrong_state', { runId: it.runId, state: now!.state, needs: ['executing'] })
  // Its reply was lost: the run rests already.
  const items = await knownAs(tx, it, asked)
  const until = wait.kind === 'sleep' ? wait.checkAt : wait.expiresAt
  const outcome = {
    key: asked.key,
    status: 'waiting' as const,
    until: until?.toISOString() ?? null,
    winner: null,
    items,
  }
  return { outcome: sameOnly(outcome, asked) }
}

async function knownAs(tx: Db, it: Attempt, asked: WaitAsked) {
  const items = await readItems(tx, it.runId)
  const ids = items.flatMap(({ childRunId }) => childRunId ?? [])
  const runs = new Map((await readRuns(tx, ids)).map((run) => [run.id, run]))
  const names = asked.kind === 'items' ? asked.items : []
  return itemOutcomes(
    tx,
    items.map((item, at) => {
      if (item.childRunId === null) return item
      const name = names[at]
      return { ...item, run: runs.get(item.childRunId) ?? null, ...(name && 'runId' in name && { runId: name.runId }) }
    }),
  )
}

function sameOnly(outcome: WaitOutcome, asked: WaitAsked): WaitOutcome {
  if (!isSameWait(outcome, asked.kind === 'items' ? asked.items : [])) throw refuse('wait_mismatch', { key: asked.key })
  return outcome
}

type Beginning = WaitAsked & { runs: ReadonlyMap<string, RunRow>; nowMs: number }
type Sleep = Extract<Beginning, { kind: 'sleep' }>
type Items = Extract<Beginning, { kind: 'items' }>
type Begun = { outcome: WaitOutcome; begun?: boolean; told?: boolean }

const begin = (tx: Db, it: Attempt, asked: Beginning): Promise<Begun> =>
  asked.kind === 'sleep' ? beginSleep(tx, it, asked) : beginItems(tx, it, asked)

async function beginSleep(tx: Db, it: Attempt, { key, until, nowMs }: Sleep): Promise<Begun> {
  const isPast = until.getTime() <= nowMs
  const status = isPast ? 'done' : 'waiting'
  const outcome: WaitOutcome = { key, status, until: until.toISOString(), winner: null, items: [] }
  if (isPast) return over(tx, it, outcome)
  await rest(tx, it, { wait: newWait('sleep', { key, checkAt: until }), data: { key, until: outcome.until } })
  return { outcome, begun: true }
}

async function beginItems(tx: Db, it: Attempt, asked: Items): Promise<Begun> {
  const { key, mode, items: names, runs, timeoutSecs, onTimeout } = asked
  await refuseCycle(tx, it.runId, [...runs.values()])
  const { items, told } = await whatIsThere(tx, it, asked)
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
  return { outcome: { key, status: 'waiting', until, winner: null, items: shown }, begun: true, told }
}

async function refuseCycle(tx: Db, runId: string, runs: readonly RunRow[]): Promise<void> {
  const ids = runs.map(({ id }) => id)
  if (ids.length > 0 && (await reachesRun(tx, ids, runId))) throw refuse('wait_cycle', { runId })
}

/** The items with what has come already. Of events, no more are taken than the wait needs. */
async function whatIsThere(
  tx: Db,
  it: Attempt,
  { items: names, mode, runs }: Items,
): Promise<{ items: Known[]; told: boolean }> {
  const ids = [...runs.values()].map(({ id }) => id)
  const now = new Map((await readRuns(tx, ids)).map((run) => [run.id, run]))
  const items: Known[] = []
  let told = false
  for (const name of names) {
    const nothing = { eventKey: null, childRunId: null, receivedAt: null, eventId: null, payload: null }
    if ('runId' in name) {
      const { id } = runs.get(name.runId)!
      items.push({ ...nothing, childRunId: id, run: now.get(id) ?? null, runId: name.runId })
      continue
    }
    const isEnough = mode === 'any' && decided('any', items) !== undefined
    const kept = isEnough ? undefined : await takeKeptEvent(tx, it.projectId, name.eventKey)
    told ||= kept !== undefined
    items.push({ ...nothing, eventKey: name.eventKey, ...(kept && (await receive(tx, it, kept))) })
  }
  return { items, told }
}

async function receive(tx: Db, { projectId, runId, token }: Attempt, kept: KeptEvent) {
  const cause = { eventKey: kept.eventKey, causationId: kept.id, actor: senderOf(kept) }
  const [received] = await appendEvents(tx, [receivedBy({ projectId, runId, token }, cause)])
  if (received!.outcome !== 'appended') throw refuse('stale_lease', { runId })
  return { eventId: received!.id, payload: kept.payload, receivedAt: kept.createdAt }
}

/** Nothing has to be waited for: the attempt goes on. */
async function over(tx: Db, it: Attempt, outcome: WaitOutcome): Promise<Begun> {
  await writeOutcome(tx, it, { outcome, actor: it.actor })
  return { outcome, told: true }
}

async function rest(tx: Db, it: Attempt, { wait, data }: { wait: NewWait; data: object }): Promise<void> {
  await refuseWhilePausing(tx, it.runId)
  const { runId, token, actor } = it
  const [changed] = await moveRuns(tx, [
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
