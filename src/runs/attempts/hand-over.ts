// Handing an attempt over to a handler that answered 202 and finishes later.
import type { Ctx } from '#bell/ctx.ts'
import type { Actor } from '#core/event.ts'
import { recordOfRun } from '#log/record.ts'
import { handOverLease, type LeaseRef } from './leases.sql.ts'

type HandOver = LeaseRef & { projectId: string; owner: string; actor: Actor; trace: object }

/** Transfers the lease and logs it, in one transaction. Does nothing when the lease is no longer held. */
export async function handOver(ctx: Ctx, { projectId, runId, token, owner, actor, trace }: HandOver): Promise<void> {
  const event = { projectId, runId, token, type: 'run.handed_over', actor, data: { trace } }
  await recordOfRun<void>(ctx, event, async (tx, appended, rollBack) => {
    if (appended.outcome !== 'appended' || !(await handOverLease(tx, { runId, token }, owner))) rollBack(undefined)
  })
}
