import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { type Call, callerOf, codeOf, httpYard, openNode, until, untilState } from '../../support/http-yard.ts'
import { httpServer } from '../../support/local-servers.ts'

const authorize = (call: Call, tool: string, more: object = {}, agent = 'bot') =>
  call('POST', `/v1/agents/${agent}/authorize`, { tool, ...more })
const setPolicy = (call: Call, policy: object, mode = 'enforce') =>
  call('PUT', '/v1/agents/bot/policy', { mode, policy })

test('an agent without a policy may do anything, and exists from its first call', async () => {
  const { call } = await httpYard()
  expect((await call('GET', '/v1/agents/bot')).status).toBe(404)
  const decided = await authorize(call, 'send_email', { args: { to: 'a' }, cost_microusd: 1000 })
  expect(decided).toMatchObject({
    status: 200,
    body: {
      decision: 'allowed',
      reason: 'ok',
      risk_level: 'low',
      policy_version: 0,
      cost_microusd: 1000,
      observed: null,
    },
  })
  expect((await call('GET', '/v1/agents/bot')).body).toMatchObject({ enabled: true, policy: null, policy_version: 0 })
  const [row] = (await call('GET', '/v1/agents/bot/logs')).body.data
  expect(row).toMatchObject({
    tool: 'send_email',
    state: 'reserved',
    args_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
  })
})

test('each rule stops what it forbids, the gravest is reported, and the log has everything but the arguments', async () => {
  const { call } = await httpYard()
  await setPolicy(call, {
    allowed_tools: ['send_email', 'search_*', 'delete_user'],
    blocked_tools: ['delete_user'],
    max_calls_per_tool_per_day: { send_email: 1 },
    max_spend_microusd_per_day: 5_000,
    prices_microusd: { search_web: 3_000 },
  })
  const reasons: string[] = []
  for (const [tool, more] of [
    ['delete_user', { args: { secret: 'sesame' } }],
    ['drop_table', {}],
    ['send_email', {}],
    ['send_email', {}],
    ['search_web', {}],
    ['search_web', {}],
    ['search_mail', { cost_microusd: 2_000 }],
    ['search_mail', { cost_microusd: 1 }],
  ] as const)
    reasons.push((await authorize(call, tool, more)).body.reason)
  expect(reasons).toEqual([
    'tool_explicitly_blocked',
    'tool_not_in_allowed_list',
    'ok',
    'max_calls_per_tool_exceeded',
    'ok',
    'max_spend_usd_per_day_exceeded',
    'ok',
    'max_spend_usd_per_day_exceeded',
  ])
  const metrics = (await call('GET', '/v1/agents/bot/metrics?period=day')).body
  expect(metrics).toMatchObject({ allowed: 3, blocked: 5, cost_microusd: 5_000 })
  expect(metrics.tools[0]).toMatchObject({ allowed: 1 })
  const events = (await call('GET', '/v1/events?agent_id=bot&order=asc')).body.data
  expect(events.map((it: { type: string }) => it.type).filter((it: string) => it === 'policy.blocked')).toHaveLength(5)
  expect(JSON.stringify(events)).not.toContain('sesame')
})

test('a budget for n calls allows exactly n, however many ask at once on two nodes', { timeout: 60_000 }, async () => {
  const { call, url } = await httpYard()
  const other = callerOf((await openNode(url)).address)
  await setPolicy(call, { max_actions_per_hour: 37, max_spend_microusd_per_day: 1_000_000 })
  const asked = await Promise.all(
    Array.from({ length: 200 }, (_, n) => authorize(n % 2 ? call : other, 'act', { cost_microusd: 10 })),
  )
  expect(asked.filter((it) => it.body.decision === 'allowed')).toHaveLength(37)
  expect(asked.filter((it) => it.body.reason === 'max_actions_per_hour_exceeded')).toHaveLength(163)
  await setPolicy(call, { max_spend_microusd_per_day: 370 + 50 })
  const spent = await Promise.all(
    Array.from({ length: 60 }, (_, n) => authorize(n % 2 ? call : other, 'act', { cost_microusd: 10 })),
  )
  expect(spent.filter((it) => it.body.decision === 'allowed')).toHaveLength(5)
  expect((await call('GET', '/v1/agents/bot/metrics')).body.cost_microusd).toBe(420)
})

