import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { addUse } from '#usage/plans.sql.ts'
import { callerOf, openNode, until } from '../../support/http-yard.ts'
import { type OnceYard, onceOf, onceYard } from '../../support/once-yard.ts'
import { toolServer } from '../../support/tool-server.ts'

const MONTH = () => new Date().toISOString().slice(0, 7)

/** Another plan for the project of `call`; nodes remember the old one for two seconds. */
async function onPlan(yard: OnceYard, plan: string): Promise<void> {
  expect((await yard.native('PUT', '/v1/projects/default/plan', { plan })).body).toMatchObject({ id: 'default', plan })
  await until(
    () => yard.call('GET', '/me'),
    ({ body }) => body.plan === plan,
  )
}

async function spend(yard: OnceYard, charged: number, kind: 'make' | 'ai' = 'make'): Promise<void> {
  const sql = connect(yard.url, { max: 1 })
  await addUse(sql, [{ projectId: 'default', kind, requests: charged, charged }])
  await sql.end()
}

test('an account shows its plan and its notification preferences', async () => {
  const { call, native, stranger } = await onceYard()
  const none = {
    email_notifications_enabled: false,
    tool_error_notifications_enabled: false,
    run_failure_notifications_enabled: false,
  }
  expect((await call('GET', '/me')).body).toEqual({
    plan: 'agency',
    namespace: 'default',
    key_id: expect.any(String),
    ...none,
  })
  const wanted = { run_failure_notifications_enabled: true }
  expect((await call('POST', '/me/notifications', wanted)).body).toEqual({ ...none, ...wanted })
  const more = await call('POST', '/me/notifications', { email_notifications_enabled: true })
  expect((await native('GET', '/v1/events?type=project.notices_set')).body.data).toHaveLength(2)
  expect(more.body).toEqual({ ...none, ...wanted, email_notifications_enabled: true })
  expect((await call('GET', '/me')).body).toMatchObject(more.body)
  expect((await stranger('GET', '/me')).body).toMatchObject({ namespace: 'other', ...none })
  const bad = await call('POST', '/me/notifications', { email_notifications_enabled: 'yes' })
  expect(bad).toMatchObject({ status: 422, body: { detail: [{ loc: ['body', 'email_notifications_enabled'] }] } })
})

test("usage counts this month's calls of the project", async () => {
  const { call, stranger } = await onceYard()
  for (const key of ['a', 'b', 'a']) await call('POST', '/check-lock', { key })
  const make = { usage: 3, limit: 2_000_000, requests_total_month: 3, blocked_total_month: 1 }
  const ai = { usage: 0, limit: 10_000_000, requests_total_month: 0, blocked_total_month: 0 }
  expect((await call('GET', '/usage')).body).toEqual({ plan: 'agency', month: MONTH(), ...make })
  expect((await call('GET', '/usage?kind=make')).body).toEqual({ plan: 'agency', month: MONTH(), ...make })
  expect((await call('GET', '/usage?kind=ai')).body).toEqual({ plan: 'agency', month: MONTH(), ...ai })
  const all = await call('GET', '/usage/all')
  expect(all.body).toEqual({
    plan: 'agency',
    month: MONTH(),
    make: { ...make, charged_total_month: 3, polling_total_month: 0 },
    ai: { ...ai, charged_total_month: 0, polling_total_month: 0 },
  })
  expect([all.headers.get('x-onceonly-plan'), all.headers.get('x-onceonly-month')]).toEqual(['agency', MONTH()])
  expect((await stranger('GET', '/usage')).body.usage).toBe(0)
  expect(await call('GET', '/usage?kind=both')).toMatchObject({
    status: 422,
    body: {
      detail: [{ type: 'literal_error', loc: ['query', 'kind'], msg: "Input should be 'make' or 'ai'", input: 'both' }],
    },
  })
})

test('metrics return the days of a range', async () => {
  const { call, stranger } = await onceYard()
  for (const key of ['a', 'a']) await call('POST', '/check-lock', { key })
  const today = new Date().toISOString().slice(0, 10)
  const used = { requests: 2, charged: 2, blocked: 1, polling: 0 }
  const nothing = { requests: 0, charged: 0, blocked: 0, polling: 0 }
  expect((await call('GET', `/metrics?from_day=${today}&to_day=${today}`)).body).toEqual({
    from_day: today,
    to_day: today,
    days: [{ day: today, make: used, ai: nothing }],
    totals: { make: used, ai: nothing },
  })
  expect((await call('GET', '/metrics')).body.totals.make).toEqual(used)
  expect((await call('GET', '/metrics?from_day=2026-01-01&to_day=2026-01-31')).body.days).toEqual([])
  expect((await stranger('GET', '/metrics')).body.days).toEqual([])
  for (const query of [
    'from_day=x',
    'from_day=2026-02-30',
    'from_day=2026-02-02&to_day=2026-02-01',
    'from_day=2020-01-01',
  ])
    expect(await call('GET', `/metrics?${query}`), query).toMatchObject({
      status: 422,
      body: { detail: [{ loc: ['query', 'from_day'] }] },
    })
})

