// Every answer that a test gets from a node of its own process is held against the document that the node serves: status,
// type and body. A test whose answers are not documented fails, whatever else it looks at.
import { subscribe } from 'node:diagnostics_channel'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { afterEach, expect } from 'vitest'

type Media = Record<string, { schema?: object }>
type Response = { $ref?: string; content?: Media }
type Document = {
  servers: { url: string }[]
  paths: Record<string, Record<string, { responses: Record<string, Response> }>>
  components: { responses: Record<string, Response> }
}
type Known = { document: Document; bodyCheck: (at: readonly string[]) => ValidateFunction }

const undocumented = new Set<string>()

subscribe('fastify.initialization', (message) => {
  const app = (message as { fastify: FastifyInstance }).fastify
  const documents = new Map<string, Promise<Known | undefined>>()
  const documentAt = (mount: string): Promise<Known | undefined> => {
    let known = documents.get(mount)
    if (!known) {
      known = readDocument(app, mount)
      documents.set(mount, known)
    }
    return known
  }
  app.addHook('onSend', async (request, reply, payload) => {
    // Where a slash at the end is redirected, the path that was asked for is no operation of the document.
    if (reply.statusCode === 307) return payload
    const known = isChecked(request) ? await documentAt(mountOf(request)) : undefined
    if (known) note(request, reply, problemOf(known, { request, reply, payload }))
    return payload
  })
  // A stream is written past the hook above.
  app.addHook('onResponse', async (request, reply) => {
    if (!isChecked(request) || !request.routeOptions.config.route?.stream || reply.statusCode >= 400) return
    const known = await documentAt(mountOf(request))
    const type = String(reply.raw.getHeader('content-type') ?? 'text/event-stream')
    if (known) note(request, reply, typeProblem(responseOf(known.document, request, reply.statusCode), type))
  })
})

afterEach(() => {
  const found = [...undocumented]
  undocumented.clear()
  expect(found, 'answers that the documents do not know').toEqual([])
})

const MOUNTS = ['/strait', '/onceonly', '/dynamiq', '/vai']
const mountOf = ({ routeOptions }: FastifyRequest): string =>
  MOUNTS.find((mount) => routeOptions.url?.startsWith(`${mount}/`)) ?? ''

/** The document itself, and what is documented by the protocol that is spoken there. */
const OTHERS: ReadonlySet<string> = new Set(['getOpenapi', 'mcpGateway'])

/** Only routes have a document; what is not found, or no HTTP, has none. */
const isChecked = ({ routeOptions, method }: FastifyRequest): boolean =>
  routeOptions.config?.route !== undefined && !OTHERS.has(routeOptions.config.route.name) && method !== 'HEAD'

const known = new Map<string, Known>()

async function readDocument(app: FastifyInstance, mount: string): Promise<Known | undefined> {
  // A server that closes gives out nothing any more, and one of a test may have no document.
  const reply = await app.inject(`${mount}/openapi.json`).catch(() => undefined)
  if (reply?.statusCode !== 200) return undefined
  const found = known.get(reply.body)
  if (found) return found
  const made = checksOf(JSON.parse(reply.body))
  known.set(reply.body, made)
  return made
}

function checksOf(document: Document): Known {
  const ajv = new Ajv2020({ strict: false, allErrors: false, validateSchema: false })
  addFormats.default(ajv)
  ajv.addSchema(document, 'document')
  const checks = new Map<string, ValidateFunction>()
  return {
    document,
    bodyCheck(at) {
      const pointer = at.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')
      let check = checks.get(pointer)
      if (!check) {
        check = ajv.compile({ $ref: `document#/${pointer}` })
        checks.set(pointer, check)
      }
      return check
    },
  }
}

type Answered = { request: FastifyRequest; reply: FastifyReply; payload: unknown }
type Found = { at: string[]; response: Response }

function responseOf(document: Document, request: FastifyRequest, status: number): Found | undefined {
  const path = request.routeOptions.url!.slice(mountOf(request).length).replaceAll(/:(\w+)/g, '{$1}')
  const method = request.method.toLowerCase()
  const response = document.paths[path]?.[method]?.responses[status]
  if (!response) return undefined
  if (!response.$ref) return { at: ['paths', path, method, 'responses', String(status)], response }
  const name = response.$ref.split('/').at(-1)!
  return { at: ['components', 'responses', name], response: document.components.responses[name]! }
}

function problemOf(of: Known, { request, reply, payload }: Answered): string | undefined {
  const found = responseOf(of.document, request, reply.statusCode)
  if (!found) return `the status is not documented: ${String(payload).slice(0, 200)}`
  const type = String(reply.getHeader('content-type') ?? '')
  const empty = payload === undefined || payload === null || payload === ''
  if (empty) return found.response.content ? 'a body is documented, and none was sent' : undefined
  const problem = typeProblem(found, type)
  if (problem || typeof payload !== 'string' || !type.startsWith('application/json')) return problem
  if (!found.response.content!['application/json']!.schema) return undefined
  const check = of.bodyCheck([...found.at, 'content', 'application/json', 'schema'])
  if (check(JSON.parse(payload))) return undefined
  const [error] = check.errors!
  return `${error!.instancePath} ${error!.message} ${JSON.stringify(error!.params)}: ${payload.slice(0, 200)}`
}

function typeProblem(found: Found | undefined, type: string): string | undefined {
  if (!found) return 'the status is not documented'
  const wanted = type.split(';', 1)[0]!.trim()
  const documented = Object.keys(found.response.content ?? {}).map((it) => it.split(';', 1)[0]!)
  return documented.includes(wanted) || documented.includes('*/*') ? undefined : `the type ${wanted} is not documented`
}

function note(request: FastifyRequest, reply: FastifyReply, problem: string | undefined): void {
  if (problem) undocumented.add(`${request.method} ${request.routeOptions.url} ${reply.statusCode}: ${problem}`)
}
