// Ids of ours may come in upper case, wherever they come in.
import { expect, test } from 'vitest'
import { httpYard } from '../support/http-yard.ts'

type Settled = { run_id: string; status: string | null }

async function claimedYard() {
  const yard = await httpYard()
  const { call } = yard
  const job = (await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })).body
  const run = (await call('POST', '/v1/jobs/j/runs', {})).body
  const [claimed] = (await call('POST', '/v1/workers/claim', { worker_id: 'w', buffer: true })).body.runs
  const lease = { run_id: run.id.toUpperCase(), lease_token: claimed.lease_token.toUpperCase() }
  return { ...yard, job, run, lease, token: { key: claimed.run_token as string } }
}

test('a worker that writes ids in upper case starts, renews and settles its run', async () => {
  const { call, run, lease } = await claimedYard()
  const settled = async (path: string, body: object): Promise<Settled[]> =>
    (await call('POST', path, body)).body.results
  expect(await settled('/v1/workers/start', { leases: [lease] })).toEqual([{ run_id: run.id, status: 'executing' }])
  const beat = await call('POST', '/v1/workers/heartbeat', { worker_id: 'w', leases: [lease] })
  expect(beat.body.leases).toMatchObject([{ run_id: run.id, told: 'continue' }])
  const settlements = [{ ...lease, outcome: 'completed', result: 1 }]
  expect(await settled('/v1/workers/settle', { settlements })).toEqual([{ run_id: run.id, status: 'completed' }])
})

test('the token of an attempt is valid for its run in whatever case the path names it', async () => {
  const { call, run, lease, token } = await claimedYard()
  await call('POST', '/v1/workers/start', { leases: [lease] })
  const id = run.id.toUpperCase()
  expect((await call('POST', `/v1/runs/${id}/log`, { message: 'here' }, token)).status).toBe(201)
  expect((await call('POST', `/v1/runs/${id}/heartbeat`, {}, token)).status).toBe(200)
  expect((await call('POST', `/v1/runs/${id}/checkpoint`, { state: 1 }, token)).status).toBe(201)
  expect((await call('GET', `/v1/runs/${id}/payload`, undefined, token)).status).toBe(200)
  expect((await call('POST', `/strait/sdk/v1/runs/${id}/log`, { message: 'there' }, token)).status).toBeLessThan(300)
  const other = (await call('POST', '/v1/jobs/j/runs', {})).body.id.toUpperCase()
  expect((await call('POST', `/v1/runs/${other}/log`, { message: 'not here' }, token)).status).toBe(404)
  expect((await call('POST', `/v1/runs/${id}/complete`, { result: 1 }, token)).body.status).toBe('completed')
})

test('reads, filters and controls find what an upper-case id means', async () => {
  const { call, job, run } = await claimedYard()
  const id = run.id.toUpperCase()
  const found = async (path: string) => {
    const reply = await call('GET', path)
    expect(reply.status, path).toBe(200)
    return reply.body
  }
  expect((await found(`/v1/runs/${id}`)).id).toBe(run.id)
  expect((await found(`/v1/jobs/${job.id.toUpperCase()}`)).id).toBe(job.id)
  expect((await found(`/v1/runs?correlation_id=${run.correlation_id.toUpperCase()}`)).data).toHaveLength(1)
  expect((await found(`/v1/events?run_id=${id}`)).data.length).toBeGreaterThan(1)
  expect((await found(`/v1/events/correlation/${run.correlation_id.toUpperCase()}`)).data.length).toBeGreaterThan(1)
  const tree = await found(`/v1/events/correlation/${run.correlation_id.toUpperCase()}/tree`)
  expect(tree.correlation_id).toBe(run.correlation_id)
  const about = await found(`/v1/events?resource_type=job&resource_id=${job.id.toUpperCase()}`)
  expect(about.data.map((it: { type: string }) => it.type)).toEqual(['job.created'])
  const { actor_type, actor_id } = about.data[0]
  const by = await found(`/v1/events?actor_type=${actor_type}&actor_id=${actor_id.toUpperCase()}`)
  expect(by.data.length).toBeGreaterThan(0)
  const canceled = await call('POST', '/v1/runs/bulk-cancel', { run_ids: [id, run.id] })
  expect(canceled.body.canceled).toBe(2)
})

