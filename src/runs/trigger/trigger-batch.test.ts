import { expect, test } from 'vitest'
import { listBatches } from '#jobs/batches.sql.ts'
import { addJob, TESTER, testYard } from '#test/support/yard.ts'
import { deleteOldBatches } from '#upkeep/retention.sql.ts'
import { requireBatch, triggerBatch } from './trigger-batch.ts'
import { triggerRuns } from './trigger-runs.ts'

const asked = { projectId: 'default', actor: TESTER, job: 'j' }

test('a batch is recorded while it is in progress, and in the end says how many runs it created', async () => {
  const { ctx } = await testYard()
  const job = await addJob(ctx, 'j', { payloadSchema: { type: 'number' } })
  const { batchId, outcomes } = await triggerBatch(ctx, { ...asked, itemCount: 2 }, async (batchId) => {
    expect(await requireBatch(ctx, 'default', batchId)).toMatchObject({ createdCount: 0, finishedAt: null })
    return triggerRuns(ctx, 'j', [{ payload: 1 }, { payload: 'x' }], { ...asked, triggeredBy: 'manual', batchId })
  })
  expect(outcomes).toMatchObject([{ run: { batchId }, replayed: false }, { code: 'invalid' }])
  expect(await requireBatch(ctx, 'default', batchId)).toMatchObject({
    jobId: job.id,
    itemCount: 2,
    createdCount: 1,
    createdBy: TESTER.id,
    finishedAt: expect.any(Date),
  })
})

test('an interrupted batch has no end, and a batch of no job does not exist', async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'j')
  const broken = triggerBatch(ctx, { ...asked, itemCount: 1 }, () => Promise.reject(new Error('the node died')))
  await expect(broken).rejects.toThrow('the node died')
  const none = triggerBatch(ctx, { ...asked, job: 'none', itemCount: 1 }, async () => [])
  await expect(none).rejects.toMatchObject({ code: 'job_not_found' })
  expect(await listBatches(sql, { projectId: 'default', limit: 10 })).toMatchObject([{ finishedAt: null }])
})

test('batches are deleted when the runs of their time are', async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'j')
  for (const itemCount of [1, 2]) await triggerBatch(ctx, { ...asked, itemCount }, async () => [])
  await sql`update batches set created_at = now() - interval '3 days' where item_count = 1`
  expect(await deleteOldBatches(sql, 4, 10)).toBe(0)
  expect(await deleteOldBatches(sql, 2, 10)).toBe(1)
  expect(await listBatches(sql, { projectId: 'default', limit: 10 })).toMatchObject([{ itemCount: 2 }])
})
