import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/dependencies.ts'
import { listDependencies } from '#jobs/dependencies.sql.ts'
import { addDependency, dependencyStatus, removeDependency } from '#jobs/job-dependencies.ts'
import { requireJob } from '#jobs/require-job.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { implement } from '../implement.ts'
import { toWire } from '../wire/words.ts'

export function dependencyRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.addDependency, async ({ job, depends_on, condition }, { projectId, actor }) =>
    toWire(await addDependency(ctx, { projectId, actor, job, dependsOn: depends_on, condition })),
  )
  implement(app, contract.listDependencies, async ({ job }, { projectId }) => {
    const found = await requireJob(ctx, projectId, job)
    return { data: (await listDependencies(ctx.reads, found.id)).map(toWire), next_cursor: null, has_more: false }
  })
  implement(app, contract.removeDependency, async ({ job, dependency }, { projectId, actor }) => {
    await removeDependency(ctx, { projectId, actor, job, dependency })
    return undefined
  })
  implement(app, contract.dependencyStatus, async ({ run_id }, { projectId }) => {
    const run = await requireRun(ctx, projectId, run_id)
    const { dependencies, satisfied } = await dependencyStatus(ctx, run)
    return {
      run_id: run.publicId,
      job_id: run.jobId,
      status: run.state,
      dependencies: dependencies.map(({ state, ...it }) => ({ ...toWire(it), run_status: state })),
      dependencies_satisfied: satisfied,
    }
  })
}