test("an event id in another case is a duplicate, even in one batch; a client's own ids of runs and chains keep their case", async () => {
  const { call } = await httpYard()
  const id = '0198c0de-0000-7000-8000-00000000abcd'
  const batch = await call('POST', '/v1/events', [
    { id: id.toUpperCase(), type: 'a' },
    { id, type: 'a' },
  ])
  expect(batch.body).toMatchObject({ appended: 1, duplicates: 1, refused: 0 })
  expect((await call('POST', '/v1/events', { id: id.toUpperCase(), type: 'a' })).body.id).toBe(id)
  const name = 'F47AC10B-58CC-4372-A567-0E02B2C3D479'
  await call('POST', '/v1/events', { type: 'a', run_id: name, correlation_id: name })
  expect((await call('GET', `/v1/runs/${name}`)).body.id).toBe(name)
  expect((await call('GET', `/v1/events?correlation_id=${name}`)).body.data).toHaveLength(1)
})

const NO_NAME = { field: expect.any(String), message: 'must not be "." or "..", which no URL can name' }

test.each(['.', '..'])('%s is refused as a name: no client could ask for its path', async (name) => {
  const { call, token, run, lease } = await claimedYard()
  await call('POST', '/v1/workers/start', { leases: [lease] })
  const refused = async (method: string, path: string, body: object, more = {}) => {
    const reply = await call(method, path, body, more)
    expect([reply.status, reply.body.error?.code], `${path} ${JSON.stringify(body)}`).toEqual([422, 'invalid'])
    expect(reply.body.error.details.fields).toEqual([NO_NAME])
    return reply.body.error.details.fields[0].field
  }
  expect(await refused('POST', '/v1/events', { type: 'a.b', run_id: name })).toBe('run_id')
  expect(await refused('POST', '/v1/events', { type: 'a.b', correlation_id: name })).toBe('correlation_id')
  expect(await refused('POST', `/v1/runs/${run.id}/state`, { key: name, value: 1 }, token)).toBe('key')
  expect(await refused('POST', '/v1/jobs/j/runs', { agent_id: name })).toBe('agent_id')
  expect(await refused('POST', '/v1/jobs/j/runs', { correlation_id: name })).toBe('correlation_id')
  const batch = await call('POST', '/v1/events', [
    { type: 'a.b', run_id: name },
    { type: 'a.b', run_id: `${name}x` },
  ])
  expect(batch.body).toMatchObject({ appended: 1, refused: 1, results: [{ error: { code: 'invalid' } }, {}] })

  const strait = await call('POST', `/strait/sdk/v1/runs/${run.id}/state`, { key: name, value: 1 }, token)
  expect(strait.status).toBeGreaterThanOrEqual(400)
  const once = async (path: string, body: object) => {
    const reply = await call('POST', `/onceonly/v1${path}`, body)
    return [reply.status, reply.body.detail?.[0]?.loc]
  }
  expect(await once('/events', { run_id: name, type: 'x' })).toEqual([422, ['body', 'run_id']])
  expect(await once('/tools', { name, url: 'https://example.com' })).toEqual([422, ['body', 'name']])
  expect(await once('/ai/lease', { key: 'k', metadata: { agent_id: name } })).toEqual([
    422,
    ['body', 'metadata', 'agent_id'],
  ])
})

test('names that only begin or end with dots are names', async () => {
  const { call } = await claimedYard()
  for (const run_id of ['...', '.a', 'a.', '..a']) {
    expect((await call('POST', '/v1/events', { type: 'a.b', run_id })).status).toBe(201)
    expect((await call('GET', `/v1/runs/${run_id}`)).body.id).toBe(run_id)
  }
})
