// Redrives many dead letters: those with the given ids, or the oldest of a job.

import type { Ctx } from '#bell/ctx.ts'
import type { Refusal } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { requireJob } from '#jobs/require-job.ts'
import type { RunChange } from '#run-state/move/move-runs.sql.ts'
import { listRuns } from '#run-state/read/list-runs.sql.ts'
import { type Answered, doNamed } from '#run-state/read/named-runs.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'
import { checkJobIsThere, redriving } from './move-by-hand.ts'
import { type Done, grouped, moveEach } from './move-each.ts'

type Many = Cause & { projectId: string } & ({ runIds: readonly string[] } | { job: string; limit: number })

/** One result per run; a run that cannot be redriven does not affect the others. */
export async function redriveRuns(ctx: Ctx, many: Many): Promise<Answered<Done>[]> {
  const { projectId } = many
  if ('runIds' in many) return doNamed(ctx, many, (runs) => redriveFound(ctx, runs, many))
  const { id: jobId } = await requireJob(ctx, projectId, many.job)
  return redriveOldest(ctx, { ...many, jobId })
}

type Oldest = Cause & { projectId: string; jobId?: string; limit: number }

/** Redrives the oldest dead letters of a project or of one of its jobs, up to 500. */
export async function redriveOldest(ctx: Ctx, oldest: Oldest): Promise<Answered<Done>[]> {
  const { projectId, jobId, limit } = oldest
  const runs = await listRuns(ctx.reads, { projectId, jobId, states: ['dead_letter'], order: 'oldest', limit })
  const done = await redriveFound(ctx, runs, oldest)
  return runs.map((run, index) => ({ runId: run.publicId, ...done[index]! }))
}

async function redriveFound(ctx: Ctx, runs: readonly RunRow[], cause: Cause): Promise<Done[]> {
  const gone = new Map<RunRow, Done>()
  for (const run of runs)
    await checkJobIsThere(ctx, run).catch((problem: Refusal) => gone.set(run, { state: run.state, problem }))
  const there = runs.filter((run) => !gone.has(run))
  const moved = await moveEach(grouped(ctx), there, redrivingOf(cause))
  return runs.map((run) => gone.get(run) ?? moved[there.indexOf(run)]!)
}

export const redrivingOf =
  (cause: Cause) =>
  (run: RunRow): RunChange => ({ runId: run.id, move: 'redrive', ...redriving(run, cause) })
