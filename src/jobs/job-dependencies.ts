// Dependencies between jobs. A run of a job starts only once the latest run of each job it depends on has ended as
// required; until then it waits, and is checked again whenever one of those ends.

import type { Ctx } from '#bell/ctx.ts'
import { type DependencyCondition, matchKeyOf } from '#core/dependency.ts'
import { refuse, refuseField } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { record } from '#log/record.ts'
import { isUuid } from '#postgres/id.ts'
import type { Db } from '#postgres/sql.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'
import {
  countDependencies,
  type DependencyRow,
  type DependencyStanding,
  deleteDependency,
  dependsOn,
  insertDependency,
  listDependencies,
  lockDependencies,
  readDependencyStandings,
  rememberLatestEnd,
  wakeDependents,
} from './dependencies.sql.ts'
import { jobsOf } from './job-cache.ts'
import type { JobRow } from './jobs.sql.ts'
import { requireJob } from './require-job.ts'

/** More would be a graph that nobody understands, and every trigger reads them all. */
export const DEPENDENCIES_MAX = 100

type Asked = Cause & { projectId: string; job: string }

/** Makes a job depend on another. Existing runs are not affected. */
export async function addDependency(
  ctx: Ctx,
  asked: Asked & { dependsOn: string; condition: DependencyCondition },
): Promise<DependencyRow> {
  const job = await requireJob(ctx, asked.projectId, asked.job)
  const target = await requireJob(ctx, asked.projectId, asked.dependsOn)
  if (job.id === target.id) throw refuse('dependency_cycle', { job: job.slug, dependsOn: target.slug })
  const row = await change(ctx, asked, job, async (tx) => {
    await lockDependencies(tx, asked.projectId)
    if (await dependsOn(tx, target.id, job.id))
      throw refuse('dependency_cycle', { job: job.slug, dependsOn: target.slug })
    if ((await listDependencies(tx, job.id)).length >= DEPENDENCIES_MAX)
      throw refuseField(
        'depends_on_job_id',
        `would be one more than the ${DEPENDENCIES_MAX} jobs that a job may depend on`,
      )
    const added = await insertDependency(tx, { jobId: job.id, dependsOnJobId: target.id, condition: asked.condition })
    if (!added) throw refuse('dependency_exists', { job: job.slug, dependsOn: target.slug })
    await rememberLatestEnd(tx, target.id)
    return { type: 'job.dependency_added', row: added }
  })
  // A run may have ended in a statement that started before there was a dependency to record it for.
  await rememberLatestEnd(ctx.sql, target.id)
  return row
}

/** Named by its own id, or by the job that it points to. Waiting runs are checked again soon. */
export async function removeDependency(ctx: Ctx, asked: Asked & { dependency: string }): Promise<void> {
  const job = await requireJob(ctx, asked.projectId, asked.job)
  await change(ctx, asked, job, async (tx) => {
    await lockDependencies(tx, asked.projectId)
    const removed = isUuid(asked.dependency) ? await deleteDependency(tx, job.id, asked.dependency) : undefined
    if (!removed) throw refuse('dependency_not_found', { dependency: asked.dependency })
    return { type: 'job.dependency_removed', row: removed }
  })
}

async function change(
  ctx: Ctx,
  asked: Asked,
  job: JobRow,
  write: (tx: Db) => Promise<{ type: string; row: DependencyRow }>,
): Promise<DependencyRow> {
  const row = await record(ctx, async (tx) => {
    const { type, row } = await write(tx)
    await countDependencies(tx, job.id)
    await wakeDependents(tx, job.id)
    const event = {
      projectId: asked.projectId,
      type,
      actor: asked.actor,
      correlationId: asked.correlationId,
      causationId: asked.causationId,
      resourceType: 'job',
      resourceId: job.id,
      data: { dependency_id: row.id, depends_on_job_id: row.dependsOnJobId, condition: row.condition },
    }
    return { result: row, events: [event], rings: ['waits'] }
  })
  jobsOf(ctx).forget(asked.projectId, asked.job)
  return row
}

/** The dependencies of a run's job, and whether each is met for this run. */
export async function dependencyStatus(
  ctx: Pick<Ctx, 'reads'>,
  run: RunRow,
): Promise<{ dependencies: DependencyStanding[]; satisfied: boolean }> {
  const dependencies = run.jobId ? await readDependencyStandings(ctx.reads, run.jobId, matchKeyOf(run)) : []
  return { dependencies, satisfied: dependencies.every((it) => it.met) }
}
