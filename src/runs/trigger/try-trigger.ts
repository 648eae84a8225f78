// Dry runs of triggers: refusals are reported, and nothing is created.

import type { Ctx } from '#bell/ctx.ts'
import { type Refusal, refuse } from '#core/error.ts'
import { requireJob } from '#jobs/require-job.ts'
import { payloadProblem, scheduleProblem } from './prepare-run.ts'
import type { RunRequest } from './run-request.ts'

/** Why each of these runs would be refused. Throws what would refuse any run of the job. */
export async function tryTriggers(
  ctx: Pick<Ctx, 'sql' | 'nowMs'>,
  { projectId, job: jobName }: { projectId: string; job: string },
  requests: readonly RunRequest[],
): Promise<(Refusal | undefined)[]> {
  const job = await requireJob(ctx, projectId, jobName)
  if (!job.definition.enabled) throw refuse('job_disabled', { job: jobName })
  if (job.pausedAt && job.definition.whenPaused === 'refuse') throw refuse('job_paused', { job: jobName })
  if (job.definition.execution === 'external') throw refuse('job_external', { job: jobName })
  const nowMs = ctx.nowMs()
  return Promise.all(requests.map(async (it) => scheduleProblem(it, nowMs) ?? (await payloadProblem(job, it.payload))))
}
