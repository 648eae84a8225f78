// The HTTP server: its limits, request ids, authentication, and one envelope for all errors.
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify'
import { refuse } from '#core/error.ts'
import { type AccessOptions, checkAccess } from './access.ts'
import { allowOrigins } from './cors.ts'
import { BODY_BYTES_MAX, readBodies } from './input/body.ts'
import { answerBrokenRequest } from './input/broken-request.ts'
import { compileValidator } from './input/validation.ts'
import { pathBook } from './path-book.ts'
import { sendProblem } from './problems.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Answers an unknown path: with the methods that it supports, or 404. */
    answerUnknown: (request: FastifyRequest, reply: FastifyReply) => FastifyReply
    /** The error wording of each mount, by prefix. */
    problemSenders: Map<string, typeof sendProblem>
  }
}

export type ServerOptions = AccessOptions & {
  log: FastifyBaseLogger
  /** Each mounts a part of the API. */
  routes: readonly ((app: FastifyInstance) => void)[]
  bodyBytesMax?: number
  /** Proxies whose X-Forwarded-For is believed. */
  trustedProxies?: readonly string[]
  /** Origins whose pages may call, besides our own. */
  corsOrigins?: ReadonlySet<string>
  /** The node will close soon: responses ask clients to reconnect, which leads them to another node. */
  isDraining?: () => boolean
}

// Clients may be slow, broken or hostile; each of these limits what one of them can hold.
const BOUNDS = {
  /** A whole request must have arrived by then; a long poll or a stream begins after that. */
  requestTimeout: 120_000,
  /** An inactive connection is dropped; streams send a comment every 15 s. */
  connectionTimeout: 120_000,
  /** Longer than the 60 s for which load balancers keep idle connections: the balancer must be the one to close. */
  keepAliveTimeout: 72_000,
  headersTimeoutMs: 15_000,
  headerBytesMax: 16 * 1024,
  headersMax: 100,
  connectionsMax: 20_000,
  /** A run id has at most 256 characters, each up to 4 bytes of 3 percent-encoded characters. */
  paramLengthMax: 3072,
} as const

/** One word, without characters that have a meaning in surrounding text: it appears in logs and replies. */
const REQUEST_ID = /^[\w.:/=+@~-]{1,128}$/

export function buildServer({
  log,
  routes,
  bodyBytesMax = BODY_BYTES_MAX,
  corsOrigins = new Set(),
  trustedProxies = [],
  isDraining = () => false,
  ...access
}: ServerOptions): FastifyInstance {
  const paths = pathBook()
  const senders = new Map<string, typeof sendProblem>()
  // Requests that the framework refuses before routing are still answered in the words of their mount.
  const sendProblemAt = (url: string) => senders.get(`/${url.split(/[/?]/, 2)[1]}`) ?? sendProblem
  const app: FastifyInstance = Fastify({
    loggerInstance: log,
    // Two lines per request would cost more than most requests; refusals and failures are logged as they are sent.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    requestIdHeader: false,
    genReqId: requestId,
    bodyLimit: bodyBytesMax,
    trustProxy: trustedProxies.length > 0 ? [...trustedProxies] : false,
    requestTimeout: BOUNDS.requestTimeout,
    connectionTimeout: BOUNDS.connectionTimeout,
    keepAliveTimeout: BOUNDS.keepAliveTimeout,
    http: { maxHeaderSize: BOUNDS.headerBytesMax, headersTimeout: BOUNDS.headersTimeoutMs },
    routerOptions: { maxParamLength: BOUNDS.paramLengthMax },
    // While the server closes, our own hook answers, with our envelope.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    frameworkErrors: (error, request, reply) => sendProblemAt(request.url)(error, request, guarded(request, reply)),
    clientErrorHandler: answerBrokenRequest,
  })
  app.server.maxConnections = BOUNDS.connectionsMax
  app.server.maxHeadersCount = BOUNDS.headersMax

  app.decorateRequest('caller', null)
  readBodies(app)
  app.setValidatorCompiler<object>(({ schema, httpPart }) => compileValidator(schema, httpPart) as never)
  app.setErrorHandler(sendProblem)
  app.decorate('answerUnknown', answerUnknown(paths))
  app.decorate('problemSenders', senders)
  app.setNotFoundHandler(app.answerUnknown)
  app.addHook('onRoute', ({ method, url }) => paths.add(method, url))

  const idle = watchIdle(app.server as Server)
  let closing = false
  app.addHook('preClose', async () => {
    closing = true
    sweepConnections(app, idle)
  })
  allowOrigins(app, corsOrigins)
  const check = checkAccess(access)
  app.addHook('onRequest', async (request, reply) => {
    guarded(request, reply)
    checkSingleHeaders(request)
    if (isDraining()) reply.header('connection', 'close')
    if (closing) throw refuse('unavailable', { what: 'This node is shutting down and', retryAfterMs: 1000 })
    await check(request, reply)
  })

  for (const mount of routes) mount(app)
  return app
}

