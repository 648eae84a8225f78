import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { type Call, until } from '../../support/http-yard.ts'
import { ISO, onceYard } from '../../support/once-yard.ts'
import { toolServer } from '../../support/tool-server.ts'

const run = (call: Call, more: object = {}) =>
  call('POST', '/ai/run', { agent_id: 'support_bot', tool: 'send_email', args: {}, ...more })
const off = (call: Call, body?: object) => call('POST', '/agents/support_bot/disable', body)
const on = (call: Call, body?: object) => call('POST', '/agents/support_bot/enable', body)

async function withTools() {
  const yard = await onceYard()
  const tool = await toolServer()
  for (const name of ['send_email', 'create_ticket']) await yard.call('POST', '/tools', { name, url: tool.url })
  return { ...yard, tool }
}

async function setPlan(url: string, plan: string): Promise<void> {
  const sql = connect(url, { max: 1 })
  await sql`update projects set plan = ${plan} where id = 'default'`
  await sql.end()
}

test('an agent is disabled and enabled as the reference shows, with a body or without', async () => {
  const { call, native, stranger } = await onceYard()
  const disabled = await off(call, { reason: 'suspicious_activity_detected' })
  expect([disabled.status, disabled.body]).toEqual([
    200,
    {
      ...{ agent_id: 'support_bot', is_enabled: false, disabled_reason: 'suspicious_activity_detected' },
      disabled_at: expect.stringMatching(ISO),
    },
  ])
  expect((await native('GET', '/v1/agents/support_bot')).body).toMatchObject({ enabled: false })
  const enabled = { agent_id: 'support_bot', is_enabled: true, disabled_reason: null, disabled_at: null }
  expect((await on(call)).body).toEqual(enabled)
  expect((await off(call)).body).toMatchObject({ is_enabled: false, disabled_reason: null })
  expect((await on(call, { reason: 'all clear' })).body).toEqual(enabled)
  await off(call, {})
  // The agent of another project is another agent.
  expect((await on(stranger)).body).toEqual(enabled)
  expect((await native('GET', '/v1/agents/support_bot')).body.enabled).toBe(false)
  const bad = await off(call, { reason: 'x'.repeat(501) })
  expect([bad.status, bad.body.detail[0].loc]).toEqual([422, ['body', 'reason']])
})

test('a disabled agent is refused everywhere immediately: calls, repeated calls, and actions in progress', async () => {
  const { call, tool } = await withTools()
  const args = { run_id: 'r' }
  await run(call, { args })
  await off(call, { reason: 'x' })
  const blocked = {
    ok: false,
    allowed: false,
    decision: 'blocked',
    policy_reason: 'agent_disabled',
    risk_level: 'high',
  }
  expect((await run(call)).body).toEqual({ ...blocked, result: {} })
  expect((await run(call, { args })).body).toEqual({ ...blocked, result: {} })
  await call('POST', '/ai/run', { key: 'k', metadata: { agent_id: 'support_bot', actions: [{ tool: 'send_email' }] } })
  const ended = await until(
    () => call('GET', '/ai/status?key=k'),
    (reply) => reply.body.status !== 'in_progress',
  )
  expect(ended.body).toMatchObject({ status: 'failed', error_code: 'agent_disabled' })
  expect(tool.calls).toHaveLength(1)
  await on(call)
  expect((await run(call)).body.decision).toBe('executed')
})

