import { describe, expect, test } from 'vitest'
import { callerOf, openNode, until } from '../../support/http-yard.ts'
import { RFC3339, straitOf, straitYard } from '../../support/strait-yard.ts'

const ZERO = '00000000-0000-0000-0000-000000000000'

test('health and readiness need no key', async () => {
  const { address } = await straitYard()
  const alive = await fetch(`${address}/strait/health`)
  expect([alive.status, await alive.json()]).toEqual([200, { status: 'ok' }])
  const ready = await until(
    () => fetch(`${address}/strait/health/ready`),
    ({ status }) => status === 200,
  )
  const { status, components } = (await ready.json()) as { status: string; components: object[] }
  expect(status).toBe('up')
  expect(components).toContainEqual({ name: 'database', status: 'up', latency_ms: expect.any(Number) })
})

test('stats count the runs of the project in every state, from counters', async () => {
  const { call, stranger } = await straitYard()
  await call('POST', '/v1/jobs', { name: 'J', slug: 'j', execution_mode: 'worker' })
  const items = [{}, {}, { scheduled_at: new Date(Date.now() + 60_000).toISOString() }]
  await call('POST', '/v1/jobs/j/trigger/bulk', { items })
  const { body } = await call('GET', '/v1/stats?project_id=default')
  expect(body).toEqual({
    queued: 2,
    delayed: 1,
    dequeued: 0,
    executing: 0,
    waiting: 0,
    paused: 0,
    dead_letter: 0,
    completed: 0,
    failed: 0,
    timed_out: 0,
    crashed: 0,
    system_failed: 0,
    canceled: 0,
    expired: 0,
  })
  expect((await stranger('GET', '/v1/stats')).body).toMatchObject({ queued: 0, delayed: 0 })
  expect((await stranger('GET', '/v1/stats?project_id=default')).status).toBe(404)
})

test('an event sent to a waiting run wakes it; without a waiting run it is 404', async () => {
  const { call, native, stranger, withKey } = await straitYard()
  await call('POST', '/v1/jobs', { name: 'J', slug: 'j', execution_mode: 'worker' })
  const { body: run } = await call('POST', '/v1/jobs/j/trigger')
  const { body: claimed } = await native('POST', '/v1/workers/claim', { worker_id: 'w' })
  const own = withKey(claimed.runs[0].run_token)
  const waiting = await own('POST', `/sdk/v1/runs/${run.id}/wait-for-event`, { event_key: 'paid:7', timeout_secs: 60 })
  expect([waiting.status, waiting.body.status]).toEqual([200, 'waiting'])
  expect((await stranger('POST', '/v1/events/paid%3A7/send', { payload: 1 })).status).toBe(404)
  const sent = await call('POST', '/v1/events/paid%3A7/send', { payload: { sum: 9 } })
  expect([sent.status, sent.body]).toEqual([
    200,
    {
      id: waiting.body.trigger_id,
      event_key: 'paid:7',
      project_id: 'default',
      source_type: 'job_run',
      job_run_id: run.id,
      status: 'received',
      response_payload: { sum: 9 },
      timeout_secs: 60,
      requested_at: RFC3339,
      received_at: RFC3339,
      expires_at: RFC3339,
      trigger_type: 'event',
      sent_by: expect.any(String),
      run: expect.objectContaining({ id: run.id, status: 'queued' }),
    },
  ])
  const again = await call('POST', '/v1/events/paid%3A7/send', { payload: { sum: 9 } })
  expect([again.status, again.body]).toEqual([
    404,
    { error: 'no run is waiting for this event', code: 'not_found', request_id: again.headers.get('x-request-id') },
  ])
  expect((await call('GET', `/v1/runs/${run.id}/checkpoints`)).body).toMatchObject([
    { source: 'event_trigger', state: { sum: 9 } },
  ])
})

