// Heartbeats: they keep the leases of attempts in progress, and their reply tells an executor to pause or stop.
import type { Ctx } from '#bell/ctx.ts'
import { refuse } from '#core/error.ts'
import { readOwnRuns } from '#run-state/read/read-runs.sql.ts'
import { type Beat, beatLeases, type LeaseRef } from './leases.sql.ts'

/** Renews the lease of one attempt; refused with `stale_lease` when it is no longer held. */
export async function renewLease(ctx: Ctx, lease: LeaseRef): Promise<Beat> {
  const [beat] = await beatLeases(ctx.sql, [lease])
  if (!beat) throw refuse('stale_lease', { runId: lease.runId })
  return beat
}

/** Renews leases on runs of one project, by run. One that is missing from the result is lost, or another project's. */
export async function renewLeases(
  ctx: Ctx,
  projectId: string,
  leases: readonly LeaseRef[],
): Promise<ReadonlyMap<string, Beat>> {
  const ids = leases.map(({ runId }) => runId)
  const own = new Set(await readOwnRuns(ctx.sql, projectId, ids))
  const beats = await beatLeases(
    ctx.sql,
    leases.filter(({ runId }) => own.has(runId)),
  )
  return new Map(beats.map((beat) => [beat.runId, beat]))
}
