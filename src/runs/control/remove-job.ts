// Deleting a job ends its runs first, which is why it is not with the other changes of jobs.
import type { Ctx } from '#bell/ctx.ts'
import { refuse } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { ACTIVE_STATES, OVER_STATES } from '#core/run.ts'
import { writeJobChange } from '#jobs/change-jobs.ts'
import { dropDependencies, lockDependencies, readDependents } from '#jobs/dependencies.sql.ts'
import { jobsOf } from '#jobs/job-cache.ts'
import { deleteJob } from '#jobs/jobs.sql.ts'
import { requireJob } from '#jobs/require-job.ts'
import { listRuns } from '#run-state/read/list-runs.sql.ts'
import { countLiveRuns } from '#run-state/read/read-runs.sql.ts'
import { cancelRuns } from './cancel-runs.ts'

type Asked = Cause & { projectId: string }

/**
 * Deletes a job that has no active run (or cancels those first) and that no other job depends on. Its history stays.
 */
export async function removeJob(ctx: Ctx, asked: Asked & { job: string; cancelRuns: boolean }): Promise<void> {
  const job = await requireJob(ctx, asked.projectId, asked.job)
  const live = await countLiveRuns(ctx.sql, asked.projectId, job.id, OVER_STATES)
  if (live > 0 && !asked.cancelRuns) throw refuse('job_busy', { job: job.slug, runs: live })
  await writeJobChange(ctx, asked, { jobId: job.id, type: 'job.deleted', data: { slug: job.slug } }, async (tx) => {
    await lockDependencies(tx, asked.projectId)
    const dependents = await readDependents(tx, job.id)
    // Its dependents would wait forever, or start without what they were meant to wait for.
    if (dependents.length > 0) throw refuse('job_needed', { job: job.slug, dependents })
    await deleteJob(tx, job.id)
    await dropDependencies(tx, job.id)
  })
  jobsOf(ctx).forget(asked.projectId, asked.job)
  // Even if there was none: a trigger may have come in between. After the deletion none can, so this terminates.
  await cancelAllOf(ctx, asked, job.id)
}

async function cancelAllOf(ctx: Ctx, { projectId, actor }: Asked, jobId: string): Promise<void> {
  for (;;) {
    const runs = await listRuns(ctx.sql, { projectId, jobId, states: ACTIVE_STATES, order: 'oldest', limit: 500 })
    if (runs.length === 0) return
    await cancelRuns(ctx, { projectId, actor, runIds: runs.map((run) => run.publicId), reason: 'the job was deleted' })
  }
}
