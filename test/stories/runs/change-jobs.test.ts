// What a change of a job, a preset or a tool is checked for, and what becomes of the secrets that were masked in it.
import { expect, test } from 'vitest'
import { type Call, callerOf, httpYard, openNode, type Reply, until, untilState } from '../../support/http-yard.ts'
import { httpServer } from '../../support/local-servers.ts'

const MASK = '********'

const fieldsOf = (reply: Reply) => reply.body.error?.details?.fields?.map((it: { field: string }) => it.field)

/** A node that allows no private addresses any more, on the database of one that did. */
async function stricter(url: string): Promise<Call> {
  return callerOf((await openNode(url, { RUNYARD_EGRESS: 'public' })).address)
}

test('a job whose one-time cron has fired can be changed and disabled; to enable it again, it needs a cron that will fire', async () => {
  const { call } = await httpYard()
  const cron = new Date(Date.now() + 2_000).toISOString().slice(0, 19)
  const made = await call('POST', '/v1/jobs', { slug: 'once', execution: 'worker', cron })
  expect(made.status).toBe(201)
  await until(
    async () => (await call('GET', '/v1/runs?job=once')).body.data.length,
    (n) => n === 1,
  )
  const shown = (await call('GET', '/v1/jobs/once')).body
  expect(shown.next_cron_at).toBeNull()
  expect((await call('PATCH', '/v1/jobs/once', { description: 'It is over.' })).status).toBe(200)
  // A form that sends back all that it was shown changes only what it changed.
  const sentBack = { cron: shown.cron, timezone: shown.timezone, max_attempts: 7 }
  expect(await call('PATCH', '/v1/jobs/once', sentBack)).toMatchObject({ status: 200, body: { max_attempts: 7 } })
  expect((await call('PATCH', '/v1/jobs/once', { enabled: false })).status).toBe(200)
  expect(fieldsOf(await call('PATCH', '/v1/jobs/once', { enabled: true }))).toEqual(['cron'])
  expect(fieldsOf(await call('PATCH', '/v1/jobs/once', { cron: '2001-01-01T00:00:00' }))).toEqual(['cron'])
  expect((await call('PATCH', '/v1/jobs/once', { enabled: true, cron: null })).status).toBe(200)
})

test('a job whose endpoint is no longer allowed can be changed and disabled, but not enabled again', async () => {
  const { call, url } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'inside', execution: 'http', endpoint_url: 'http://127.0.0.1:9000/' })
  const now = await stricter(url)
  expect((await now('PATCH', '/v1/jobs/inside', { description: 'Inside.' })).status).toBe(200)
  expect((await now('PATCH', '/v1/jobs/inside', { endpoint_url: 'http://127.0.0.1:9000/' })).status).toBe(200)
  expect(fieldsOf(await now('PATCH', '/v1/jobs/inside', { endpoint_url: 'http://127.0.0.1:9001/' }))).toEqual([
    'endpoint_url',
  ])
  expect((await now('PATCH', '/v1/jobs/inside', { enabled: false })).status).toBe(200)
  expect(fieldsOf(await now('PATCH', '/v1/jobs/inside', { enabled: true }))).toEqual(['endpoint_url'])
})

test('a private endpoint is refused with the setting that would allow it, and allowed with that setting', async () => {
  const job = { slug: 'j', execution: 'http', endpoint_url: 'http://127.0.0.1:9000/' }
  const { call, url, node } = await httpYard({ RUNYARD_EGRESS: 'public' })
  const refused = await call('POST', '/v1/jobs', job)
  expect(fieldsOf(refused)).toEqual(['endpoint_url'])
  expect(refused.body.error.message).toContain('RUNYARD_EGRESS_ALLOW')
  await node.close() // It would dispatch as strictly as it checks.
  const listed = callerOf((await openNode(url, { RUNYARD_EGRESS: '', RUNYARD_EGRESS_ALLOW: '127.0.0.0/8' })).address)
  const server = await httpServer((_request, response) => response.writeHead(200).end())
  expect((await listed('POST', '/v1/jobs', { ...job, endpoint_url: server.url })).status).toBe(201)
  const run = await listed('POST', '/v1/jobs/j/runs', {})
  await untilState(listed, run.body.id, ['completed'])
  const elsewhere = await listed('POST', '/v1/jobs', { ...job, slug: 'k', endpoint_url: 'http://192.168.0.1/' })
  expect(fieldsOf(elsewhere)).toEqual(['endpoint_url'])
})

test('a tool whose address is no longer allowed can be changed and disabled, but not enabled', async () => {
  const { call, url } = await httpYard()
  const tool = { name: 'act', url: 'http://127.0.0.1:9000/' }
  expect((await call('POST', '/onceonly/v1/tools', tool)).status).toBe(200)
  const now = await stricter(url)
  expect((await now('POST', '/onceonly/v1/tools', { ...tool, description: 'Acts.' })).status).toBe(200)
  expect((await now('POST', '/onceonly/v1/tools', { ...tool, url: 'http://127.0.0.1:9001/' })).status).toBe(422)
  expect((await now('POST', '/onceonly/v1/tools/act/toggle', { enabled: false })).status).toBe(200)
  expect((await now('POST', '/onceonly/v1/tools/act/toggle', { enabled: true })).status).toBe(422)
})