test('a call is settled once, at its actual cost, and the sums follow', async () => {
  const { call } = await httpYard()
  const { authorization_id } = (await authorize(call, 'search', { cost_microusd: 500 })).body
  const settle = (body: object) => call('POST', '/v1/agents/bot/settle', { authorization_id, ...body })
  expect((await settle({ cost_microusd: 120 })).body).toMatchObject({
    state: 'settled',
    outcome: 'succeeded',
    cost_microusd: 120,
  })
  expect(codeOf(await settle({ cost_microusd: 1 }))).toBe('authorization_not_reserved')
  expect(codeOf(await call('POST', '/v1/agents/other/settle', { authorization_id }))).toBe('authorization_not_found')
  expect((await call('GET', '/v1/agents/bot/metrics')).body.cost_microusd).toBe(120)
  const spend = (await call('GET', '/v1/spend')).body.data
  expect(spend).toMatchObject([{ agent_id: 'bot', tool: 'search', allowed: 1, blocked: 0, cost_microusd: 120 }])
})

test('a policy in observe mode stops nothing and reports what it would have stopped', async () => {
  const { call } = await httpYard()
  await setPolicy(call, { blocked_tools: ['rm'] }, 'observe')
  expect((await authorize(call, 'rm')).body).toMatchObject({
    decision: 'allowed',
    reason: 'ok',
    observed: 'tool_explicitly_blocked',
  })
  const events = (await call('GET', '/v1/events?agent_id=bot&type=policy.observed')).body.data
  expect(events).toMatchObject([{ tool: 'rm', data: { reason: 'tool_explicitly_blocked', policy_version: 1 } }])
})

test('a policy can be dry-run against past calls before it applies', async () => {
  const { call } = await httpYard()
  for (let n = 0; n < 5; n++) await authorize(call, 'send', { cost_microusd: 100 })
  await authorize(call, 'rm')
  const trial = await call('POST', '/v1/agents/bot/policy/try', {
    policy: { blocked_tools: ['rm'], max_calls_per_tool_per_day: { send: 3 } },
  })
  expect(trial.body).toMatchObject({
    calls: 6,
    allowed: 3,
    newly_stopped: 3,
    newly_allowed: 0,
    stopped: [
      { reason: 'max_calls_per_tool_exceeded', calls: 2 },
      { reason: 'tool_explicitly_blocked', calls: 1 },
    ],
  })
  expect(trial.body.samples[0]).toMatchObject({ tool: 'rm', was: 'ok', would_be: 'tool_explicitly_blocked' })
  expect((await call('GET', '/v1/agents/bot')).body.policy).toBe(null)
})

test('policies are versioned, and invalid ones are refused by field', async () => {
  const { call } = await httpYard()
  await setPolicy(call, { blocked_tools: ['a'] })
  expect((await setPolicy(call, { blocked_tools: ['b'] }, 'observe')).body).toMatchObject({
    version: 2,
    mode: 'observe',
  })
  const versions = (await call('GET', '/v1/agents/bot/policy/versions')).body.data
  expect(versions.map((it: { policy: { blocked_tools: string[] } }) => it.policy.blocked_tools)).toEqual([['b'], ['a']])
  for (const bad of [
    { blocked: [] },
    { max_actions_per_hour: -1 },
    { prices_microusd: { a: 0.5 } },
    { allowed_tools: 'all' },
  ])
    expect(codeOf(await setPolicy(call, bad)), JSON.stringify(bad)).toBe('invalid')
  expect((await call('GET', '/v1/agents/bot')).body.policy_version).toBe(2)
})

test('a * that would mean nothing in a policy is refused by its field', async () => {
  const { call } = await httpYard()
  const END = 'may contain * only at its end'
  const ONE = 'has a name that must not contain *'
  for (const [policy, field, message] of [
    [{ allowed_tools: ['a', '**'] }, 'policy.allowed_tools[1]', END],
    [{ blocked_tools: ['a*b'] }, 'policy.blocked_tools[0]', END],
    [{ approval_tools: ['a*b*'] }, 'policy.approval_tools[0]', END],
    [{ approval_tools: ['*a'] }, 'policy.approval_tools[0]', END],
    [{ max_calls_per_tool_per_day: { 't*': 1 } }, 'policy.max_calls_per_tool_per_day["t*"]', ONE],
    [{ prices_microusd: { '*': 1 } }, 'policy.prices_microusd["*"]', ONE],
  ] as const)
    expect((await setPolicy(call, policy)).body.error?.details, field).toEqual({ fields: [{ field, message }] })
  expect((await setPolicy(call, { allowed_tools: ['*'], blocked_tools: ['rm_*'] })).status).toBe(200)
  expect((await authorize(call, 'rm_all')).body.reason).toBe('tool_explicitly_blocked')
  expect((await authorize(call, 'anything')).body.decision).toBe('allowed')
})

