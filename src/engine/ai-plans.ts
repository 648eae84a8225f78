// Executes what was planned under AI leases. A plan is held by one node at a time; what a node leaves in the middle,
// dead or stopped, the next one goes on with.
import { randomUUID } from 'node:crypto'
import { sweepLeases } from '#actions/ai-leases.ts'
import { executePlan } from '#actions/ai-run.ts'
import type { Ctx } from '#actions/ctx.ts'
import { findLease, holdLease, holdPlan, leavePlan, type Plan, takePlans } from '#storage/ai-leases.ts'
import { deleteStaleCalls } from '#storage/tools.ts'
import type { Duty } from './loop.ts'

/** Plans of this node at once. */
const PLANS_MAX = 50
const HOLD_SECS = 30
const BEAT_MS = 5_000
const SWEEP_MS = 60_000
const SWEPT_MAX = 1_000

export type Planner = { duties: [plans: Duty, sweep: Duty]; drain: (graceMs: number) => Promise<void> }

export function makePlanner(ctx: Ctx): Planner {
  const underway = new Map<string, { stop: AbortController; cut: AbortController; done: Promise<void> }>()

  function begin(plan: Plan): void {
    const stop = new AbortController()
    const cut = new AbortController()
    const done = execute(ctx, plan, { stop, cut })
      .catch((error: unknown) => ctx.log.error({ err: error, key: plan.key }, 'a plan failed; it is tried again'))
      .finally(() => {
        underway.delete(plan.leaseId)
        ctx.ring(['ai-plans'])
      })
    underway.set(plan.leaseId, { stop, cut, done })
  }

  return {
    duties: [
      {
        name: 'ai-plans',
        everyMs: 2_000,
        topics: ['ai-plans'],
        async tick() {
          const limit = PLANS_MAX - underway.size
          if (limit <= 0) return { inMs: undefined }
          const taken = await takePlans(ctx.sql, { executor: randomUUID(), holdSecs: HOLD_SECS, limit })
          for (const plan of taken) begin(plan)
          return { inMs: undefined }
        },
      },
      {
        name: 'ai-leases',
        everyMs: SWEEP_MS,
        async tick() {
          const leases = await sweepLeases(ctx)
          const calls = await deleteStaleCalls(ctx.sql, SWEPT_MAX)
          return leases > 0 || calls === SWEPT_MAX ? { inMs: 100 } : { inMs: undefined }
        },
      },
    ],
    async drain(graceMs) {
      const all = [...underway.values()]
      for (const { stop } of all) stop.abort()
      const ended = Promise.all(all.map(({ done }) => done))
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, graceMs).unref())])
      for (const { cut } of all) cut.abort()
      await ended
    },
  }
}

type Signals = { stop: AbortController; cut: AbortController }

/** Until it ends, or is to stop before its next action, or is cut off in the middle of one. */
async function execute(ctx: Ctx, plan: Plan, { stop, cut }: Signals): Promise<void> {
  const lease = await findLease(ctx.sql, plan)
  if (lease?.leaseId !== plan.leaseId) return
  const beat = setInterval(() => void hold(ctx, plan, cut), BEAT_MS)
  try {
    await holdLease(ctx.sql, plan, HOLD_SECS)
    await executePlan(ctx, plan, { stop: stop.signal, cut: cut.signal, runRef: lease.runRef })
    // Not after a failure: it is tried again when the hold has run out, and not over and over.
    await leavePlan(ctx.sql, plan)
  } finally {
    clearInterval(beat)
  }
}

async function hold(ctx: Ctx, plan: Plan, cut: AbortController): Promise<void> {
  try {
    // Canceled, or taken by others: what is under way is for nobody any more.
    if (await holdPlan(ctx.sql, plan, HOLD_SECS)) await holdLease(ctx.sql, plan, HOLD_SECS)
    else cut.abort()
  } catch (error) {
    ctx.log.warn({ err: error, key: plan.key }, 'a plan could not be held; it is tried again')
  }
}
