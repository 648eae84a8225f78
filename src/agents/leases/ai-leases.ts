// AI leases: one holder at a time works on a key, and the outcome is the answer for all later callers. Each lease is a
// run that others can follow: the lease's row and its events in the run's log change in one transaction.

import type { Ctx } from '#bell/ctx.ts'
import { type Tx, transact } from '#bell/transact.ts'
import { standingOf } from '#core/ai-lease.ts'
import { DAY_SECS } from '#core/durations.ts'
import { refuse } from '#core/error.ts'
import { type Actor, SYSTEM } from '#core/event.ts'
import { checkNewRunId } from '#core/external-id.ts'
import type { RunMove } from '#core/run.ts'
import { appendIn } from '#log/append-event.ts'
import { TOLD_AS } from '#log/client-endings.sql.ts'
import type { NewEvent } from '#log/new-event.sql.ts'
import type { FeedType } from '#log/read-feed.sql.ts'
import { feedEvent, feedOf } from '#log/recent-feed.ts'
import { derivedId, newId } from '#postgres/id.ts'
import type { Db } from '#postgres/sql.ts'
import { insertExternalRun } from '#run-state/insert/insert-external-run.sql.ts'
import { moveRunsIn } from '#run-state/move/move-run.ts'
import type { RunChange } from '#run-state/move/move-runs.sql.ts'
import { findRun, readRuns } from '#run-state/read/read-runs.sql.ts'
import { cancelDescendants } from '#runs/control/cancel-runs.ts'
import type { NamedPlan } from '#usage/plan-of.ts'
import { addUse } from '#usage/plans.sql.ts'
import { requireQuota } from '#usage/quota.ts'
import { type AgendaItem, insertAgenda } from './ai-agendas.sql.ts'
import type { LeaseEnd, LeaseName, LeaseRow } from './ai-leases.sql.ts'
import * as storage from './ai-leases.sql.ts'

/** How long an outcome is kept for its key; then the key is new again. */
export const ANSWER_DAYS = 7
/**
 * Grace period during which an expired lease can still be resumed, by its holder or the next one; then its run times
 * out.
 */
const ABANDONED_SECS = DAY_SECS
const SWEEP_MAX = 100

type Asked = LeaseName & { actor: Actor }
export type LeaseRequest = Asked & {
  ttlSecs: number
  /** The run of the lease, by the client's id. */
  runRef: string
  agentId?: string | undefined
  /** Actions to execute here; without them the holder does the work. */
  agenda?: { agentId: string; actions: AgendaItem[]; dryRun: boolean } | undefined
  /** Whose quota it needs; without a plan it needs none. */
  plan?: NamedPlan | undefined
}

export type Leased = { acquired: boolean; lease: LeaseRow }

/**
 * Acquires the key for the caller, or returns the key's status. Of any number of concurrent callers, one acquires it.
 */
export async function acquireLease(ctx: Ctx, asked: LeaseRequest): Promise<Leased> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    // Most callers are too late, and need no lock to learn that.
    const seen = await storage.findLease(ctx.sql, asked)
    if (seen && !seen.over) return { acquired: false, lease: seen }
    const leased = await transact(ctx, (tx) => acquire(tx, asked))
    if (!leased) continue
    if (leased.acquired) feedOf(ctx).changed([asked.projectId])
    return leased
  }
  throw new Error(`the lease on ${asked.key} kept coming and going, ${TRIES_MAX} times`)
}
const TRIES_MAX = 10