test("a key is created with Strait's scopes, is shown once, and may do what they say", async () => {
  const { call, withKey } = await straitYard()
  const made = await call('POST', '/v1/api-keys', {
    project_id: 'default',
    name: 'reader',
    scopes: ['runs:read', 'jobs:read'],
    expires_in_days: 7,
  })
  expect([made.status, made.body]).toEqual([
    201,
    {
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      project_id: 'default',
      name: 'reader',
      key_prefix: made.body.key.slice(0, made.body.key_prefix.length),
      // All that it may do, in Strait's words: those that are one scope here come together.
      scopes: ['runs:read', 'stats:read', 'dlq:read', 'jobs:read'],
      created_at: expect.any(String),
      expires_at: expect.any(String),
      key: expect.any(String),
    },
  ])
  const days = (Date.parse(made.body.expires_at) - Date.parse(made.body.created_at)) / 86_400_000
  expect(days).toBeCloseTo(7, 1)
  const reader = withKey(made.body.key)
  expect((await reader('GET', '/v1/jobs')).status).toBe(200)
  expect((await reader('GET', '/v1/stats')).status).toBe(200)
  expect((await reader('POST', '/v1/jobs', { name: 'a', slug: 'a' })).body).toMatchObject({
    error: 'insufficient permissions: requires jobs:write',
    code: 'forbidden',
  })
  const { body: listed } = await call('GET', '/v1/api-keys')
  const { key: _, ...shown } = made.body
  expect(listed.find((it: { id: string }) => it.id === made.body.id)).toMatchObject(shown)
  expect(JSON.stringify(listed)).not.toContain(made.body.key)
})

test('the secret in the reply of a repeated call with an idempotency key is not stored', async () => {
  const { call } = await straitYard()
  const sent = { name: 'twice', scopes: ['*'] }
  const headers = { 'idempotency-key': 'one' }
  const first = await call('POST', '/v1/api-keys', sent, { headers })
  const second = await call('POST', '/v1/api-keys', sent, { headers })
  expect(second.body.id).not.toBe(first.body.id)
  expect(second.headers.get('idempotency-replayed')).toBeNull()
})

test('keys are listed in pages, revoked, and rotated with a grace period', async () => {
  const { call, withKey } = await straitYard()
  const make = async (name: string) => (await call('POST', '/v1/api-keys', { name, scopes: ['jobs:read'] })).body
  const one = await make('one')
  const two = await make('two')
  const page = await call('GET', '/v1/api-keys?limit=1')
  expect(page.body).toMatchObject([{ id: two.id }])
  const next = await call('GET', `/v1/api-keys?limit=1&cursor=${page.headers.get('x-next-cursor')}`)
  expect(next.body).toMatchObject([{ id: one.id }])
  const gone = await call('DELETE', `/v1/api-keys/${one.id}`)
  expect([gone.status, gone.body]).toEqual([204, undefined])
  expect((await withKey(one.key)('GET', '/v1/jobs')).body).toMatchObject({ code: 'unauthorized' })
  const rotated = await call('POST', `/v1/api-keys/${two.id}/rotate`, { grace_period_minutes: 5 })
  expect([rotated.status, rotated.body.scopes]).toEqual([201, ['jobs:read']])
  expect(rotated.body.key).not.toBe(two.key)
  expect(rotated.body).toMatchObject({
    old_key_id: two.id,
    new_key_id: rotated.body.id,
    project_id: 'default',
    name: 'two',
    key_prefix: rotated.body.key.slice(0, rotated.body.key_prefix.length),
  })
  for (const { key } of [two, rotated.body]) expect((await withKey(key)('GET', '/v1/jobs')).status).toBe(200)
  const { body: listed } = await call('GET', '/v1/api-keys')
  const old = listed.find((it: { id: string }) => it.id === two.id)
  expect(old).toMatchObject({
    replaced_by_key_id: rotated.body.new_key_id,
    grace_expires_at: rotated.body.grace_expires_at,
    expires_at: rotated.body.grace_expires_at,
  })
  const minutes = (Date.parse(old.expires_at) - Date.now()) / 60_000
  expect(minutes).toBeGreaterThan(4)
  expect(minutes).toBeLessThanOrEqual(5)
  const now = await call('POST', `/v1/api-keys/${rotated.body.id}/rotate`, { grace_period_minutes: 0 })
  expect(now.status).toBe(201)
  expect((await call('POST', `/v1/api-keys/${one.id}/rotate`)).status).toBe(404)
})

