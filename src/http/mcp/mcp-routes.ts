// `/mcp`: the Model Context Protocol over Streamable HTTP, current and previous revisions. There are no sessions, so any
// node answers any request. Each call of a tool is a call of the API with the caller's key.
import { createMcpHandler } from '@modelcontextprotocol/server'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { getMe } from '#contract/access.ts'
import { refuse } from '#core/error.ts'
import { askThrough, pagesThrough, type Sent } from '#mcp/ask.ts'
import { mcpServer } from '#mcp/server.ts'
import manifest from '../../../package.json' with { type: 'json' }
import type { PublicAddress } from '../session/origin.ts'
import { checkSender, type Requests, serveMcp } from './serve-mcp.ts'

const PATH = '/mcp'
/** Streams of clients that wait for changes of lists, on one node. */
const SUBSCRIPTIONS_MAX = 100

type Parts = { address: PublicAddress }

export function mcpRoutes(app: FastifyInstance, { address }: Parts): void {
  const requests: Requests = new WeakMap()
  const handler = createMcpHandler(
    ({ requestInfo }) => {
      const request = requestInfo && requests.get(requestInfo)
      if (!request) throw new Error('a server was asked for without its request')
      const transport = (sent: Sent) => askItself(app, request, sent)
      return mcpServer({ ask: askThrough(transport), readPage: pagesThrough(transport), version: manifest.version })
    },
    {
      maxSubscriptions: SUBSCRIPTIONS_MAX,
      onerror: (error) => app.log.info({ err: error }, 'a request of MCP was refused'),
    },
  )
  app.addHook('preClose', () => handler.close())
  app.route({
    method: ['GET', 'POST', 'DELETE'],
    url: PATH,
    handler: async (request, reply) => {
      checkSender(request, address)
      await requireKey(app, request)
      return serveMcp(handler, { request, reply, requests })
    },
  })
}

/** Checked before anything is read or answered, so that a client learns of a wrong key by its status. */
async function requireKey(app: FastifyInstance, request: FastifyRequest): Promise<void> {
  const ask = askThrough((sent) => askItself(app, request, sent))
  await ask(getMe, {}).catch((error: { code?: string; status?: number; message: string }) => {
    if (error.status === 401) throw refuse('unauthorized', { reason: error.message })
    if (error.code === 'wrong_credential') throw refuse('wrong_credential', { needs: 'an API key' })
    throw error
  })
}

/** A call of this node's own API, with the credentials of the request that it is made for. */
async function askItself(
  app: FastifyInstance,
  request: FastifyRequest,
  { method, target, body, headers }: Sent,
): Promise<Response> {
  const { authorization, 'x-api-key': apiKey } = request.headers
  const {
    statusCode,
    body: text,
    headers: answered,
  } = await app.inject({
    method,
    url: target,
    remoteAddress: request.ip,
    headers: {
      ...headers,
      host: request.headers.host ?? 'localhost',
      ...(authorization !== undefined && { authorization }),
      ...(apiKey !== undefined && { 'x-api-key': apiKey }),
    },
    ...(body !== undefined && { payload: body }),
  })
  const retryAfter = answered['retry-after']
  // A Response takes no body with these.
  const empty = statusCode === 204 || statusCode === 304
  return new Response(empty ? null : text, {
    status: statusCode,
    ...(retryAfter !== undefined && { headers: { 'retry-after': String(retryAfter) } }),
  })
}
