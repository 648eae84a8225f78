// A batch is recorded before its first run and closed after its last one: a batch without an end was interrupted.

import type { Ctx } from '#bell/ctx.ts'
import { refuse } from '#core/error.ts'
import { type BatchRow, findBatch, finishBatch, insertBatch } from '#jobs/batches.sql.ts'
import { jobsOf } from '#jobs/job-cache.ts'
import { newId } from '#postgres/id.ts'
import type { Origin } from './run-request.ts'
import type { Triggered } from './trigger-runs.ts'

type Batch = { job: string; itemCount: number } & Pick<Origin, 'projectId' | 'actor'>

/**
 * Runs `work` as one batch, whose id its runs carry. It returns one outcome per item;
 * throws when the job does not exist.
 */
export async function triggerBatch(
  ctx: Ctx,
  { job: jobName, itemCount, projectId, actor }: Batch,
  work: (batchId: string) => Promise<(Triggered | Error)[]>,
): Promise<{ batchId: string; outcomes: (Triggered | Error)[] }> {
  const job = await jobsOf(ctx).find(projectId, jobName)
  if (!job) throw refuse('job_not_found', { job: jobName })
  const batchId = newId()
  await insertBatch(ctx.sql, { id: batchId, projectId, jobId: job.id, itemCount, createdBy: actor.id })
  const outcomes = await work(batchId)
  const created = outcomes.filter((it) => !(it instanceof Error) && !it.replayed).length
  await finishBatch(ctx.sql, batchId, created)
  return { batchId, outcomes }
}

export async function requireBatch(ctx: Pick<Ctx, 'sql'>, projectId: string, batchId: string): Promise<BatchRow> {
  const found = await findBatch(ctx.sql, projectId, batchId)
  if (!found) throw refuse('batch_not_found', { batchId })
  return found
}
