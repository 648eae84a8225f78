// Many runs by the ids that a caller gave: one read for all of them, one answer for each.

import type { Ctx } from '#bell/ctx.ts'
import { type Refusal, refuse } from '#core/error.ts'
import { idsOf, type RunRow, readRuns } from './read-runs.sql.ts'

export type Answered<Done> = { runId: string } & (Done | { problem: Refusal })

/**
 * Does something to the runs of a project with these ids. Answers in the order of the ids; one that is given twice is
 * done once, and answered twice.
 */
export async function doNamed<Done extends object>(
  ctx: Ctx,
  { projectId, runIds }: { projectId: string; runIds: readonly string[] },
  act: (runs: RunRow[]) => Promise<Done[]>,
): Promise<Answered<Done>[]> {
  const candidates = runIds.map((runId) => idsOf(projectId, runId))
  const rows = await readRuns(ctx.sql, candidates.flat())
  const own = new Map(rows.filter((run) => run.projectId === projectId).map((run) => [run.id, run]))
  const named = candidates.map((ids) => ids.map((id) => own.get(id)).find((run) => run !== undefined))
  const runs = [...new Set(named.filter((run) => run !== undefined))]
  const done = await act(runs)
  const doneTo = new Map(runs.map((run, index) => [run, done[index]!]))
  return runIds.map((runId, index) => {
    const run = named[index]
    return run ? { runId, ...doneTo.get(run)! } : { runId, problem: refuse('run_not_found', { runId }) }
  })
}