async function acquire(tx: Tx, asked: LeaseRequest): Promise<Leased | undefined> {
  const { projectId, key, actor, agentId, agenda } = asked
  const { runId, ...run } = await placeOf(tx, asked)
  const wanted = {
    projectId,
    key,
    ttlSecs: asked.ttlSecs,
    runId,
    runRef: asked.runRef,
    agentId: agentId ?? null,
    leaseId: `lease_${newId().replaceAll('-', '')}`,
    endsRun: run.external,
  }
  let lease = await storage.insertLease(tx, wanted)
  if (!lease) {
    const before = await storage.lockLease(tx, asked)
    if (!before) return undefined // deleted a moment ago
    if (!before.over) return { acquired: false, lease: before }
    await admit(tx, asked)
    if (before.state === 'held') await abandon(tx, before, before.runId !== runId)
    lease = await storage.takeLease(tx, wanted)
  } else await admit(tx, asked)
  // In this order, pipelined on one connection.
  await Promise.all([
    addUse(tx, [{ projectId, kind: 'ai', requests: 1, charged: 1 }]),
    !run.known &&
      insertExternalRun(tx, { id: runId, projectId, clientId: asked.runRef, actor, correlationId: runId, agentId }),
    agenda && insertAgenda(tx, { projectId, key, leaseId: lease.leaseId, ...agenda }),
    appendIn(tx, [
      { ...about(lease, actor), type: 'run_started', status: 'in_progress', data: { key } },
      inFeed(lease, 'ai_acquired'),
    ]),
  ])
  if (agenda) tx.rings.add('ai-agendas')
  return { acquired: true, lease }
}

const admit = async (tx: Db, { projectId, plan }: LeaseRequest): Promise<void> =>
  plan && requireQuota(tx, { projectId, plan, kind: 'ai' })

/** The run that an id means: an existing one, whoever executes it, or a new one. */
async function placeOf(tx: Db, { projectId, key, runRef }: LeaseRequest) {
  const run = await findRun(tx, projectId, runRef)
  if (!run) checkNewRunId(runRef, runRef === key ? 'key' : 'run_id')
  return {
    runId: run?.id ?? derivedId(projectId, runRef),
    known: run !== undefined,
    external: !run || run.execution === 'external',
  }
}

/** It expired, and its holder did not report an outcome. */
async function abandon(tx: Tx, lease: LeaseRow, forGood: boolean): Promise<void> {
  const { key } = lease
  await appendIn(tx, [
    { ...about(lease, SYSTEM), type: 'lease_expired', status: 'expired', level: 'warn', data: { key } },
  ])
  if (forGood) await endRun(tx, lease, { actor: SYSTEM, move: 'timeOut', status: 'timed_out', code: 'lease_expired' })
}

/** Extends the lease: its full duration starts again. */
export async function extendLease(ctx: Ctx, asked: Asked & { leaseId: string; ttlSecs: number }): Promise<LeaseRow> {
  const lease = await transact(ctx, async (tx) => {
    const held = await lockHeld(tx, asked)
    if (held.state !== 'held') return held
    return (await withRunCanceled(tx, held)) ?? storage.extendLease(tx, asked, asked.ttlSecs)
  })
  if (lease.state === 'held') return lease
  feedOf(ctx).changed([asked.projectId])
  throw refuse('lease_over', { key: asked.key, state: lease.state })
}

/** The status of a key; a cancel of its run has ended it by then. */
export async function findLeaseNow(ctx: Ctx, name: LeaseName): Promise<LeaseRow | undefined> {
  const seen = await storage.findLease(ctx.sql, name)
  if (seen?.state !== 'held' || !(await isRunCanceled(ctx, seen))) return seen
  const ended = await transact(ctx, async (tx) => {
    const lease = await storage.lockLease(tx, name)
    return lease?.state === 'held' ? withRunCanceled(tx, lease) : undefined
  })
  if (ended) feedOf(ctx).changed([name.projectId])
  return storage.findLease(ctx.sql, name)
}

/** Ends a lease whose run was canceled; undefined for any other. */
async function withRunCanceled(tx: Tx, lease: LeaseRow): Promise<LeaseRow | undefined> {
  if (!(await isRunCanceled({ sql: tx }, lease))) return undefined
  return writeEnd(tx, lease, { actor: SYSTEM, end: { state: 'cancelled' } })
}

/**
 * Whether the run that a lease would have ended was canceled. Any other end may be what the holder reported, which then
 * reports the same for the lease.
 */
export async function isRunCanceled(
  { sql }: { sql: Db },
  { runId, endsRun }: Pick<LeaseRow, 'runId' | 'endsRun'>,
): Promise<boolean> {
  if (!endsRun) return false
  const [run] = await readRuns(sql, [runId])
  return run?.state === 'canceled'
}

