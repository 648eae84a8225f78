// Schemas that clients bring, and values under them: whatever they are, the node lives and others need not wait.
import { expect, test } from 'vitest'
import { testDatabase } from '../support/db.ts'
import { type Call, callerOf, httpYard, KEY, type Reply, until, untilState } from '../support/http-yard.ts'
import { httpServer } from '../support/local-servers.ts'
import { type NodeProcess, startNode } from '../support/processes.ts'

const fieldsOf = (reply: Reply) => reply.body.error?.details?.fields?.map((it: { field: string }) => it.field)

/** A run of a worker's job, under way. */
async function claimedRun(call: Call, job: string): Promise<{ run: { id: string }; run_token: string }> {
  await call('POST', `/v1/jobs/${job}/runs`, {})
  const claimed = await call('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 5, lease_secs: 60 })
  return claimed.body.runs[0]
}

const ASYNC_SCHEMAS: object[] = [
  { $async: true, type: 'object' },
  { $async: false },
  { type: 'object', properties: { a: { $async: true } } },
  { $defs: { a: { $async: true } }, $ref: '#/$defs/a' },
  { $defs: { unused: { $async: true } } },
  { anyOf: [{ type: 'string' }, { items: { not: { $async: true } } }] },
  { patternProperties: { '^a': { if: { $async: true } } } },
]

test('$async is refused by field wherever a schema is accepted, at any depth', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'plain', execution: 'worker' })
  const { run, run_token } = await claimedRun(call, 'plain')
  const asRun = { key: run_token }
  for (const schema of ASYNC_SCHEMAS) {
    const text = JSON.stringify(schema)
    const job = (more: object) => call('POST', '/v1/jobs', { slug: 'j', execution: 'worker', ...more })
    expect(fieldsOf(await job({ payload_schema: schema })), text).toEqual(['payload_schema'])
    expect(fieldsOf(await job({ result_schema: schema })), text).toEqual(['result_schema'])
    const change = await call('PATCH', '/v1/jobs/plain', { payload_schema: schema })
    expect([change.status, fieldsOf(change)], text).toEqual([422, ['payload_schema']])
    const output = await call('POST', `/v1/runs/${run.id}/output`, { key: 'o', schema, value: {} }, asRun)
    expect([output.status, fieldsOf(output)], text).toEqual([422, ['schema']])
    const form = { kind: 'feedback', prompt: 'What?', schema }
    const asked = await call('POST', `/v1/runs/${run.id}/input-requests`, form, asRun)
    expect([asked.status, fieldsOf(asked)], text).toEqual([422, ['schema']])
    const strait = { project_id: 'default', name: 'n', slug: 's', endpoint_url: 'https://example.com' }
    const there = await call('POST', '/strait/v1/jobs', { ...strait, payload_schema: schema })
    expect(there.status, text).toBeGreaterThanOrEqual(400)
    expect(there.status, text).toBeLessThan(500)
  }
})

test('a field or value named $async is not the keyword', async () => {
  const { call } = await httpYard()
  const schema = { properties: { $async: { type: 'boolean' } }, not: { const: { $async: 1 } } }
  expect((await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker', payload_schema: schema })).status).toBe(201)
  expect((await call('POST', '/v1/jobs/j/runs', { payload: { $async: true } })).status).toBe(201)
  expect((await call('POST', '/v1/jobs/j/runs', { payload: { $async: 1 } })).status).toBe(422)
})

test('a stored schema that returns promises fails only its own runs', async () => {
  const { call, sql } = await yardWithDatabase()
  const endpoint = await httpServer((_, response) => response.end('{"a":1}'))
  for (const slug of ['payload', 'result'])
    await call('POST', '/v1/jobs', {
      slug,
      execution: 'http',
      endpoint_url: endpoint.url,
      max_attempts: 2,
      retry_strategy: 'custom',
      retry_delays_secs: [0],
    })
  const bad = JSON.stringify({ $async: true, type: 'object', properties: { a: { type: 'string' } } })
  for (const slug of ['payload', 'result'])
    await sql`
      update job_versions set definition = definition || jsonb_build_object(${`${slug}Schema`}::text, ${bad}::text::jsonb)
      where job_id = (select id from jobs where slug = ${slug})`
  const refused = await call('POST', '/v1/jobs/payload/runs', { payload: { a: 1 } })
  expect([refused.status, fieldsOf(refused)]).toEqual([422, ['payload']])
  const { body: run } = await call('POST', '/v1/jobs/result/runs', {})
  const over = await untilState(call, run.id, ['dead_letter', 'completed', 'failed', 'crashed'])
  expect(over.body).toMatchObject({ status: 'dead_letter', error_code: 'result_invalid', attempt: 2 })
  expect(over.body.error).toMatch(/schema .*\$async/)
  expect((await call('GET', '/health/ready')).status).toBe(200)
})

async function yardWithDatabase() {
  const { sql, url } = await testDatabase()
  const env = { DATABASE_URL: url, PORT: '0', RUNYARD_EGRESS: 'any', RUNYARD_API_KEY: KEY }
  const node = startNode('test/support/node-process.ts', [], { env })
  return { sql, node, call: callerOf((await node.line(/ready at (\S+)/))[1]!) }
}

const NUMBERS = 480_000
/** The one that is not too much. */
const UNIQUE = 'different items, each of them large'
/** What costs much to check, as schema and as payload; each of them within the bounds of a request. */
const DEAR: Record<string, [schema: object, payload: unknown]> = {
  'a long list whose items are one of many': [
    { items: { enum: Array.from({ length: 30_000 }, (_, i) => i % 10) } },
    Array.from({ length: NUMBERS }, () => -1).slice(0, NUMBERS / 2),
  ],
  [UNIQUE]: [
    { uniqueItems: true, items: { uniqueItems: true, items: { uniqueItems: true } } },
    Array.from({ length: 400 }, (_, i) => [Array.from({ length: 40 }, (_, k) => ({ k, name: `${i}-${k}` }))]),
  ],
  'a reference that leads to itself twice at each level': [
    { properties: { a: { allOf: [{ $ref: '#' }, { $ref: '#' }] } } },
    Array.from({ length: 60 }).reduce((below) => ({ a: below }), {}),
  ],
  'a format that goes back to each colon': [{ format: 'url' }, `http://${'a:'.repeat(200_000)}`],
  'an account of what was evaluated for each of many branches': [
    {
      allOf: Array.from({ length: 400 }, (_, i) => ({ patternProperties: { [`^${i}x`]: true } })),
      unevaluatedProperties: false,
    },
    Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`${i}`, 1])),
  ],
  'names compared with many patterns': [
    { patternProperties: Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`[ab]*a[ab]{90}${i}$`, true])) },
    Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`${'ab'.repeat(100)}${i}`, 1])),
  ],
  'one of many for each of many': [
    { items: { oneOf: Array.from({ length: 800 }, (_, i) => ({ required: [`n${i}`], minProperties: 1 })) } },
    Array.from({ length: 60_000 }, () => ({ a: 1 })),
  ],
}

