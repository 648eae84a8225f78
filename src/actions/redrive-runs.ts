// Many dead letters at once: those that are named, or the oldest of a job.
import { Refusal } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { listRuns } from '#storage/read-runs.ts'
import { findJobOr404 } from './change-jobs.ts'
import type { Ctx } from './ctx.ts'
import { redriveRun } from './move-run.ts'

type Many = Cause & { projectId: string } & ({ runIds: readonly string[] } | { job: string; limit: number })
export type RedrivenRun = { runId: string; state?: string; problem?: Refusal }

/** Answers one by one; a run that cannot be redriven harms no other. */
export async function redriveRuns(ctx: Ctx, many: Many): Promise<RedrivenRun[]> {
  const { projectId, actor } = many
  const runIds = 'runIds' in many ? many.runIds : await oldestOf(ctx, projectId, many)
  return Promise.all(
    runIds.map(async (runId) => {
      try {
        const run = await redriveRun(ctx, {
          projectId,
          actor,
          runId,
          ...(many.causationId && { causationId: many.causationId }),
        })
        return { runId, state: run.state }
      } catch (error) {
        if (error instanceof Refusal) return { runId, problem: error }
        throw error
      }
    }),
  )
}

async function oldestOf(
  ctx: Ctx,
  projectId: string,
  { job, limit }: { job: string; limit: number },
): Promise<string[]> {
  const found = await findJobOr404(ctx, projectId, job)
  const runs = await listRuns(ctx.sql, { projectId, states: ['dead_letter'], jobId: found.id, order: 'oldest', limit })
  return runs.map((run) => run.publicId)
}