/** The holder reports the outcome. Reporting the same outcome again changes nothing: clients retry unanswered calls. */
export async function endLease(
  ctx: Ctx,
  asked: Asked & { leaseId: string; reason?: string; end: LeaseEnd },
): Promise<LeaseRow> {
  const ended = await transact(ctx, async (tx) => {
    const lease = await lockHeld(tx, asked)
    if (lease.state === asked.end.state) return lease
    if (lease.state !== 'held') throw refuse('lease_over', { key: asked.key, state: lease.state })
    return writeEnd(tx, lease, asked)
  })
  await followEnd(ctx, ended)
  return ended
}

/** An expired lease still belongs to its holder until someone else takes the key. */
async function lockHeld(tx: Db, { projectId, key, leaseId }: LeaseName & { leaseId: string }): Promise<LeaseRow> {
  const lease = await storage.lockLease(tx, { projectId, key })
  if (!lease || !standingOf(lease)) throw refuse('lease_not_found', { key })
  if (lease.leaseId !== leaseId) throw refuse('not_lease_holder', { key, leaseId })
  return lease
}

const MOVE_OF = { completed: 'complete', failed: 'fail', cancelled: 'cancel' } as const

type Ending = { actor: Actor; reason?: string | undefined; end: LeaseEnd }

/** Ends a lease, and with it its run; the caller holds the lock of its row. */
export async function writeEnd(tx: Tx, lease: LeaseRow, { actor, reason, end }: Ending): Promise<LeaseRow> {
  const ended = await storage.endLease(tx, lease, end, ANSWER_DAYS)
  const code = standingOf(ended)!.errorCode ?? undefined
  await endRun(tx, ended, { actor, move: MOVE_OF[end.state], status: end.state, code, reason, result: end.result })
  await appendIn(tx, [inFeed(ended, end.state === 'completed' ? 'ai_completed' : 'ai_failed')])
  tx.rings.add('ai-agendas')
  return ended
}

/** Call it after the commit. */
export async function followEnd(ctx: Ctx, ended: LeaseRow): Promise<void> {
  if (ended.endsRun && ended.state !== 'completed') await cancelDescendants(ctx, [ended.runId], { actor: SYSTEM })
  feedOf(ctx).changed([ended.projectId])
}

type RunEnd = {
  actor: Actor
  move: RunMove
  status: string
  code?: string | undefined
  reason?: string | undefined
  result?: unknown
}

async function endRun(tx: Tx, lease: LeaseRow, { actor, move, status, code, reason, result }: RunEnd): Promise<void> {
  const said = reason ?? code
  await appendIn(tx, [
    {
      ...about(lease, actor),
      type: 'run_finished',
      status,
      message: reason,
      ...(code !== undefined && { data: { error_code: code } }),
    },
  ])
  if (!lease.endsRun) return
  const change: RunChange = {
    runId: lease.runId,
    move,
    actor,
    data: { [TOLD_AS]: 'run_finished' },
    ...(result != null && { result }),
    ...(move !== 'complete' && { error: said ?? status, ...(code !== undefined && { errorCode: code }) }),
  }
  // The run has already ended; its state says how, and its log continues.
  await moveRunsIn(tx, [change])
}

const about = (lease: LeaseRow, actor: Actor): Omit<NewEvent, 'type'> => ({
  projectId: lease.projectId,
  runId: lease.runId,
  leaseId: lease.leaseId,
  actor,
  ...(lease.agentId !== null && { agentId: lease.agentId }),
})

const inFeed = ({ projectId, key, leaseId }: LeaseRow, type: FeedType): NewEvent =>
  feedEvent(projectId, { type, key, leaseId })

/** Deletes expired outcomes, and ends the runs of holders that never came back; returns the number of leases. */
export async function sweepLeases(ctx: Ctx): Promise<number> {
  const swept = await transact(ctx, async (tx) => {
    const leases = await storage.sweepLeases(tx, { heldAfterSecs: ABANDONED_SECS, limit: SWEEP_MAX })
    for (const lease of leases) if (lease.state === 'held') await abandon(tx, lease, true)
    return leases
  })
  for (const lease of swept) if (lease.state === 'held') await followEnd(ctx, lease)
  return swept.length
}