test('a call that needs approval waits for a person, and is checked against the limits when it is approved', async () => {
  const { call } = await httpYard()
  await setPolicy(call, { approval_tools: ['pay'], max_calls_per_tool_per_day: { pay: 1 } })
  const asked = (await authorize(call, 'pay', { args: { amount: 7 } })).body
  expect(asked).toMatchObject({ decision: 'asked', reason: 'approval_required' })
  const second = (await authorize(call, 'pay')).body
  const inbox = (await call('GET', '/v1/input-requests?status=pending')).body.data
  expect(inbox).toHaveLength(2)
  expect(inbox[1]).toMatchObject({
    kind: 'approval',
    agent_id: 'bot',
    params: { amount: 7 },
    authorization_id: asked.authorization_id,
  })
  const state = async (id: string) => (await call('GET', `/v1/agents/bot/authorizations/${id}`)).body
  expect((await state(asked.authorization_id)).state).toBe('asked')
  const approve = (id: string, approved: boolean) => call('POST', `/v1/input-requests/${id}/answer`, { approved })
  expect((await approve(asked.input_request_id, true)).body).toMatchObject({
    status: 'answered',
    answered_by: { type: 'api_key' },
  })
  expect(await state(asked.authorization_id)).toMatchObject({ state: 'reserved', reason: 'ok' })
  await approve(second.input_request_id, true)
  expect(await state(second.authorization_id)).toMatchObject({
    state: 'blocked',
    reason: 'max_calls_per_tool_exceeded',
  })
  expect(codeOf(await approve(second.input_request_id, true))).toBe('input_over')
})

test('the kill switch blocks the next call on every node, holds queued runs, and stops executing ones', {
  timeout: 60_000,
}, async () => {
  const { call, url } = await httpYard()
  const other = callerOf((await openNode(url)).address)
  const seen: { closed: boolean }[] = []
  const endpoint = await httpServer((_, response) => {
    const one = { closed: false }
    seen.push(one)
    response.on('close', () => {
      one.closed = !response.writableFinished
    })
  })
  await call('POST', '/v1/jobs', { slug: 'h', execution: 'http', endpoint_url: endpoint.url })
  await call('POST', '/v1/jobs', { slug: 'w', execution: 'worker' })
  const running = (await call('POST', '/v1/jobs/h/runs', { agent_id: 'bot' })).body
  await until(
    async () => seen.length,
    (n) => n === 1,
  )
  const queued = (await call('POST', '/v1/jobs/w/runs', { agent_id: 'bot' })).body
  const free = (await call('POST', '/v1/jobs/w/runs', { agent_id: 'other' })).body
  const off = await call('POST', '/v1/agents/bot/disable', { reason: 'strange' })
  expect(off.body).toMatchObject({ enabled: false, disabled_reason: 'strange' })
  expect((await authorize(other, 'anything')).body).toMatchObject({
    decision: 'blocked',
    reason: 'agent_disabled',
    risk_level: 'high',
  })
  expect((await call('GET', `/v1/runs/${running.id}`)).body.status).toBe('paused')
  await until(
    async () => seen[0]!.closed,
    (closed) => closed,
    1_500,
  )
  const later = (await call('POST', '/v1/jobs/w/runs', { agent_id: 'bot' })).body
  const claimed = await call('POST', '/v1/workers/claim', { worker_id: 'w', limit: 10, wait_secs: 1 })
  expect(claimed.body.runs.map((it: { run: { id: string } }) => it.run.id)).toEqual([free.id])
  expect((await call('GET', `/v1/runs/${queued.id}/why`)).body).toMatchObject({
    reason: 'agent_disabled',
    sentence: 'Its agent bot is disabled: strange.',
  })
  expect((await call('POST', '/v1/agents/bot/enable')).body).toMatchObject({
    enabled: true,
    disabled_reason: null,
    disabled_at: null,
  })
  const after = await call('POST', '/v1/workers/claim', { worker_id: 'w', limit: 10, wait_secs: 2 })
  expect(after.body.runs.map((it: { run: { id: string } }) => it.run.id).sort()).toEqual([queued.id, later.id].sort())
  await call('POST', `/v1/runs/${running.id}/resume`)
  await untilState(call, running.id, ['executing'])
  const sql = connect(url, { max: 1 })
  expect(await sql`select 1 from run_queue where due_at = 'infinity'`).toHaveLength(0)
  await sql.end()
})

test('agents, policies, logs and spend of a project are invisible to other projects', async () => {
  const { call } = await httpYard()
  const stranger = { key: (await call('POST', '/v1/projects', { id: 'other', name: 'Other' })).body.key }
  await setPolicy(call, { blocked_tools: ['*'] })
  await authorize(call, 'act')
  expect((await call('POST', '/v1/agents/bot/authorize', { tool: 'act' }, stranger)).body.decision).toBe('allowed')
  expect((await call('GET', '/v1/agents/bot/logs', undefined, stranger)).body.data).toHaveLength(1)
  expect((await call('GET', '/v1/agents/bot', undefined, stranger)).body.policy).toBe(null)
  expect((await call('GET', '/v1/spend', undefined, stranger)).body.data).toMatchObject([{ allowed: 1, blocked: 0 }])
})
