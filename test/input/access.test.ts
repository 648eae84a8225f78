import { expect, test } from 'vitest'
import type { Route } from '#contract/route.ts'
import { ROUTES } from '#contract/routes.ts'
import { callerOf, type HttpYard, httpYard, KEY, openNode, until } from '../support/http-yard.ts'
import { join } from '../support/people.ts'

/** Two projects with the same things in each, and a key of the second one that may do everything in it. */
async function twoProjects(): Promise<HttpYard & { strangerKey: string }> {
  const yard = await httpYard()
  const made = await yard.call('POST', '/v1/projects', { id: 'stranger', name: 'Stranger' })
  return { ...yard, strangerKey: made.body.key }
}

test("every route that names a resource returns 404 to another project's key, and changes nothing", {
  timeout: 120_000,
}, async () => {
  const { call, address, strangerKey } = await twoProjects()
  await call('POST', '/v1/jobs', { slug: 'secret', execution: 'worker' })
  const job = await call('GET', '/v1/jobs/secret')
  const queued = await call('POST', '/v1/jobs/secret/runs', { payload: 'secret' })
  await call('POST', '/v1/jobs/secret/runs', {})
  const claimed = await call('POST', '/v1/workers/claim', { worker_id: 'w', limit: 1 })
  const [{ run, lease_token, run_token }] = claimed.body.runs
  await callerOf(address, run_token)('POST', `/v1/runs/${run.id}/checkpoint`, { state: 1 })
  await callerOf(address, run_token)('POST', `/v1/runs/${run.id}/state`, { key: 'k', value: 1 })
  const event = (await call('GET', '/v1/events?limit=1')).body.data[0]
  const key = (await call('GET', '/v1/keys')).body.data[0]
  const batch = await call('POST', `/v1/jobs/${job.body.id}/runs/batch`, { items: [{ delay_secs: 3600 }] })
  const operation = await call('POST', '/v1/operations', { kind: 'redrive', filter: { job: 'secret' } })
  await until(
    () => call('GET', `/v1/operations/${operation.body.id}`),
    (reply) => reply.body.status === 'completed',
  )
  const other = await call('POST', '/v1/jobs', { slug: 'other', execution: 'worker' })
  const dependency = await call('POST', `/v1/jobs/${job.body.id}/dependencies`, { depends_on: other.body.id })
  await call('PUT', '/v1/presets/own', {})
  await call('PUT', '/v1/tool-servers/own', { url: 'http://127.0.0.1:1/' })
  await call('PUT', '/v1/prices/own/own', { prompt_microusd_per_million: 1, completion_microusd_per_million: 1 })
  const authorization = await call('POST', '/v1/agents/bot/authorize', { tool: 't' })
  const asked = await callerOf(address, run_token)('POST', `/v1/runs/${run.id}/input-requests`, {
    kind: 'approval',
    prompt: 'May I?',
    wait: false,
  })
  const inbound = await call('POST', '/v1/hooks', { name: 'secret', event_key: 'secret' })
  const invited = await call('POST', '/v1/invitations', { role: 'viewer' })
  const ada = await join(address, { inviter: call, role: 'viewer', email: 'ada@example.com' })
  const hook = await call('POST', '/v1/webhooks', { url: 'http://127.0.0.1:1/', types: ['none.such'] })
  const delivery = await call('POST', `/v1/webhooks/${hook.body.id}/test`)
  const channel = await call('POST', '/v1/alerts/channels', { name: 'c', kind: 'slack', url: 'http://127.0.0.1:1/' })
  const rule = await call('POST', '/v1/alerts/rules', { name: 'r', kind: 'dead_letters' })
  const params: Record<string, string> = {
    run_id: run.id,
    job: job.body.id,
    version: '1',
    number: '1',
    key: 'k',
    event_id: event.id,
    key_id: key.id,
    project_id: 'default',
    batch_id: batch.body.batch_id,
    operation_id: operation.body.id,
    dependency: dependency.body.id,
    preset: 'own',
    provider: 'own',
    model: 'own',
    agent_id: 'bot',
    authorization_id: authorization.body.authorization_id,
    input_request_id: asked.body.id,
    event_key: 'awaited',
    webhook_id: hook.body.id,
    channel_id: channel.body.id,
    rule_id: rule.body.id,
    delivery_id: delivery.body.id,
    hook_id: inbound.body.id,
    user_id: ada.session.user.id,
    invitation_id: invited.body.id,
    tool_server: 'own',
  }
  const bodies: Record<string, object> = {
    triggerRuns: { items: [{}] },
    rescheduleRun: { scheduled_at: new Date(Date.now() + 60_000).toISOString() },
    debugRun: { debug_mode: true },
    updateJob: { description: 'changed' },
    addDependency: { depends_on: job.body.id },
    settleCall: { authorization_id: authorization.body.authorization_id },
    answerInput: { approved: true },
    replayWebhook: { from_event_id: event.id },
  }
  const stranger = callerOf(address, strangerKey)
  const before = JSON.stringify([await everything(call), (await call('GET', `/v1/runs/${run.id}`)).body])
  const named = ROUTES.filter(
    (route) => route.path.includes(':') && !['run_token', 'projects', 'session'].includes(route.needs),
  )
  for (const route of named.filter((it) => !OWN_NAMES.has(it.name))) {
    const path = route.path.replaceAll(/:(\w+)/g, (_, name: string) => params[name]!)
    const reply = await stranger(route.method, path, route.body ? (bodies[route.name] ?? {}) : undefined)
    expect(reply.status, `${route.method} ${path}: ${JSON.stringify(reply.body)}`).toBe(404)
  }
  // Routes that take ids in their bodies.
  const bulk = await stranger('POST', '/v1/runs/bulk-cancel', { run_ids: [run.id, queued.body.id] })
  expect(bulk.body).toMatchObject({
    canceled: 0,
    failed: 2,
    results: [{ error: { code: 'run_not_found' } }, { error: { code: 'run_not_found' } }],
  })
  expect((await stranger('POST', '/v1/runs/bulk-dlq-replay', { run_ids: [run.id] })).body.results).toMatchObject([
    { error: { code: 'run_not_found' } },
  ])
  expect((await stranger('POST', '/v1/runs/bulk-replay', { run_ids: [run.id] })).body.results).toMatchObject([
    { error: { code: 'run_not_found' } },
  ])
  const all = await stranger('POST', '/v1/operations', { kind: 'cancel', filter: { all: true }, dry_run: true })
  expect(all.body).toMatchObject({ matched: 0, sample: [] })
  expect(
    (
      await stranger('POST', '/v1/workers/settle', {
        settlements: [{ run_id: run.id, lease_token, outcome: 'completed' }],
      })
    ).body.results,
  ).toMatchObject([{ error: { code: 'run_not_found' } }])
  expect(
    (await stranger('POST', '/v1/workers/heartbeat', { worker_id: 'w', leases: [{ run_id: run.id, lease_token }] }))
      .body.leases,
  ).toMatchObject([{ told: 'stop' }])
  expect((await stranger('POST', '/v1/workers/claim', { worker_id: 'thief', limit: 10 })).body.runs).toEqual([])
  // An event with this run's id is another project's own external run, and not this one.
  expect((await stranger('POST', '/v1/events', { run_id: run.id, type: 'a.b' })).status).toBe(201)
  expect((await stranger('GET', '/v1/runs')).body.data).toMatchObject([{ execution: 'external', id: run.id }])
  for (const path of ['/v1/jobs', '/v1/events?resource_type=job'])
    expect((await stranger('GET', path)).body.data, path).toEqual([])
  expect((await stranger('GET', '/v1/stats')).body.runs.queued).toBe(0)
  expect(JSON.stringify([await everything(call), (await call('GET', `/v1/runs/${run.id}`)).body])).toBe(before)
})

