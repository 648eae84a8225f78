// Between Fastify and the protocol's own handler, and the checks that keep pages in browsers out.
import type { McpHttpHandler } from '@modelcontextprotocol/server'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { refuse } from '#core/error.ts'
import { checkOriginIfSent, type PublicAddress } from '../session/origin.ts'

const LOOPBACK = /^(?:::1$|::ffff:127\.|127\.)/
const LOOPBACK_NAMES = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i

/** The request behind one that the handler hands to a server. */
export type Requests = WeakMap<Request, FastifyRequest>

export function checkSender(request: FastifyRequest, address: PublicAddress): void {
  checkOriginIfSent(request, address)
  checkHost(request, address)
}

/** A page whose name was pointed at this machine sends its own name; whoever listens on loopback is only called by its own. */
function checkHost({ headers, socket }: FastifyRequest, { origin }: PublicAddress): void {
  if (origin !== undefined || headers.origin === undefined || !LOOPBACK.test(socket.localAddress ?? '')) return
  if (!LOOPBACK_NAMES.test(headers.host ?? '')) throw refuse('wrong_origin', { origin: headers.origin })
}

type Serving = {
  request: FastifyRequest
  reply: FastifyReply
  requests: Requests
  /** Sent with a successful answer. */
  headers?: Readonly<Record<string, string>>
}

export async function serveMcp(
  handler: Pick<McpHttpHandler, 'fetch'>,
  { request, reply, requests, headers: more = {} }: Serving,
): Promise<FastifyReply> {
  const gone = new AbortController()
  reply.raw.on('close', () => gone.abort())
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers)) if (typeof value === 'string') headers.set(name, value)
  // The body has been read; its length would contradict that.
  headers.delete('content-length')
  const path = request.url.split('?', 1)[0]!
  const asked = new Request(`http://${request.headers.host ?? 'localhost'}${path}`, {
    method: request.method,
    headers,
    signal: gone.signal,
  })
  requests.set(asked, request)
  const answer = await handler.fetch(asked, request.body === undefined ? {} : { parsedBody: request.body })
  reply.code(answer.status)
  for (const [name, value] of answer.headers) reply.header(name, value)
  if (answer.ok) reply.headers(more)
  return reply.send(answer.body ?? '')
}