test('a plan refuses the features that it lacks, and says so', async () => {
  const yard = await onceYard()
  await onPlan(yard, 'starter')
  expect(await yard.call('GET', '/metrics')).toMatchObject({
    status: 403,
    body: { detail: { error: 'feature_not_available', message: expect.stringContaining('pro') } },
  })
  const ttls = await Promise.all(
    [undefined, 10 ** 6].map(
      async (ttl, n) => (await yard.call('POST', '/check-lock', { key: `k${n}`, ttl })).body.ttl,
    ),
  )
  expect(ttls).toEqual([3600, 86_400])
  await onPlan(yard, 'pro')
  expect((await yard.call('GET', '/metrics')).status).toBe(200)
})

test('beyond its month the free plan is refused exactly, on all nodes, and the feed says so', async () => {
  const yard = await onceYard()
  const other = onceOf(callerOf((await openNode(yard.url)).address))
  await onPlan(yard, 'free')
  await spend(yard, 980)
  const replies = await Promise.all(
    Array.from({ length: 60 }, (_, n) => (n % 2 ? yard.call : other)('POST', '/check-lock', { key: `k${n}` })),
  )
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(20)
  const refused = replies.filter(({ status }) => status === 402)
  expect(refused).toHaveLength(40)
  expect(refused[0]!.body).toEqual({
    detail: {
      error: 'payment_required',
      highlights: expect.any(Array),
      plan: 'free',
      limit: 1000,
      usage: 1000,
      upgrade_url: null,
    },
  })
  expect((await yard.call('GET', '/usage')).body).toMatchObject({
    plan: 'free',
    usage: 1000,
    limit: 1000,
    requests_total_month: 1040,
    blocked_total_month: 40,
  })
  const feed = await until(
    () => yard.call('GET', '/events?limit=200'),
    ({ body }) => body.length === 40,
  )
  expect(feed.body[0]).toMatchObject({
    type: 'over_limit',
    key: expect.any(String),
    meta: { plan: 'free', limit: 1000 },
  })
})

test('other plans continue beyond their month, and the feed says so once', async () => {
  const yard = await onceYard()
  await onPlan(yard, 'starter')
  await spend(yard, 20_001)
  for (const key of ['a', 'b']) expect((await yard.call('POST', '/check-lock', { key })).status).toBe(200)
  const feed = await until(
    () => yard.call('GET', '/events'),
    ({ body }) => body.length > 0,
  )
  expect(feed.body).toEqual([
    {
      ts: expect.any(Number),
      type: 'over_limit',
      meta: { kind: 'make', plan: 'starter', month: MONTH(), limit: 20_000, usage: expect.any(Number) },
    },
  ])
})

test('a plan is assigned by the operator, and only to existing projects', async () => {
  const yard = await onceYard()
  expect((await yard.native('GET', '/v1/projects/default')).body.plan).toBe('agency')
  expect((await yard.native('PUT', '/v1/projects/nobody/plan', { plan: 'pro' })).body.error.code).toBe(
    'project_not_found',
  )
  expect((await yard.native('PUT', '/v1/projects/default/plan', { plan: 'gold' })).body.error.code).toBe('invalid')
  const { key } = (await yard.native('POST', '/v1/keys', { name: 'k', scopes: ['admin'] })).body
  expect((await callerOf(yard.address, key)('PUT', '/v1/projects/default/plan', { plan: 'pro' })).status).toBe(403)
})

test('a rate limit is refused with a sentence, and says when to retry', async () => {
  const yard = await onceYard()
  const { key } = (await yard.native('POST', '/v1/keys', { name: 'k', scopes: ['admin'], rate_limit_per_minute: 1 }))
    .body
  const call = yard.withKey(key)
  await call('GET', '/me')
  const refused = await call('GET', '/me')
  expect(refused).toMatchObject({ status: 429, body: { detail: expect.any(String) } })
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
})

test("the OpenAPI document has the routes, and unknown ones are refused in OnceOnly's format", async () => {
  const { call, native } = await onceYard()
  const { paths, servers } = (await native('GET', '/onceonly/openapi.json')).body
  expect(servers[0].url).toBe('/onceonly')
  expect(Object.keys(paths)).toEqual(
    expect.arrayContaining([
      '/v1/check-lock',
      '/v1/events',
      '/v1/runs',
      '/v1/runs/{run_id}',
      '/v1/me',
      '/v1/usage/all',
    ]),
  )
  expect(await call('GET', '/nothing')).toMatchObject({ status: 404, body: { detail: 'Not Found' } })
  expect(await call('PUT', '/check-lock', {})).toMatchObject({ status: 405, body: { detail: 'Method Not Allowed' } })
})

test('beyond the month of the free plan a deduplicated call is answered as before, and one that would be made is 402', async () => {
  const yard = await onceYard()
  const tools = await toolServer()
  await yard.call('POST', '/tools', { name: 'act', url: tools.url })
  const act = (args: object, agent_id = 'a') => yard.call('POST', '/ai/run', { agent_id, tool: 'act', args })
  expect((await act({ idempotency_key: 'z' })).body.decision).toBe('executed')
  await yard.native('POST', '/v1/agents/off/disable', {})
  await onPlan(yard, 'free')
  await spend(yard, 3_000, 'ai')
  expect(await act({ idempotency_key: 'z' })).toMatchObject({ status: 200, body: { decision: 'dedup' } })
  expect(await act({}, 'off')).toMatchObject({ status: 200, body: { policy_reason: 'agent_disabled' } })
  expect((await act({ idempotency_key: 'y' })).status).toBe(402)
  expect(tools.calls).toHaveLength(1)
})
