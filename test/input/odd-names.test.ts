// Every field of every JSON body, of the native API and of the four mounts, is given the names that each object of
// JavaScript inherits, as keys and as values. Whatever the answer is, it is no failure of the server.
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { type Call, callerOf, httpYard } from '../support/http-yard.ts'

const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf']
const MOUNTS = ['', '/strait', '/onceonly', '/dynamiq', '/vai']
const DEPTH_MAX = 4
const AT_ONCE = 8

type Schema = {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  format?: string
  pattern?: string
  minimum?: number
  minLength?: number
  minItems?: number
  default?: unknown
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  required?: string[]
  items?: Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
}
type Operation = {
  requestBody?: { content: Record<string, { schema: Schema; example?: unknown; examples?: object }> }
  security?: Record<string, unknown>[]
}
type Document = { paths: Record<string, Record<string, Operation>>; components: { schemas: Record<string, Schema> } }
type Place = (string | number)[]

/** Own members of these names, which an object literal could not give. */
const withNames = (names: readonly string[]): object => Object.fromEntries(names.map((name) => [name, { [name]: 1 }]))

/** What a field is given: each name as a text, in a list and as a key. */
const VALUES: unknown[] = [
  ...NAMES,
  NAMES,
  withNames(NAMES.slice(1)),
  ...NAMES.map((name) => withNames([name])),
  [withNames(NAMES.slice(1))],
]

function resolved(schema: Schema, { components }: Document): Schema {
  const at = schema.$ref ? components.schemas[schema.$ref.split('/').at(-1)!]! : schema
  const branch = at.anyOf?.[0] ?? at.oneOf?.[0] ?? at.allOf?.[0]
  return branch ? { ...at, ...resolved(branch, { components } as Document) } : at
}

/** The least that the schema takes. */
function least(schema: Schema, document: Document): unknown {
  const it = resolved(schema, document)
  if (it.const !== undefined) return it.const
  if (it.enum) return it.enum[0]
  if (it.default !== undefined) return it.default
  switch ([it.type].flat()[0]) {
    case 'object':
      return Object.fromEntries((it.required ?? []).map((name) => [name, least(it.properties?.[name] ?? {}, document)]))
    case 'array':
      return Array.from({ length: Math.max(1, it.minItems ?? 0) }, () => least(it.items ?? {}, document))
    case 'integer':
    case 'number':
      return Math.max(1, it.minimum ?? 0)
    case 'boolean':
      return true
    case 'string':
      if (it.format === 'uuid') return randomUUID()
      if (it.format === 'date-time') return new Date(Date.now() + 3_600_000).toISOString()
      return 'toString'.padEnd(it.minLength ?? 0, 'x')
    default:
      return {}
  }
}

/** The places of all fields. */
function placesIn(schema: Schema, document: Document, path: Place = []): Place[] {
  const it = resolved(schema, document)
  if (path.length > DEPTH_MAX) return []
  const below = Object.entries(it.properties ?? {}).flatMap(([name, at]) => placesIn(at, document, [...path, name]))
  return [path, ...below, ...(it.items ? placesIn(it.items, document, [...path, 0]) : [])]
}

function placed(base: unknown, [first, ...rest]: Place, value: unknown): unknown {
  if (first === undefined) return value
  if (typeof first === 'number') return [placed((base as unknown[])?.[0] ?? {}, rest, value)]
  const object = typeof base === 'object' && base !== null && !Array.isArray(base) ? base : {}
  return { ...object, [first]: placed((object as Record<string, unknown>)[first], rest, value) }
}

/** What a call of this operation is made with: a run under way and its token, and things that there are. */
async function standing(call: Call): Promise<{ ids: Record<string, string>; token: string }> {
  // Of its own: the calls before have paused and changed what there was.
  const job = `j-${randomUUID()}`
  await call('POST', '/v1/jobs', { slug: job, execution: 'worker', queue: job, max_attempts: 1 })
  const { body: made } = await call('POST', `/v1/jobs/${job}/runs`, {})
  const asking = { worker_id: 'w', queues: [job], wait_secs: 20, lease_secs: 300 }
  const { body: claimed } = await call('POST', '/v1/workers/claim', asking)
  const token = claimed.runs[0].run_token as string
  const question = { kind: 'feedback', prompt: 'What?', params: { a: 1 }, editable_params: ['a'] }
  const { body: asked } = await call('POST', `/v1/runs/${made.id}/input-requests`, question, { key: token })
  return {
    token,
    ids: { run_id: made.id, job, agent_id: 'a', input_request_id: asked.id, project_id: 'other', preset: 'p' },
  }
}

/** What hinders no call from being answered: runs at /dynamiq are waited for otherwise. */
const ALSO: Record<string, object> = { '/dynamiq/v1/runs': { background: true } }

test('names that every object inherits break nothing, in any field of any body', { timeout: 590_000 }, async () => {
  const { call, address } = await httpYard()
  await call('POST', '/v1/projects', { id: 'other' })
  const failures: string[] = []
  let fields = 0
  for (const mount of MOUNTS) {
    const { body: document } = (await call('GET', `${mount}/openapi.json`)) as { body: Document }
    for (const [path, operations] of Object.entries(document.paths))
      for (const [method, operation] of Object.entries(operations)) {
        const schema = operation.requestBody?.content['application/json']?.schema
        if (!schema) continue
        const { ids, token } = await standing(call)
        const isRunToken = operation.security?.some((one) => 'run_token' in one)
        const caller = callerOf(address, isRunToken ? token : undefined)
        const target = mount + path.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? 'toString')
        const base = { ...(least(schema, document) as object), ...ALSO[mount + path] }
        const bodies = placesIn(schema, document).flatMap((place) => VALUES.map((value) => placed(base, place, value)))
        bodies.push(...NAMES.map((name) => ({ ...base, ...withNames([name]) })))
        fields += bodies.length
        await eachAtOnce(bodies, async (body) => {
          const reply = await caller(method.toUpperCase(), target, body)
          if (reply.status >= 500)
            failures.push(`${method} ${target} ${JSON.stringify(body).slice(0, 300)}: ${JSON.stringify(reply.body)}`)
        })
      }
  }
  expect(failures).toEqual([])
  expect(fields).toBeGreaterThan(1_000)
  expect((await call('GET', '/health/ready')).status).toBe(200)
})

async function eachAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items]
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}
