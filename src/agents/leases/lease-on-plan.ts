// An AI lease that counts against the plan of its project.
import type { Ctx } from '#bell/ctx.ts'
import type { NamedPlan } from '#usage/plan-of.ts'
import { addUse } from '#usage/plans.sql.ts'
import { countRefusal, readMonthUse, watchQuota } from '#usage/quota.ts'
import { acquireLease, type Leased, type LeaseRequest } from './ai-leases.ts'

type OnPlan = LeaseRequest & { plan: NamedPlan }

/** Acquires a lease, which counts, or learns how its key stands, which does not. */
export async function acquireLeaseOnPlan(ctx: Ctx, asked: OnPlan): Promise<Leased & { usage: number }> {
  const { projectId, plan, key } = asked
  const quota = { projectId, plan, kind: 'ai' } as const
  const leased = await acquireLease(ctx, asked).catch(countRefusal(ctx, quota, key))
  if (leased.acquired) watchQuota(ctx, quota)
  else await addUse(ctx.sql, [{ projectId, kind: 'ai', requests: 1, polling: 1 }])
  return { ...leased, usage: (await readMonthUse(ctx.sql, projectId)).ai.charged }
}