/** What they name is the caller's own by its name: the same word means another thing in each project. */
const OWN_NAMES: ReadonlySet<string> = new Set([
  'setPreset',
  'setToolServer',
  'sendEvent',
  'setPrice',
  'disableAgent',
  'enableAgent',
  'setPolicy',
  'tryPolicy',
  'listPolicyVersions',
  'authorizeCall',
  'listAgentLog',
  'agentMetrics',
])

const everything = async (call: HttpYard['call']) => [
  (await call('GET', '/v1/runs')).body,
  (await call('GET', '/v1/jobs')).body,
  (await call('GET', '/v1/events?limit=500')).body,
  (await call('GET', '/v1/users')).body,
  (await call('GET', '/v1/invitations')).body,
  (await call('GET', '/v1/webhooks')).body,
  (await call('GET', '/v1/alerts/channels')).body,
]

test('the projects of an installation are only visible to its operator', async () => {
  const { call, address, strangerKey } = await twoProjects()
  const stranger = callerOf(address, strangerKey)
  expect((await call('GET', '/v1/projects')).body.data).toHaveLength(2)
  for (const [method, path] of [
    ['GET', '/v1/projects'],
    ['GET', '/v1/projects/default'],
    ['POST', '/v1/projects'],
  ] as const) {
    expect((await stranger(method, path, method === 'POST' ? { id: 'x' } : undefined)).status).toBe(403)
  }
  // Nor can it be given on by one who lacks it.
  expect((await stranger('POST', '/v1/keys', { name: 'k', scopes: ['projects'] })).status).toBe(403)
})