test('the log of an agent has each call, newest first, with its cost', async () => {
  const { call } = await withTools()
  await call('POST', '/policies/support_bot', { blocked_tools: ['create_ticket'] })
  await run(call, { args: { to: 'a' }, spend_usd: 0.001 })
  await run(call, { tool: 'create_ticket', spend_usd: 5 })
  const { body } = await call('GET', '/agents/support_bot/logs')
  expect(body).toEqual([
    {
      ...{
        ts: expect.any(Number),
        agent_id: 'support_bot',
        tool: 'create_ticket',
        allowed: false,
        decision: 'blocked',
      },
      ...{ policy_reason: 'tool_explicitly_blocked', risk_level: 'high', args_hash: expect.any(String), spend_usd: 0 },
    },
    {
      ...{ ts: expect.any(Number), agent_id: 'support_bot', tool: 'send_email', allowed: true, decision: 'executed' },
      ...{
        policy_reason: 'ok',
        risk_level: 'low',
        args_hash: expect.stringMatching(/^[0-9a-f]{8}$/),
        spend_usd: 0.001,
      },
    },
  ])
  expect(Number.isInteger(body[0].ts) && Math.abs(body[0].ts - Date.now() / 1000) < 60).toBe(true)
  expect((await call('GET', '/agents/support_bot/logs?limit=1')).body).toHaveLength(1)
  expect((await call('GET', '/agents/nobody/logs')).body).toEqual([])
  for (const limit of ['0', '501', 'x']) {
    const bad = await call('GET', `/agents/support_bot/logs?limit=${limit}`)
    expect([bad.status, bad.body.detail[0].loc]).toEqual([422, ['query', 'limit']])
  }
})

test('calls older than seven days are not in the log of an agent', async () => {
  const { call, url } = await withTools()
  await run(call)
  const sql = connect(url, { max: 1 })
  await sql`update authorizations set created_at = now() - interval '7 days 1 minute'`
  await sql.end()
  expect((await call('GET', '/agents/support_bot/logs')).body).toEqual([])
})

test('metrics count executed and blocked calls separately, by tool, busiest first', async () => {
  const { call } = await withTools()
  await call('POST', '/policies/support_bot', { max_calls_per_tool: { send_email: 3 } })
  for (let n = 0; n < 5; n++) await run(call, { args: { n }, spend_usd: 0.25 })
  await run(call, { tool: 'create_ticket', spend_usd: 0.5 })
  for (const period of ['hour', 'day', 'week'])
    expect((await call('GET', `/agents/support_bot/metrics?period=${period}`)).body).toEqual({
      ...{ agent_id: 'support_bot', period, total_actions: 4, blocked_actions: 2, total_spend_usd: 1.25 },
      top_tools: [
        { tool: 'send_email', count: 3 },
        { tool: 'create_ticket', count: 1 },
      ],
    })
  expect((await call('GET', '/agents/support_bot/metrics')).body.period).toBe('day')
  expect((await call('GET', '/agents/nobody/metrics')).body).toMatchObject({ total_actions: 0, top_tools: [] })
  const bad = await call('GET', '/agents/support_bot/metrics?period=year')
  expect([bad.status, bad.body.detail[0].loc]).toEqual([422, ['query', 'period']])
})

test('a feature that the plan lacks is refused with words that clients can tell from a bad key', async () => {
  const { call, url } = await onceYard()
  const gate = { error: 'feature_not_available', message: expect.any(String) }
  await setPlan(url, 'pro')
  for (const reply of [await off(call, { reason: 'x' }), await on(call)])
    expect([reply.status, reply.body.detail]).toEqual([403, gate])
  expect((await call('GET', '/agents/support_bot/logs')).status).toBe(200)
  await setPlan(url, 'starter')
  const paths = ['/agents/support_bot/logs', '/agents/support_bot/metrics']
  for (const path of paths) {
    // A node may remember the plan for two seconds.
    const reply = await until(
      () => call('GET', path),
      (it) => it.status === 403,
    )
    expect(reply.body.detail).toEqual(gate)
  }
})

test('a disabled agent is told so, whether the tool exists or not', async () => {
  const { call, native } = await onceYard()
  const ghost = () => call('POST', '/ai/run', { agent_id: 'bot', tool: 'ghost', args: {} })
  expect((await ghost()).status).toBe(404)
  await call('POST', '/agents/bot/disable', { reason: 'x' })
  expect(await ghost()).toMatchObject({
    status: 200,
    body: { allowed: false, decision: 'blocked', policy_reason: 'agent_disabled' },
  })
  await call('POST', '/agents/bot/enable', {})
  await native('PUT', '/v1/agents/bot/policy', { policy: { blocked_tools: ['ghost'] } })
  expect((await ghost()).body).toMatchObject({ decision: 'blocked', policy_reason: 'tool_explicitly_blocked' })
  expect((await call('GET', '/agents/bot/logs')).body).toHaveLength(2)
})
