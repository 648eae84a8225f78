// The web console, served by the node itself: one page for all screens, and its files, which are named by their content.
import { fileURLToPath } from 'node:url'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { refuse } from '#core/error.ts'
import { type ConsoleFile, type ConsoleFiles, type Encoding, readConsole } from './console-files.ts'

const BUILT = fileURLToPath(new URL('../../../web/dist/', import.meta.url))

/** Paths that are screens. What is not among them answers as JSON, as every path of an API does. */
const SCREENS = [
  'runs',
  'failures',
  'inbox',
  'agents',
  'events',
  'jobs',
  'usage',
  'operations',
  'settings',
  'sign-in',
] as const

const YEAR_SECS = 31_536_000

/** Its own scripts and styles, this server, and nothing else: not even what a hostile payload might bring along. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "manifest-src 'self'",
  "form-action 'none'",
  "base-uri 'self'",
  "frame-ancestors 'none'",
].join('; ')

const HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
} as const

export function consoleRoutes(app: FastifyInstance, folder: string = BUILT): void {
  // Read when somebody first asks: a node that only works for an API keeps none of it in memory.
  let found: ConsoleFiles | undefined
  const files = () => (found ??= readConsole(folder))

  const showPage = (request: FastifyRequest, reply: FastifyReply) => {
    const built = files()
    if (!built) return reply.code(404).type('text/plain; charset=utf-8').send(NOT_BUILT)
    return reply
      .headers({ ...HEADERS, 'cache-control': 'no-cache' })
      .type('text/html; charset=utf-8')
      .send(built.page.replace('<base href="./"', `<base href="${baseOf(request.url)}"`))
  }
  const showScreen = (request: FastifyRequest, reply: FastifyReply) => {
    if (isForPeople(request)) return showPage(request, reply)
    throw refuse('route_not_found', { method: request.method, path: request.url.split('?', 1)[0]! })
  }

  app.get('/', showPage)
  for (const screen of SCREENS) {
    app.get(`/${screen}`, showScreen)
    app.get(`/${screen}/*`, showScreen)
  }
  app.get<{ Params: { '*': string } }>('/assets/*', (request, reply) =>
    sendFile(request, reply, files()?.files.get(`assets/${request.params['*']}`)),
  )
  app.get('/icon.svg', (request, reply) => sendFile(request, reply, files()?.files.get('icon.svg')))
  app.get('/favicon.ico', (request, reply) => sendFile(request, reply, files()?.files.get('icon.svg')))
}

const NOT_BUILT =
  'The console has not been built: run `npm run prepare` in the folder of Runyard. The API is at /docs.\n'

/** A client of the API that mistook a path gets its 404 as JSON; a browser that opens a link gets the page. */
const isForPeople = ({ headers }: FastifyRequest): boolean => headers.accept?.includes('text/html') ?? false

/**
 * The way from the page's path back to where the console begins. It is relative, so that it is right below any path
 * that a proxy takes away, and nobody has to configure one.
 */
function baseOf(url: string): string {
  const depth = url.split('?', 1)[0]!.split('/').length - 2
  return depth === 0 ? './' : '../'.repeat(depth)
}

function sendFile(request: FastifyRequest, reply: FastifyReply, file: ConsoleFile | undefined): FastifyReply {
  if (!file) throw refuse('route_not_found', { method: request.method, path: request.url.split('?', 1)[0]! })
  const encoding = encodingFor(request, file)
  const keep = file.isHashed ? `public, max-age=${YEAR_SECS}, immutable` : 'public, max-age=3600'
  reply.headers({ ...HEADERS, 'cache-control': keep, vary: 'accept-encoding' }).type(file.type)
  if (encoding) reply.header('content-encoding', encoding)
  return reply.send(encoding ? file.encoded.get(encoding) : file.plain)
}

function encodingFor({ headers }: FastifyRequest, file: ConsoleFile): Encoding | undefined {
  const taken = String(headers['accept-encoding'] ?? '')
    .split(',')
    .map((one) => one.trim())
    .filter((one) => !/;\s*q=0(?:\.0+)?$/.test(one))
    .map((one) => one.split(';', 1)[0])
  return [...file.encoded.keys()].find((encoding) => taken.includes(encoding))
}