describe('creating a key', () => {
  const cases: [string, object, number, string][] = [
    ['without a name', { scopes: ['*'] }, 400, 'name'],
    ['without scopes', { name: 'k', scopes: [] }, 400, 'scopes'],
    ['with a scope that has no counterpart', { name: 'k', scopes: ['workflows:read'] }, 400, 'scopes[0]'],
    ['for no time at all', { name: 'k', scopes: ['*'], expires_in_days: 0 }, 400, 'expires_in_days'],
    ['for an environment', { name: 'k', scopes: ['*'], environment_id: 'e' }, 400, 'environment_id'],
  ]
  test('an invalid key is refused with the field named', async () => {
    const { call } = await straitYard()
    for (const [name, body, status, field] of cases) {
      const reply = await call('POST', '/v1/api-keys', body)
      expect([reply.status, reply.body.code, reply.body.details[0].split(':')[0]], name).toEqual([
        status,
        'validation_error',
        field,
      ])
    }
    const elsewhere = await call('POST', '/v1/api-keys', { name: 'k', scopes: ['*'], project_id: 'other' })
    expect([elsewhere.status, elsewhere.body.error]).toEqual([403, 'project_id is not the project of this key'])
  })
  test('a key that would have more rights than its creator is refused', async () => {
    const { call, withKey, stranger } = await straitYard()
    const { body: manager } = await call('POST', '/v1/api-keys', { name: 'm', scopes: ['api-keys:manage'] })
    const making = await withKey(manager.key)('POST', '/v1/api-keys', { name: 'k', scopes: ['jobs:write'] })
    expect([making.status, making.body.error]).toEqual([403, 'insufficient permissions: requires jobs:write'])
    const beyond = await stranger('POST', '/v1/api-keys', { name: 'k', scopes: ['projects:write'] })
    expect([beyond.status, beyond.body.code]).toEqual([403, 'forbidden'])
  })
})

test("another project's keys and batches are not found", async () => {
  const { call, stranger } = await straitYard()
  const { body: key } = await call('POST', '/v1/api-keys', { name: 'k', scopes: ['*'] })
  for (const [method, path] of [
    ['DELETE', `/v1/api-keys/${key.id}`],
    ['POST', `/v1/api-keys/${key.id}/rotate`],
    ['DELETE', `/v1/api-keys/${ZERO}`],
    ['DELETE', '/v1/api-keys/nonsense'],
    ['GET', `/v1/batch-operations/${ZERO}`],
  ] as const) {
    const reply = await stranger(method, path)
    expect([reply.status, reply.body.code], path).toEqual([404, 'not_found'])
  }
  expect((await stranger('GET', '/v1/api-keys')).body.map((it: { id: string }) => it.id)).not.toContain(key.id)
  expect((await stranger('GET', '/v1/api-keys?project_id=default')).status).toBe(404)
})

test('projects are created with their first key, by callers with the scope for it', async () => {
  const { call, stranger, withKey } = await straitYard()
  const made = await call('POST', '/v1/projects', { id: 'third', org_id: 'acme', name: 'Third' })
  expect([made.status, made.body]).toEqual([
    201,
    {
      id: 'third',
      org_id: 'default',
      name: 'Third',
      created_at: RFC3339,
      updated_at: RFC3339,
      key: expect.any(String),
    },
  ])
  const first = await withKey(made.body.key)('POST', '/v1/jobs', { name: 'a', slug: 'a', execution_mode: 'worker' })
  expect([first.status, first.body.project_id]).toEqual([201, 'third'])
  expect((await call('POST', '/v1/projects', { id: 'third' })).body).toMatchObject({ code: 'conflict' })
  expect((await call('POST', '/v1/projects', { id: 'No spaces' })).body).toMatchObject({ code: 'validation_error' })
  const page = await call('GET', '/v1/projects?limit=2')
  expect(page.body.map((it: { id: string }) => it.id)).toEqual(['default', 'other'])
  const rest = await call('GET', `/v1/projects?limit=2&cursor=${page.headers.get('x-next-cursor')}`)
  expect(rest.body).toEqual([
    { id: 'third', org_id: 'default', name: 'Third', created_at: RFC3339, updated_at: RFC3339 },
  ])
  expect((await call('GET', '/v1/projects/third')).body).toEqual(rest.body[0])
  expect((await call('GET', '/v1/projects/fourth')).body).toMatchObject({ code: 'not_found' })
  for (const [method, path, body] of [
    ['POST', '/v1/projects', { id: 'mine' }],
    ['GET', '/v1/projects', undefined],
    ['GET', '/v1/projects/default', undefined],
  ] as const) {
    const reply = await stranger(method, path, body)
    expect([reply.status, reply.body.error], path).toEqual([403, 'insufficient permissions: requires projects'])
  }
})

test('all nodes of an installation serve /strait, and its OpenAPI document has every route', async () => {
  const { call, url } = await straitYard()
  await call('POST', '/v1/jobs', { name: 'J', slug: 'j', execution_mode: 'worker' })
  const second = straitOf(callerOf((await openNode(url)).address))
  expect((await second('GET', '/v1/jobs/j')).status).toBe(200)
  const { body: document } = await second('GET', '/openapi.json')
  for (const path of ['/v1/jobs', '/v1/jobs/{job}/trigger', '/v1/jobs/{job}/trigger/bulk', '/v1/api-keys', '/v1/stats'])
    expect(document.paths, path).toHaveProperty(path)
})