test('every route refuses a request without a key, and a key without its scope', async () => {
  const { call, address } = await httpYard()
  const keyWith = async (scope: string) => (await call('POST', '/v1/keys', { name: 'weak', scopes: [scope] })).body.key
  const [weak, otherWeak] = [await keyWith('workers'), await keyWith('agents:read')]
  const unsure = (route: Route) => route.path.replaceAll(/:(\w+)/g, '01900000-0000-7000-8000-000000000000')
  for (const route of ROUTES.filter((it) => it.needs !== 'nothing' && !it.orLocal)) {
    const none = await callerOf(address, '')(route.method, unsure(route))
    expect([none.status, none.body?.error?.code], route.name).toEqual([401, 'unauthorized'])
    expect((await callerOf(address, 'ry_wrong')(route.method, unsure(route))).status, route.name).toBe(401)
    if (route.needs !== 'any_key')
      expect(
        (await callerOf(address, route.needs === 'workers' ? otherWeak : weak)(route.method, unsure(route))).status,
        route.name,
      ).toBe(403)
  }
})

test('a key may be sent as a bearer token or as X-API-Key', async () => {
  const { address } = await httpYard()
  expect(
    (await callerOf(address, '')('GET', '/v1/me', undefined, { headers: { 'x-api-key': KEY } })).body.project_id,
  ).toBe('default')
})

test('a revoked key is refused immediately on every node, and a rotated one after its grace period', async () => {
  const { call, address, url } = await httpYard()
  const other = await openNode(url)
  const made = (await call('POST', '/v1/keys', { name: 'k', scopes: ['runs:read'] })).body
  const [here, there] = [callerOf(address, made.key), callerOf(other.address, made.key)]
  expect([(await here('GET', '/v1/runs')).status, (await there('GET', '/v1/runs')).status]).toEqual([200, 200])
  expect((await call('DELETE', `/v1/keys/${made.id}`)).status).toBe(204)
  expect((await here('GET', '/v1/runs')).status).toBe(401)
  await until(
    async () => (await there('GET', '/v1/runs')).status,
    (status) => status === 401,
    1_500,
  )
  const old = (await call('POST', '/v1/keys', { name: 'r', scopes: ['runs:read'] })).body
  const next = (await call('POST', `/v1/keys/${old.id}/rotate`, { grace_secs: 0 })).body
  expect((await callerOf(address, next.key)('GET', '/v1/runs')).status).toBe(200)
  await until(
    async () => (await callerOf(address, old.key)('GET', '/v1/runs')).status,
    (status) => status === 401,
  )
})

test('a key over its rate limit is told when to retry, and other keys are not affected', async () => {
  const { call, address } = await httpYard()
  const { key } = (await call('POST', '/v1/keys', { name: 'slow', scopes: ['runs:read'], rate_limit_per_minute: 30 }))
    .body
  const replies = await Promise.all(Array.from({ length: 40 }, () => callerOf(address, key)('GET', '/v1/runs')))
  const refused = replies.filter((reply) => reply.status === 429)
  expect(refused.length).toBe(10)
  expect(Number(refused[0]!.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  expect((await call('GET', '/v1/runs')).status).toBe(200)
})

test('every change is logged, with who made it', async () => {
  const { call } = await httpYard()
  const me = (await call('GET', '/v1/me')).body
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  await call('PATCH', '/v1/jobs/j', { description: 'x' })
  await call('POST', '/v1/jobs/j/pause', { reason: 'r' })
  await call('POST', '/v1/jobs/j/resume')
  const key = (await call('POST', '/v1/keys', { name: 'k', scopes: ['runs:read'] })).body
  await call('DELETE', `/v1/keys/${key.id}`)
  await call('DELETE', '/v1/jobs/j')
  const told = (await call('GET', '/v1/events?order=asc')).body.data
  expect(told.map((it: { type: string }) => it.type)).toEqual([
    'job.created',
    'job.updated',
    'job.paused',
    'job.resumed',
    'api_key.created',
    'api_key.revoked',
    'job.deleted',
  ])
  for (const event of told)
    expect(event).toMatchObject({ actor_type: 'api_key', actor_id: me.key_id, correlation_id: expect.any(String) })
})
