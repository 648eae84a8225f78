// Handing an attempt over to a handler that answered 202 and finishes later.
import type { Ctx } from '#bell/ctx.ts'
import { runTopic } from '#bell/topics.ts'
import type { Actor } from '#core/event.ts'
import { appendEvents } from '#log/append-events.sql.ts'

import { handOverLease, type LeaseRef } from './leases.sql.ts'

type HandOver = LeaseRef & { projectId: string; owner: string; actor: Actor; trace: object }

/** Transfers the lease and logs it, in one transaction. Does nothing when the lease is no longer held. */
export async function handOver(ctx: Ctx, { projectId, runId, token, owner, actor, trace }: HandOver): Promise<void> {
  const handed = await ctx.sql.begin(async (tx) => {
    // First, because it locks the run: a lease is locked after its run, as in every move.
    const [appended] = await appendEvents(tx, [
      { projectId, runId, token, type: 'run.handed_over', actor, data: { trace } },
    ])
    return appended?.outcome === 'appended' && handOverLease(tx, { runId, token }, owner)
  })
  if (handed) ctx.ring([runTopic(runId), 'tail'])
}
