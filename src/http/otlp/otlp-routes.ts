// OTLP over HTTP: protobuf or JSON, perhaps compressed, and replies in the encoding of the request.
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import { exportTraces, PROTOBUF } from '#contract/otlp.ts'
import { refuse } from '#core/error.ts'
import { type Decoded, decodeJson, decodeProtobuf } from '#otlp/decode.ts'
import { encodeReply } from '#otlp/messages.ts'
import { receiveSpans } from '#otlp/receive-spans.ts'
import { implement } from '../implement.ts'
import { problemSender, type Wording } from '../problems.ts'

const PROTOBUF_TYPE = /^application\/x-protobuf(?:\s*;|$)/
const JSON_TYPE = /^application\/json(?:\s*;|$)/

export function otlpRoutes(app: FastifyInstance, ctx: Ctx): void {
  app.register(async (scope) => {
    scope.setErrorHandler(problemSender(statusWording))
    scope.removeAllContentTypeParsers()
    takeBodies(scope, PROTOBUF_TYPE, decodeProtobuf)
    takeBodies(scope, JSON_TYPE, decodeJson)
    answerInKind(scope)
    implement(scope, exportTraces, async ({ traces }, { projectId, actor }) => {
      if (traces === undefined) throw refuse('malformed', { reason: 'The request has no body.' })
      const { rejected, reasons } = await receiveSpans(ctx, { projectId, actor }, traces as Decoded)
      if (rejected === 0) return {}
      return { partialSuccess: { rejectedSpans: String(rejected), errorMessage: reasons.join('; ') } }
    })
  })
}

/**
 * Our envelope is a google.rpc.Status as well: clients look at the HTTP status, at Retry-After and, of the body, at its
 * message. What cannot be read is 400 in OTLP, whatever is wrong with it.
 */
const statusWording: Wording = ({ status, error }, { request }) => ({
  status: status === 422 ? 400 : status,
  body: { message: error.message, error, request_id: request.id },
})

function takeBodies(scope: FastifyInstance, type: RegExp, decode: (bytes: Uint8Array) => Decoded): void {
  scope.addContentTypeParser<Buffer>(type, { parseAs: 'buffer' }, async (request: FastifyRequest, bytes: Buffer) =>
    decode(await plainBytes(request, bytes)),
  )
}

const decompress = promisify(gunzip)

/** A small body may decompress to a very large one: it is bounded as it is decompressed. */
async function plainBytes({ headers }: FastifyRequest, bytes: Buffer): Promise<Buffer> {
  if (headers['content-encoding']?.trim().toLowerCase() !== 'gzip') return bytes
  const bytesMax = exportTraces.bodyBytesMax
  try {
    return await decompress(bytes, { maxOutputLength: bytesMax })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw refuse('too_large', { what: 'The decompressed body', bytesMax })
    throw refuse('malformed', { reason: 'The body is not valid gzip.' })
  }
}

/** What was asked in protobuf is answered in protobuf, errors included. */
function answerInKind(scope: FastifyInstance): void {
  scope.addHook('onSend', async (request, reply, payload) => {
    if (typeof payload !== 'string' || !PROTOBUF_TYPE.test(request.headers['content-type'] ?? '')) return payload
    const name = reply.statusCode === 200 ? 'ExportTraceServiceResponse' : 'RpcStatus'
    reply.type(PROTOBUF).removeHeader('content-length')
    return Buffer.from(encodeReply(name, JSON.parse(payload) as object))
  })
}
