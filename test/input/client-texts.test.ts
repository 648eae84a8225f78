// Texts that clients choose and that indexes hold: as long as the contract lets them be, in letters of four bytes.
import { expect, test } from 'vitest'
import { type Call, httpYard } from '../support/http-yard.ts'

/** Letters of four bytes that nothing can pack. */
const wide = (length: number): string =>
  Array.from({ length }, () => String.fromCodePoint(0x20000 + Math.floor(Math.random() * 40_000))).join('')

const ok = async (call: Call, path: string, body: object, more: object = {}) => {
  const reply = await call('POST', path, body, more)
  expect(reply.status, `${path}: ${JSON.stringify(reply.body).slice(0, 300)}`).toBeLessThan(300)
  return reply.body
}

test('keys and names of the maximum length are stored, whatever their characters', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  const key = wide(1_024)
  const keys = {
    idempotency_key: wide(256),
    concurrency_key: wide(256),
    agent_id: wide(128),
    correlation_id: wide(128),
  }
  const one = await ok(call, '/v1/jobs/j/runs', { ...keys, payload: { dependency_key: key } })
  expect((await call('GET', `/v1/runs/${one.id}`)).body.metadata).toEqual({ dependency_key: key })
  await ok(call, '/v1/jobs/j/runs', { metadata: { dependency_key: key, [wide(128)]: wide(1_024) } })
  await ok(call, '/v1/jobs/j/runs', { tags: { [wide(64)]: wide(256) } })
  const { runs } = await ok(call, '/v1/workers/claim', { worker_id: wide(128), limit: 3 })
  const token = { key: runs.find((it: { run: { id: string } }) => it.run.id === one.id).run_token }
  const usage = { provider: wide(128), model: wide(256), prompt_tokens: 1, completion_tokens: 1 }
  await ok(call, `/v1/runs/${one.id}/usage`, usage, token)
  await ok(call, `/v1/runs/${one.id}/output`, { key: wide(256), value: 1 }, token)
  await ok(call, `/v1/runs/${one.id}/state`, { key: wide(256), value: 1 }, token)
  await ok(call, `/v1/runs/${one.id}/authorize`, { tool: wide(128) }, token)
  await ok(call, `/v1/runs/${one.id}/wait-for-event`, { event_key: wide(512) }, token)
  const event = { type: 'a', agent_id: wide(128), correlation_id: wide(128) }
  await ok(call, '/v1/events', { ...event, run_id: wide(256), tool: wide(128) })
  await ok(call, '/v1/events', { ...event, resource_type: 'thing', resource_id: wide(256) })
  await ok(call, '/onceonly/v1/check-lock', { key: wide(256), ttl: 60 })
  await ok(call, '/onceonly/v1/ai/lease', { key: wide(256), ttl: 60 })
})

test('a job that waits for the run with the same key finds it by a key of any characters', async () => {
  const { call } = await httpYard()
  for (const slug of ['first', 'second']) await call('POST', '/v1/jobs', { slug, execution: 'worker', queue: slug })
  await ok(call, '/v1/jobs/second/dependencies', { depends_on: 'first', condition: 'completed' })
  const [key, other] = [wide(1_024), wide(1_024)]
  const end = async (payload: object) => {
    await ok(call, '/v1/jobs/first/runs', { payload })
    const [claimed] = (await ok(call, '/v1/workers/claim', { worker_id: 'w', queues: ['first'] })).runs
    const lease = { run_id: claimed.run.id, lease_token: claimed.lease_token }
    await ok(call, '/v1/workers/settle', { settlements: [{ ...lease, outcome: 'completed' }] })
  }
  await end({ dependency_key: key })
  expect((await ok(call, '/v1/jobs/second/runs', { payload: { dependency_key: key } })).status).toBe('queued')
  expect((await ok(call, '/v1/jobs/second/runs', { payload: { dependency_key: other } })).status).toBe('waiting')
})

test('a tag or metadata whose key has colons can be filtered by', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker', tags: { 'team:eu': 'west:1' } })
  await call('POST', '/v1/jobs', { slug: 'plain', execution: 'worker' })
  const add = async (labels: object) => (await ok(call, '/v1/jobs/plain/runs', labels)).id
  const tagged = await add({ tags: { 'team:eu': 'west:1', env: 'a:b' } })
  const noted = await add({ metadata: { 'urn:x:y': 'z' } })
  const found = async (query: string): Promise<string[]> =>
    (await call('GET', `/v1/runs?${query}`)).body.data.map((it: { id: string }) => it.id)
  const asked = (name: string, text: string) => found(`${name}=${encodeURIComponent(text)}`)
  expect(await asked('tag', 'team:eu:west:1')).toEqual([tagged])
  expect(await asked('tag', 'team:eu')).toEqual([tagged])
  expect(await asked('tag', 'team\\:eu')).toEqual([tagged])
  expect(await asked('tag', 'team\\:eu:west:1')).toEqual([tagged])
  expect(await asked('tag', 'env:a:b')).toEqual([tagged])
  expect(await asked('tag', 'env')).toEqual([tagged])
  expect(await asked('metadata', 'urn:x:y:z')).toEqual([noted])
  expect(await asked('metadata', 'urn:x:y')).toEqual([noted])
  expect(await asked('tag', 'team:us:west:1')).toEqual([])
  // Where both are there, the first colon parts key and value, and a backslash names the other.
  const other = await add({ tags: { team: 'eu' } })
  expect(await asked('tag', 'team:eu')).toEqual([other])
  expect(await asked('tag', 'team\\:eu')).toEqual([tagged])
  const jobs = async (text: string) => (await call('GET', `/v1/jobs?tag=${encodeURIComponent(text)}`)).body.data
  expect((await jobs('team:eu:west:1')).map((it: { slug: string }) => it.slug)).toEqual(['j'])
  expect((await jobs('team\\:eu')).map((it: { slug: string }) => it.slug)).toEqual(['j'])
  expect(await jobs('team:us')).toEqual([])
})
