// Files of a project, in chunks. A file is there once its size is.
import type { Db } from '#postgres/sql.ts'

export type FileRow = { id: string; projectId: string; name: string; mimeType: string; size: number; createdAt: Date }

const columns = (sql: Db) =>
  sql`id, project_id as "projectId", name, mime_type as "mimeType", size, created_at as "createdAt"`

export const insertFile = (sql: Db, it: Pick<FileRow, 'id' | 'projectId' | 'name' | 'mimeType'>) => sql`
  insert into files (id, project_id, name, mime_type) values (${it.id}, ${it.projectId}, ${it.name}, ${it.mimeType})`

export const insertChunk = (sql: Db, it: { fileId: string; number: number; bytes: Buffer }) => sql`
  insert into file_chunks (file_id, number, bytes) values (${it.fileId}, ${it.number}, ${it.bytes})`

export type FileBounds = { filesMax: number; bytesMax: number }

/** All of it is here. Undefined when the project's files would be more than they may be together. */
export async function finishFile(
  sql: Db,
  { id, projectId, size }: Pick<FileRow, 'id' | 'projectId' | 'size'>,
  { filesMax, bytesMax }: FileBounds,
): Promise<FileRow | undefined> {
  const [row] = await sql<FileRow[]>`
    with counted as (
      insert into file_sums as s (project_id, n, bytes)
      values (${projectId}, 1, ${size})
      on conflict (project_id) do update set n = s.n + 1, bytes = s.bytes + excluded.bytes
      where s.n < ${filesMax} and s.bytes + excluded.bytes <= ${bytesMax}
      returning project_id
    )
    update files set size = ${size}
    where id = ${id}
      and size is null
      and exists (select from counted)
    returning ${columns(sql)}`
  return row
}

/** What the project's files are together. */
export async function readFileSum(sql: Db, projectId: string): Promise<{ n: number; bytes: number }> {
  const [row] = await sql<
    { n: number; bytes: number }[]
  >`select n, bytes from file_sums where project_id = ${projectId}`
  return row ?? { n: 0, bytes: 0 }
}

/** Files of the project by their ids, in no order; what is not there is absent. */
export const readFiles = async (sql: Db, projectId: string, ids: readonly string[]): Promise<FileRow[]> => [
  ...(await sql<FileRow[]>`
    select ${columns(sql)} from files
    where id = any(${ids as string[]}::uuid[])
      and project_id = ${projectId}
      and size is not null`),
]

/** One chunk of a file, numbered from 0; undefined when the file was deleted. */
export async function readFileChunk(sql: Db, id: string, number: number): Promise<Buffer | undefined> {
  const [chunk] = await sql<{ bytes: Buffer }[]>`
    select bytes from file_chunks where file_id = ${id} and number = ${number}`
  return chunk?.bytes
}

/** Deletes a file, finished or not. False when the project has none such. */
export async function deleteFile(sql: Db, projectId: string, id: string): Promise<boolean> {
  const rows = await sql`
    with gone as (
      delete from files where id = ${id} and project_id = ${projectId} returning id, project_id, size
    ), chunks as (
      delete from file_chunks where file_id = any(array(select gone.id from gone))
    ), counted as (
      update file_sums s set n = s.n - 1, bytes = s.bytes - gone.size
      from gone where s.project_id = gone.project_id and gone.size is not null
    )
    select id from gone`
  return rows.length > 0
}

/** Uploads that broke off together with their node: begun an hour ago, and not finished. */
export const readAbandonedFiles = async (sql: Db, projectId: string, limit: number): Promise<string[]> =>
  (
    await sql<{ id: string }[]>`
      select id from files
      where project_id = ${projectId}
        and size is null
        and created_at < now() - interval '1 hour'
      order by created_at limit ${limit}`
  ).map((row) => row.id)
