// The job that a caller named by id or slug, or a refusal.
import type { Ctx } from '#bell/ctx.ts'
import { refuse } from '#core/error.ts'
import { findJobByIdOrSlug } from './job-cache.ts'
import type { JobRow } from './jobs.sql.ts'

export async function requireJob(ctx: Pick<Ctx, 'sql'>, projectId: string, job: string): Promise<JobRow> {
  const found = await findJobByIdOrSlug(ctx.sql, projectId, job)
  if (!found) throw refuse('job_not_found', { job })
  return found
}
