// Bodies of multipart/form-data: each file is stored as it arrives, with only one chunk of it in memory.

import { Readable } from 'node:stream'
import type { MultipartFile } from '@fastify/multipart'
import type { FastifyRequest } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import { refuse, refuseField } from '#core/error.ts'
import { own } from '#core/own.ts'
import { cutText } from '#core/storable.ts'
import type { FileRow } from '#files/files.sql.ts'
import { FILE_BYTES_MAX, removeFile, type StoredFile, storeFile } from '#files/files.ts'
import { findFlaws, parseJsonText, textFlaw } from '#http/input/json.ts'
import { FILES_MAX } from './contract.ts'

const NAME_LENGTH_MAX = 255
const FIELD_BYTES_MAX = 1024 * 1024

export const UPLOAD_LIMITS = {
  // One byte more than the limit; otherwise a truncated file would look like one that fits.
  fileSize: FILE_BYTES_MAX + 1,
  files: FILES_MAX,
  fields: 100,
  parts: 100 + FILES_MAX,
  fieldSize: FIELD_BYTES_MAX,
  fieldNameSize: 100,
} as const

export type Upload = { files: StoredFile[]; fields: Map<string, string[]> }

/** Everything but the files in parts of the given name is small. On an error, stored files are deleted. */
export async function readUpload(
  ctx: Ctx,
  request: FastifyRequest,
  { projectId, part: name }: { projectId: string; part: string },
): Promise<Upload> {
  const upload: Upload = { files: [], fields: new Map() }
  try {
    for await (const part of request.parts()) {
      if (part.type === 'file' && part.fieldname === name) upload.files.push(await store(ctx, projectId, part))
      else if (part.type === 'file') part.file.resume()
      else addField(upload.fields, part)
    }
    return upload
  } catch (error) {
    await discard(ctx, projectId, upload.files)
    throw brokenOff(error)
      ? refuse('malformed', { reason: 'The body is not a complete multipart/form-data message.' })
      : error
  }
}

export const discard = async (ctx: Ctx, projectId: string, files: readonly FileRow[]): Promise<void> => {
  for (const file of files) await removeFile(ctx, projectId, file.id)
}

const store = (ctx: Ctx, projectId: string, part: MultipartFile): Promise<StoredFile> =>
  storeFile(ctx, {
    projectId,
    name: cutText(plainText(part.fieldname, part.filename), NAME_LENGTH_MAX) || 'file',
    mimeType: cutText(plainText(part.fieldname, part.mimetype), NAME_LENGTH_MAX),
    content: part.file,
  })

function plainText(field: string, text: string): string {
  const flaw = textFlaw(text)
  if (flaw) throw refuseField(field, flaw)
  return text
}

function addField(fields: Upload['fields'], part: { fieldname: string; value: unknown; valueTruncated: boolean }) {
  if (part.valueTruncated) throw refuse('too_large', { what: `The field ${part.fieldname}`, bytesMax: FIELD_BYTES_MAX })
  // A part declared as JSON has been parsed already.
  const text = typeof part.value === 'string' ? part.value : JSON.stringify(part.value)
  fields.set(part.fieldname, [...(fields.get(part.fieldname) ?? []), text])
}

/** What the parser throws for a body that ends early, or never begins; it has no code for it. */
const brokenOff = (error: unknown): boolean =>
  error instanceof Error && /^(Multipart: |Unexpected end)/.test(error.message)

/** The fields of a run, as the JSON body would have them. Validated later, like those. */
export function runBodyOf(fields: Upload['fields']): Record<string, unknown> {
  const input = fields.get('input')?.[0]
  const ids = fields.get('file_ids')
  return {
    ...(input !== undefined && { input: inputOf(input) }),
    ...named(fields, ['user_id', 'session_id'], plainText),
    ...named(fields, ['stream', 'background'], (_, text) => own(FLAGS, text.toLowerCase()) ?? text),
    ...(ids && { file_ids: ids }),
  }
}

const FLAGS: Readonly<Record<string, boolean>> = { true: true, 1: true, false: false, 0: false }

const named = (fields: Upload['fields'], names: readonly string[], read: (name: string, text: string) => unknown) =>
  Object.fromEntries(names.flatMap((name) => (fields.has(name) ? [[name, read(name, fields.get(name)![0]!)]] : [])))

/** JSON, or else the text itself. */
function inputOf(text: string): unknown {
  let value: unknown = text
  try {
    value = parseJsonText(text, 'input', { here: 'any' }).value
  } catch {}
  const flaws = findFlaws({ input: value })
  if (flaws.length > 0) throw refuse('invalid', { fields: flaws })
  return value
}

/** A body that is neither: other formats are for other routes. */
export function refuseOtherBodies(request: FastifyRequest): void {
  if (request.body instanceof Readable)
    throw refuse('unsupported_media_type', {
      contentType: request.headers['content-type'] ?? '',
      takes: ['application/json', 'multipart/form-data'],
    })
}
