// A lock that counts against the plan of its project.
import type { Ctx } from '#bell/ctx.ts'
import { feedOf } from '#log/recent-feed.ts'
import type { LockRequest, LockTaken } from './locks.sql.ts'
import type { NamedPlan } from './plan-of.ts'
import { quotaExceeded, watchQuota } from './quota.ts'
import { takeLock } from './take-lock.ts'

/** Takes a lock, or says who was first. A duplicate, and a refusal for the quota, are in the recent feed. */
export async function takeLockOnPlan(ctx: Ctx, request: LockRequest, plan: NamedPlan): Promise<LockTaken> {
  const { projectId, key } = request
  const quota = { projectId, plan, kind: 'make' } as const
  const limit = plan.months.make
  const answer = await takeLock(ctx, { ...request, callsMax: plan.hardStop ? limit : undefined })
  if ('used' in answer) {
    const meta = { kind: quota.kind, plan: plan.name, usage: answer.used, limit }
    feedOf(ctx).write(projectId, { type: 'over_limit', key, meta })
    throw quotaExceeded(quota, answer.used)
  }
  watchQuota(ctx, quota)
  if (!answer.taken) feedOf(ctx).write(projectId, { type: 'duplicate', key })
  return answer
}
