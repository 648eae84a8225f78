import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/files.ts'
import { openFile, removeFile } from '#files/files.ts'
import { fileNameOf } from '../download.ts'
import { implement } from '../implement.ts'

export function fileRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.getFile, async ({ file_id }, { projectId }, _, reply) => {
    const { file, bytes } = await openFile(ctx, projectId, file_id)
    // Whatever type the client declared: no browser may take it for a page of ours.
    reply
      .header('x-content-type-options', 'nosniff')
      .header(
        'content-disposition',
        `attachment; filename="${plainName(file.name)}"; filename*=UTF-8''${encodedName(file.name)}`,
      )
      .header('content-length', file.size)
    return Readable.from(bytes)
  })
  implement(app, contract.deleteFile, async ({ file_id }, { projectId }) => {
    await removeFile(ctx, projectId, file_id)
    return undefined
  })
}

/** The full name, for clients that support RFC 6266. Unpaired surrogates were refused at the upload. */
const encodedName = (name: string): string =>
  encodeURIComponent(name).replace(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16)}`)

/** Dots stay, so that the extension does. */
const plainName = (name: string): string => name.split('.').map(fileNameOf).join('.')
