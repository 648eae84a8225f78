import type { FastifyInstance } from 'fastify'
import { findJobOr404 } from '#actions/change-jobs.ts'
import type { Ctx } from '#actions/ctx.ts'
import { findBatchOr404 } from '#actions/trigger-batch.ts'
import * as contract from '#contract/batches.ts'
import { type BatchRow, listBatches } from '#storage/batches.ts'
import { createdCursor, encodeCursor, pageOf } from '../cursor.ts'
import { implement } from '../implement.ts'
import { toWire } from '../words.ts'

export function batchRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.listBatches, async ({ job, cursor, limit }, { projectId }) => {
    const jobId = job === undefined ? undefined : (await findJobOr404(ctx, projectId, job)).id
    const after = createdCursor('batches', cursor)
    const rows = await listBatches(ctx.reads, { projectId, jobId, after, limit: limit + 1 })
    return pageOf(rows, limit, {
      wire: (row: BatchRow) => toWire(row),
      cursor: (row) => encodeCursor('batches', [row.createdAt.toISOString(), row.id]),
    })
  })
  implement(app, contract.getBatch, async ({ batch_id }, { projectId }) =>
    toWire(await findBatchOr404(ctx, projectId, batch_id)),
  )
}
