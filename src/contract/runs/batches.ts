// Batches: runs that were triggered together.
import { Type } from 'typebox'
import { JOB, listOf, nullable, optional, paging, query, time, timeOrNull, uuid, whole } from '../common.ts'
import { route } from '../route.ts'

const tag = 'Runs'
const BATCH_ITEMS_MAX = 500

export const Batch = Type.Object(
  {
    id: uuid('Id of the batch; the batch_id of its runs.'),
    project_id: Type.String({ description: 'Project that the batch belongs to.' }),
    job_id: uuid('Id of the job.'),
    item_count: whole(0, BATCH_ITEMS_MAX, 'Items in the request.'),
    created_count: whole(0, BATCH_ITEMS_MAX, 'Runs created; 0 until the batch is finished.'),
    created_by: nullable(Type.String(), 'Id of the actor who triggered it.'),
    created_at: time('When it was triggered.'),
    finished_at: timeOrNull('When all items had been processed; null when the batch was interrupted.'),
  },
  { title: 'Batch' },
)

export const listBatches = route({
  method: 'GET',
  path: '/v1/batches',
  needs: 'runs:read',
  tag,
  name: 'listBatches',
  summary: 'List batches, newest first.',
  query: query({ job: optional(JOB), ...paging }),
  replies: { 200: listOf(Batch, 'BatchList') },
  refusals: ['invalid_cursor', 'job_not_found'],
})

export const getBatch = route({
  method: 'GET',
  path: '/v1/batches/:batch_id',
  needs: 'runs:read',
  tag,
  name: 'getBatch',
  summary: 'Get a batch; GET /v1/runs with batch_id lists its runs.',
  params: Type.Object({ batch_id: uuid('Id of the batch.') }),
  replies: { 200: Batch },
  refusals: ['batch_not_found'],
})
