// Batches: which runs were triggered together, and how many of them came to be.
import type { Db } from '#postgres/sql.ts'

export type BatchRow = {
  id: string
  projectId: string
  jobId: string
  itemCount: number
  createdCount: number
  createdBy: string | null
  createdAt: Date
  finishedAt: Date | null
}

const columns = (sql: Db) => sql`
  id,
  project_id as "projectId",
  job_id as "jobId",
  item_count as "itemCount",
  created_count as "createdCount",
  created_by as "createdBy",
  created_at as "createdAt",
  finished_at as "finishedAt"
  from batches`

export type NewBatch = Pick<BatchRow, 'id' | 'projectId' | 'jobId' | 'itemCount' | 'createdBy'>

export const insertBatch = (sql: Db, it: NewBatch) => sql`
  insert into batches (id, project_id, job_id, item_count, created_by)
  values (${it.id}, ${it.projectId}, ${it.jobId}, ${it.itemCount}, ${it.createdBy})`

export const finishBatch = (sql: Db, id: string, createdCount: number) => sql`
  update batches
  set created_count = ${createdCount}, finished_at = date_trunc('milliseconds', clock_timestamp())
  where id = ${id}`

export async function findBatch(sql: Db, projectId: string, id: string): Promise<BatchRow | undefined> {
  const [row] = await sql<BatchRow[]>`select ${columns(sql)} where id = ${id} and project_id = ${projectId}`
  return row
}

export type BatchFilter = {
  projectId: string
  jobId?: string | undefined
  after?: { createdAt: string; id: string } | undefined
  limit: number
}

/** Newest first. */
export const listBatches = async (sql: Db, { projectId, jobId, after, limit }: BatchFilter): Promise<BatchRow[]> => [
  ...(await sql<BatchRow[]>`
    select ${columns(sql)}
    where project_id = ${projectId}
      ${jobId === undefined ? sql`` : sql`and job_id = ${jobId}`}
      ${after ? sql`and (created_at, id) < (${after.createdAt}::timestamptz, ${after.id}::uuid)` : sql``}
    order by created_at desc, id desc limit ${limit}`),
]
