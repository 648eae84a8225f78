// A run that a caller named, or the refusal that it was not found.
import type { Ctx } from '#bell/ctx.ts'
import { refuse } from '#core/error.ts'
import { findRun, type RunRow } from './read-runs.sql.ts'

/** The run of this project with this id, or a refusal that does not tell whether another project has it. */
export async function requireRun(ctx: Pick<Ctx, 'sql'>, projectId: string, runId: string): Promise<RunRow> {
  const run = await findRun(ctx.sql, projectId, runId)
  if (!run) throw refuse('run_not_found', { runId })
  return run
}