test('while expensive schemas are checked, other callers wait less than 100 ms', {
  timeout: 120_000,
}, async () => {
  const { node, call } = await yardWithDatabase()
  await call('POST', '/v1/jobs', { slug: 'other', execution: 'worker', payload_schema: { type: 'object' } })
  for (let n = 0; n < 20; n++) await call('POST', '/v1/jobs/other/runs', { payload: {} })
  await heldUpMs(node)
  for (const [index, [name, [payload_schema, payload]]] of Object.entries(DEAR).entries()) {
    const slug = `dear-${index}`
    const made = await call('POST', '/v1/jobs', { slug, execution: 'worker', payload_schema })
    expect(made.status, `${name}: ${JSON.stringify(made.body)}`).toBe(201)
    const body = JSON.stringify({ payload })
    const dear = Promise.all([1, 2].map(() => call('POST', `/v1/jobs/${slug}/runs`, body)))
    // Others are served meanwhile, not after it.
    expect((await call('POST', '/v1/jobs/other/runs', { payload: {} })).status).toBe(201)
    const expected = name === UNIQUE ? 201 : 422
    for (const reply of await dear) {
      expect(reply.status, name).toBe(expected)
      if (expected === 422) expect(fieldsOf(reply)[0], name).toMatch(/^payload/)
    }
    expect(await heldUpMs(node), name).toBeLessThan(100)
  }
})

test('a large body that is invalid throughout is refused without delaying others', { timeout: 60_000 }, async () => {
  const { node, call } = await yardWithDatabase()
  const numbers = Array.from({ length: NUMBERS }, () => 1)
  const objects = Array.from({ length: 300_000 }, () => ({}))
  const bodies: [path: string, body: object][] = [
    ['/v1/workers/heartbeat', { worker_id: 'w', leases: objects }],
    ['/v1/workers/claim', { worker_id: 'w', queues: numbers }],
    ['/onceonly/v1/policies/a', { allowed_tools: numbers }],
    ['/onceonly/v1/ai/run', { key: 'k', metadata: { actions: objects } }],
  ]
  // What is done for the first time takes longer.
  for (const [path] of bodies) await call('POST', path, { worker_id: 1 })
  await heldUpMs(node)
  for (const [path, body] of bodies) {
    const text = JSON.stringify(body)
    expect((await call('POST', path, text)).status, path).toBe(422)
    expect(await heldUpMs(node), path).toBeLessThan(Math.max(100, 12 * parseMs(text)))
  }
})

/** Processor time to parse a text here: on cores that are shared with others, it grows as that of the node does. */
function parseMs(text: string): number {
  const before = process.threadCpuUsage()
  JSON.parse(text)
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1000
}

async function heldUpMs(node: NodeProcess): Promise<number> {
  const before = node.output().length
  node.say('how long?')
  await until(
    async () => node.output().length,
    (length) => length > before,
  )
  return Number(/held up for ([\d.]+) ms\n$/.exec(node.output())![1])
}
