// Starts the attempts of runs that a worker claimed into its buffer.
import type { Ctx } from '#bell/ctx.ts'
import { type Refusal, refuse } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import { moveProblem } from '#run-state/move/move-outcome.ts'
import { moveRun } from '#run-state/move/move-run.ts'
import { readOwnRuns } from '#run-state/read/read-runs.sql.ts'
import type { LeaseRef } from './leases.sql.ts'

type Asked = { projectId: string; leases: readonly LeaseRef[]; actor: Actor }

/** Moves each run to executing under its lease. Results are in the order of the leases: a refusal, or undefined. */
export async function startRuns(ctx: Ctx, { projectId, leases, actor }: Asked): Promise<(Refusal | undefined)[]> {
  const ids = leases.map(({ runId }) => runId)
  const own = new Set(await readOwnRuns(ctx.sql, projectId, ids))
  return Promise.all(
    leases.map(async ({ runId, token }) => {
      if (!own.has(runId)) return refuse('run_not_found', { runId })
      return moveProblem(runId, 'start', await moveRun(ctx, { runId, move: 'start', token, actor }))
    }),
  )
}
