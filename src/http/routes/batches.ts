import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/runs/batches.ts'
import { type BatchRow, listBatches } from '#jobs/batches.sql.ts'
import { requireJob } from '#jobs/require-job.ts'
import { requireBatch } from '#runs/trigger/trigger-batch.ts'
import { implement } from '../implement.ts'
import { createdCursor, createdKey, encodeCursor, pageOf } from '../wire/cursor.ts'
import { toWire } from '../wire/words.ts'

export function batchRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.listBatches, async ({ job, cursor, limit }, { projectId }) => {
    const jobId = job === undefined ? undefined : (await requireJob(ctx, projectId, job)).id
    const after = createdCursor('batches', cursor)
    const rows = await listBatches(ctx.reads, { projectId, jobId, after, limit: limit + 1 })
    return pageOf(rows, limit, {
      wire: (row: BatchRow) => toWire(row),
      cursor: (row) => encodeCursor('batches', createdKey(row)),
    })
  })
  implement(app, contract.getBatch, async ({ batch_id }, { projectId }) =>
    toWire(await requireBatch(ctx, projectId, batch_id)),
  )
}
