// Files that clients attach to runs and executors download. They are stored until somebody deletes them.
import { createHash } from 'node:crypto'
import type { Ctx } from '#bell/ctx.ts'
import { refuse } from '#core/error.ts'
import { isUuid, newId } from '#postgres/id.ts'
import type { Sql } from '#postgres/sql.ts'
import {
  deleteFile,
  type FileRow,
  finishFile,
  insertChunk,
  insertFile,
  readAbandonedFiles,
  readFileChunk,
  readFileSum,
  readFiles,
} from './files.sql.ts'

export const FILE_BYTES_MAX = 128 * 1024 * 1024
/** Limit per project. */
const BOUNDS = { filesMax: 100_000, bytesMax: 10 * 1024 * 1024 * 1024 } as const
/** Memory that an upload uses. */
const CHUNK_BYTES = 1024 * 1024
const ABANDONED_MAX = 100

/** With the SHA-256 of its content, in hexadecimal. */
export type StoredFile = FileRow & { sha256: string }

export type NewFile = { projectId: string; name: string; mimeType: string; content: AsyncIterable<Buffer> }

/** Stores a file as it arrives. A file that is too large, or breaks off, leaves nothing behind. */
export async function storeFile({ sql }: Pick<Ctx, 'sql'>, { content, ...about }: NewFile): Promise<StoredFile> {
  const { projectId } = about
  await makeRoom(sql, projectId)
  const id = newId()
  await insertFile(sql, { ...about, id })
  try {
    const hash = createHash('sha256')
    let size = 0
    let number = 0
    for await (const bytes of inChunks(content)) {
      size += bytes.length
      if (size > FILE_BYTES_MAX) throw refuse('too_large', { what: 'The file', bytesMax: FILE_BYTES_MAX })
      hash.update(bytes)
      await insertChunk(sql, { fileId: id, number: number++, bytes })
    }
    const file = await finishFile(sql, { id, projectId, size }, BOUNDS)
    if (!file) throw full()
    return { ...file, sha256: hash.digest('hex') }
  } catch (error) {
    await deleteFile(sql, projectId, id)
    throw error
  }
}

/** A file that would exceed the project's limit is refused before it is sent, if its size is known. */
async function makeRoom(sql: Ctx['sql'], projectId: string): Promise<void> {
  for (const id of await readAbandonedFiles(sql, projectId, ABANDONED_MAX)) await deleteFile(sql, projectId, id)
  const { n, bytes } = await readFileSum(sql, projectId)
  if (n >= BOUNDS.filesMax || bytes >= BOUNDS.bytesMax) throw full()
}

const full = () =>
  refuse('too_large', { what: `What the project keeps in ${BOUNDS.filesMax} files`, bytesMax: BOUNDS.bytesMax })

/** Regroups chunks of any size into chunks of one size. */
async function* inChunks(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let parts: Buffer[] = []
  let held = 0
  for await (const part of content) {
    parts.push(part)
    held += part.length
    if (held < CHUNK_BYTES) continue
    const all = Buffer.concat(parts)
    let from = 0
    for (; all.length - from >= CHUNK_BYTES; from += CHUNK_BYTES) yield all.subarray(from, from + CHUNK_BYTES)
    parts = [all.subarray(from)]
    held = all.length - from
  }
  if (held > 0) yield Buffer.concat(parts)
}

export async function requireFile({ sql }: Pick<Ctx, 'sql'>, projectId: string, fileId: string): Promise<FileRow> {
  const [file] = isUuid(fileId) ? await readFiles(sql, projectId, [fileId]) : []
  if (!file) throw refuse('file_not_found', { fileId })
  return file
}

/**
 * A file and its bytes, one chunk in memory at a time. The first chunk is read before the response begins: a file that
 * has been deleted by then, on any node, is not found. A later deletion breaks it off, which the length reveals.
 */
export async function openFile(ctx: Pick<Ctx, 'sql'>, projectId: string, fileId: string) {
  const file = await requireFile(ctx, projectId, fileId)
  const first = file.size === 0 ? Buffer.alloc(0) : await readFileChunk(ctx.sql, file.id, 0)
  if (!first) throw refuse('file_not_found', { fileId })
  return { file, bytes: bytesFrom(ctx.sql, file, first) }
}

async function* bytesFrom(sql: Sql, { id, size }: FileRow, first: Buffer): AsyncGenerator<Buffer> {
  let read = first.length
  if (read > 0) yield first
  for (let number = 1; read < size; number++) {
    const bytes = await readFileChunk(sql, id, number)
    if (!bytes) throw new Error(`file ${id} was deleted while it was read`)
    read += bytes.length
    yield bytes
  }
}

export async function removeFile({ sql }: Pick<Ctx, 'sql'>, projectId: string, fileId: string): Promise<void> {
  const file = await requireFile({ sql }, projectId, fileId)
  await deleteFile(sql, projectId, file.id)
}