test('a masked header that is sent back unchanged keeps its value, in any case; another value replaces it', async () => {
  const { call } = await httpYard()
  const seen: Record<string, unknown>[] = []
  const { url } = await httpServer((request, response) => {
    seen.push(request.headers)
    response.writeHead(200).end()
  })
  const secrets = { Authorization: 'Bearer of-good-news', Referer: 'https://u:pass-word@example.com/?token=t0ken&x=1' }
  const endpoint_headers = { ...secrets, 'X-Team': 'blue' }
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'http', endpoint_url: url, endpoint_headers })
  const shown = (await call('GET', '/v1/jobs/j')).body.endpoint_headers
  expect(shown).toEqual({
    Authorization: MASK,
    Referer: `https://${MASK}@example.com/?token=${MASK}&x=1`,
    'X-Team': 'blue',
  })
  const back = { authorization: shown.Authorization, Referer: shown.Referer, 'X-Team': 'red' }
  expect((await call('PATCH', '/v1/jobs/j', { endpoint_headers: back })).status).toBe(200)
  const dispatched = async () => {
    const run = await call('POST', '/v1/jobs/j/runs', {})
    await untilState(call, run.body.id, ['completed'])
    const { authorization, referer, 'x-team': team } = seen.at(-1)!
    return { authorization, referer, team }
  }
  expect(await dispatched()).toEqual({
    authorization: secrets.Authorization,
    referer: secrets.Referer,
    team: 'red',
  })
  await call('PATCH', '/v1/jobs/j', { endpoint_headers: { Authorization: 'Bearer of-bad-news' } })
  await until(dispatched, (it) => it.authorization === 'Bearer of-bad-news' && it.referer === undefined)
})

test('a mask without a value behind it is refused, in a new job as in an update', async () => {
  const { call } = await httpYard()
  const job = { slug: 'j', execution: 'http', endpoint_url: 'http://127.0.0.1:9000/' }
  const masked = { endpoint_headers: { 'X-Api-Key': MASK } }
  expect(fieldsOf(await call('POST', '/v1/jobs', { ...job, ...masked }))).toEqual(['endpoint_headers'])
  await call('POST', '/v1/jobs', { ...job, endpoint_headers: { Authorization: 'Bearer of-news' } })
  expect(fieldsOf(await call('PATCH', '/v1/jobs/j', masked))).toEqual(['endpoint_headers'])
  // Half a mask would be sent to the endpoint as it is.
  const half = { endpoint_headers: { Referer: `https://example.com/?token=${MASK}` } }
  expect(fieldsOf(await call('PATCH', '/v1/jobs/j', half))).toEqual(['endpoint_headers'])
  // Under a name that hides nothing, stars are stars.
  expect((await call('PATCH', '/v1/jobs/j', { endpoint_headers: { 'X-Stars': MASK } })).status).toBe(200)
})

test('a preset that is sent back as shown keeps its secrets', async () => {
  const { call } = await httpYard()
  const environment = { API_TOKEN: 'sesame-open', MODEL: 'large' }
  await call('PUT', '/v1/presets/gpu', { environment })
  const shown = (await call('GET', '/v1/presets/gpu')).body
  expect(shown.environment).toEqual({ API_TOKEN: MASK, MODEL: 'large' })
  const back = { environment: { ...shown.environment, MODEL: 'small' }, timeout_secs: 60 }
  expect((await call('PUT', '/v1/presets/gpu', back)).status).toBe(200)
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker', queue: 'q' })
  await call('POST', '/v1/jobs/j/runs', { preset: 'gpu' })
  const claimed = await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: ['q'], wait_secs: 5 })
  expect(claimed.body.runs[0].environment).toEqual({ API_TOKEN: 'sesame-open', MODEL: 'small' })
  const unknown = { environment: { API_TOKEN: MASK } }
  expect(fieldsOf(await call('PUT', '/v1/presets/fresh', unknown))).toEqual(['environment'])
  expect((await call('GET', '/v1/presets/fresh')).status).toBe(404)
})

test('an update that changes nothing makes no version and no event, with secrets as they are or masked', async () => {
  const { call } = await httpYard()
  const headers = { Authorization: 'Bearer secret', 'X-Plain': 'p' }
  const job = {
    slug: 'same',
    execution: 'http',
    endpoint_url: 'http://127.0.0.1:9000/',
    endpoint_headers: headers,
    cron_payload: { n: 1 },
  }
  expect((await call('POST', '/v1/jobs', job)).status).toBe(201)
  for (const endpoint_headers of [headers, { ...headers, Authorization: MASK }]) {
    const { slug: _, ...rest } = job
    const same = await call('PATCH', '/v1/jobs/same', { ...rest, slug: 'same', endpoint_headers })
    expect(same).toMatchObject({ status: 200, body: { version: 1 } })
  }
  expect((await call('GET', '/v1/events?type=job.updated')).body.data).toEqual([])
  const other = await call('PATCH', '/v1/jobs/same', {
    endpoint_headers: { ...headers, Authorization: 'Bearer other' },
  })
  expect(other.body).toMatchObject({ version: 2 })
  expect((await call('PATCH', '/v1/jobs/same', { slug: 'renamed' })).body).toMatchObject({
    slug: 'renamed',
    version: 3,
  })
})