/** With two Host headers, a proxy may read one and we the other; of two credentials it is unclear which counts. */
const SENT_ONCE = new Set(['host', 'authorization', 'x-api-key', 'idempotency-key', 'content-type'])

function checkSingleHeaders({ raw: { rawHeaders } }: FastifyRequest): void {
  const seen = new Set<string>()
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!.toLowerCase()
    if (!SENT_ONCE.has(name)) continue
    if (seen.has(name)) throw refuse('malformed', { reason: `The header ${name} was sent twice.` })
    seen.add(name)
  }
}

/** Closes it; calls in progress may end within this time, and are then cut off: a body may never arrive. */
export async function closeServer(app: FastifyInstance, withinMs: number): Promise<void> {
  const late = setTimeout(() => app.server.closeAllConnections(), withinMs)
  await app.close().finally(() => clearTimeout(late))
}

const SWEEP_EVERY_MS = 50

// A connection whose last request ends after closing began becomes idle, and would hold the server open as long
// as it is kept alive.
function sweepConnections({ server }: FastifyInstance, idle: ReadonlySet<Socket>): void {
  if (!server.listening) return
  const sweep = setInterval(() => {
    for (const socket of idle) socket.destroy()
  }, SWEEP_EVERY_MS)
  server.once('close', () => clearInterval(sweep))
}

/** Connections without a request in progress. Node counts one that never sent any as busy, and clients open spares. */
function watchIdle(server: Server): ReadonlySet<Socket> {
  const idle = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    idle.add(socket)
    socket.once('close', () => idle.delete(socket))
  })
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    idle.delete(socket)
    response.once('close', () => {
      if (!socket.destroyed) idle.add(socket)
    })
  })
  return idle
}

function requestId(request: IncomingMessage): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
}

/**
 * Responses of an API must not be cached: they may contain secrets. Anything that is not JSON, or cacheable, sets its
 * own header.
 */
const guarded = (request: FastifyRequest, reply: FastifyReply): FastifyReply =>
  reply.headers({ 'x-request-id': request.id, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })

const answerUnknown =
  (paths: ReturnType<typeof pathBook>) =>
  (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const asked = request.url.split('?', 1)[0]!
    const allowed = paths.methodsOf(asked)
    const path = withoutSecret(asked)
    if (allowed.length === 0) throw refuse('route_not_found', { method: request.method, path })
    if (request.method === 'OPTIONS') return reply.code(204).header('allow', allowed.join(', ')).send()
    throw refuse('method_not_allowed', { method: request.method, path, allowed })
  }

/** Refusals are logged, and some addresses are secrets: those of hooks, and of links that answer a question. */
const withoutSecret = (path: string): string => path.replace(/\b(hk_|rya_)[\w-]+/g, '$1…')
