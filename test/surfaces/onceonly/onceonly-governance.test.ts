import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { type Call, callerOf, openNode, until } from '../../support/http-yard.ts'
import { onceOf, onceYard } from '../../support/once-yard.ts'
import { toolServer } from '../../support/tool-server.ts'

const HASH = /^[0-9a-f]{12}$/
const run = (call: Call, more: object = {}) =>
  call('POST', '/ai/run', { agent_id: 'bot', tool: 'act', args: {}, ...more })

async function withTool(answer?: Parameters<typeof toolServer>[0]) {
  const yard = await onceYard()
  const tool = await toolServer(answer)
  await yard.call('POST', '/tools', { name: 'act', url: tool.url })
  return { ...yard, tool }
}

async function setPlan(url: string, plan: string): Promise<void> {
  const sql = connect(url, { max: 1 })
  await sql`update projects set plan = ${plan} where id = 'default'`
  await sql.end()
}

test("a policy is set, read and listed under OnceOnly's names, and is the native one", async () => {
  const { call, stranger, native } = await onceYard()
  const policy = {
    allowed_tools: ['send_email', 'create_ticket'],
    blocked_tools: ['delete_user'],
    max_actions_per_hour: 200,
    max_spend_usd_per_day: 50.5,
    max_calls_per_tool: { send_email: 100 },
    pricing_rules: [{ tool: 'send_email', price_usd: 0.001 }],
  }
  const set = await call('POST', '/policies/support_bot', { agent_id: 'support_bot', ...policy })
  expect(set.status).toBe(200)
  expect(set.body).toEqual({ agent_id: 'support_bot', policy, policy_version: expect.stringMatching(HASH) })
  expect((await call('GET', '/policies/support_bot')).body).toEqual(set.body)
  expect((await call('GET', '/policies')).body).toEqual([set.body])
  expect((await native('GET', '/v1/agents/support_bot')).body).toMatchObject({
    policy_mode: 'enforce',
    policy: {
      max_spend_microusd_per_day: 50_500_000,
      max_calls_per_tool_per_day: { send_email: 100 },
      prices_microusd: { send_email: 1000 },
    },
  })
  // The same rules have the same name; others have another.
  const again = (await call('POST', '/policies/support_bot', policy)).body
  expect(again.policy_version).toBe(set.body.policy_version)
  const wider = (await call('POST', '/policies/support_bot', { allowed_tools: [] })).body
  expect(wider.policy).toEqual({ allowed_tools: [], blocked_tools: [] })
  expect(wider.policy_version).not.toBe(set.body.policy_version)
  expect((await native('GET', '/v1/agents/support_bot')).body.policy.allowed_tools).toBeNull()
  for (const reply of [await stranger('GET', '/policies/support_bot'), await call('GET', '/policies/nobody')])
    expect([reply.status, reply.body.detail.error]).toEqual([404, 'policy_not_found'])
  expect((await stranger('GET', '/policies')).body).toEqual([])
})

test('tools that need approval still do after a policy is set that does not mention them', async () => {
  const { call, native } = await onceYard()
  await native('PUT', '/v1/agents/bot/policy', { policy: { approval_tools: ['pay_*'] } })
  await call('POST', '/policies/bot', { max_actions_per_hour: 5 })
  expect((await native('GET', '/v1/agents/bot')).body.policy).toMatchObject({
    approval_tools: ['pay_*'],
    max_actions_per_hour: 5,
  })
})

test('templates are ready-made policies, and overrides change them', async () => {
  const { call } = await onceYard()
  const from = (template: string, overrides?: object) =>
    call('POST', '/policies/bot/from-template', { agent_id: 'bot', template, overrides })
  for (const template of ['strict', 'moderate', 'permissive', 'read_only', 'support_bot']) {
    const reply = await from(template)
    expect(reply.body).toMatchObject({ agent_id: 'bot', policy: { max_actions_per_hour: expect.any(Number) } })
  }
  expect((await from('strict', { max_actions_per_hour: 7, blocked_tools: ['x'] })).body.policy).toEqual({
    ...{ allowed_tools: [], blocked_tools: ['x'], max_actions_per_hour: 7, max_spend_usd_per_day: 5 },
  })
  const unknown = await from('lenient')
  expect([unknown.status, unknown.body.detail[0]]).toMatchObject([
    422,
    { type: 'literal_error', loc: ['body', 'template'] },
  ])
  const bad = await from('strict', { max_actions_per_hour: -1 })
  expect([bad.status, bad.body.detail[0].loc]).toEqual([422, ['body', 'overrides', 'max_actions_per_hour']])
})

test('invalid rules are refused by field, and so is a body of another agent', async () => {
  const { call } = await onceYard()
  const bad = async (body: object, ...loc: (string | number)[]) => {
    const reply = await call('POST', '/policies/bot', body)
    expect([reply.status, reply.body.detail?.[0]?.loc]).toEqual([422, ['body', ...loc]])
  }
  await bad({ agent_id: 'another' }, 'agent_id')
  await bad({ allowed_tools: 'send_email' }, 'allowed_tools')
  await bad({ max_actions_per_hour: 1.5 }, 'max_actions_per_hour')
  await bad({ max_spend_usd_per_day: -1 }, 'max_spend_usd_per_day')
  await bad({ max_calls_per_tool: { act: -1 } }, 'max_calls_per_tool', 'act')
  await bad({ pricing_rules: [{ tool: 'act' }] }, 'pricing_rules', 0, 'price_usd')
  await bad({ allowed_tools: ['ok', '**'] }, 'allowed_tools', 1)
  await bad({ blocked_tools: ['a*b'] }, 'blocked_tools', 0)
  await bad({ max_calls_per_tool: { 't*': 1 } }, 'max_calls_per_tool', 't*', '[key]')
  await bad({ pricing_rules: [{ tool: 't*', price_usd: 1 }] }, 'pricing_rules', 0, 'tool')
})

test('a budget is kept to the micro-dollar, and one that is finer is refused instead of rounded', async () => {
  const { call } = await onceYard()
  const set = async (max_spend_usd_per_day: number) => {
    const reply = await call('POST', '/policies/bot', { max_spend_usd_per_day })
    return reply.status === 200 ? reply.body.policy.max_spend_usd_per_day : reply.body.detail[0].loc
  }
  for (const exact of [0.000001, 0.3, 12.345678, 0]) expect(await set(exact)).toBe(exact)
  // What the sum of two decimals leaves behind is no fraction of a micro-dollar.
  expect(await set(0.1 + 0.2)).toBe(0.3)
  for (const finer of [0.0000005, 0.0000015, 1.0000001])
    expect(await set(finer)).toEqual(['body', 'max_spend_usd_per_day'])
  const overrides = { max_spend_usd_per_day: 0.0000015 }
  const reply = await call('POST', '/policies/bot/from-template', { template: 'strict', overrides })
  expect([reply.status, reply.body.detail[0].loc]).toEqual([422, ['body', 'overrides', 'max_spend_usd_per_day']])
})

test('limits and prices that the plan lacks are dropped, not refused', async () => {
  const { url } = await onceYard()
  const limits = { max_actions_per_hour: 5, max_spend_usd_per_day: 1, max_calls_per_tool: { act: 2 } }
  const rules = { blocked_tools: ['x'], ...limits, pricing_rules: [{ tool: 'act', price_usd: 0.1 }] }
  const set = async (plan: string) => {
    await setPlan(url, plan)
    // A change of plan is noticed within 2 seconds.
    const other = onceOf(callerOf((await openNode(url)).address))
    const reply = await other('POST', '/policies/bot', rules)
    return [reply.status, reply.body.policy]
  }
  const lists = { allowed_tools: [], blocked_tools: ['x'] }
  expect(await set('free')).toEqual([200, lists])
  expect(await set('starter')).toEqual([200, { ...lists, ...limits }])
  expect(await set('pro')).toEqual([200, { allowed_tools: [], ...rules }])
})

test('a blocked call is a 200 that names the rule, and is in the feed and the log', async () => {
  const { call, stranger, tool } = await withTool()
  const { policy_version } = (await call('POST', '/policies/bot', { allowed_tools: ['send_email'] })).body
  const blocked = await run(call)
  expect(blocked.status).toBe(200)
  expect(blocked.body).toEqual({
    ...{
      ok: false,
      allowed: false,
      decision: 'blocked',
      policy_reason: 'tool_not_in_allowed_list',
      risk_level: 'medium',
    },
    result: {},
  })
  expect(tool.calls).toHaveLength(0)
  const meta = {
    agent_id: 'bot',
    tool: 'act',
    reason: 'tool_not_in_allowed_list',
    risk_level: 'medium',
    policy_version,
  }
  expect((await call('GET', '/events')).body).toEqual([{ ts: expect.any(Number), type: 'policy_blocked', meta }])
  expect((await call('GET', '/agents/bot/logs')).body).toMatchObject([
    { agent_id: 'bot', tool: 'act', allowed: false, decision: 'blocked', policy_reason: 'tool_not_in_allowed_list' },
  ])
  expect((await stranger('GET', '/events')).body).toEqual([])
  expect((await stranger('GET', '/agents/bot/logs')).body).toEqual([])
})

test('each limit allows exactly as many calls as it says, however many are made at once on two nodes', {
  timeout: 60_000,
}, async () => {
  const { call, url, tool } = await withTool()
  const other = onceOf(callerOf((await openNode(url)).address))
  const together = async (count: number, more: object) => {
    const replies = await Promise.all(
      Array.from({ length: count }, (_, n) => run(n % 2 ? call : other, { args: { n }, ...more })),
    )
    const of = (reason: string) => replies.filter((it) => it.body.policy_reason === reason).length
    expect(replies.every((it) => it.status === 200)).toBe(true)
    return of
  }
  await call('POST', '/policies/hourly', { max_actions_per_hour: 7 })
  const hourly = await together(60, { agent_id: 'hourly' })
  expect([hourly('ok'), hourly('max_actions_per_hour_exceeded')]).toEqual([7, 53])
  await call('POST', '/policies/daily', { max_calls_per_tool: { act: 5 } })
  const daily = await together(40, { agent_id: 'daily' })
  expect([daily('ok'), daily('max_calls_per_tool_exceeded')]).toEqual([5, 35])
  await call('POST', '/policies/spender', {
    max_spend_usd_per_day: 1,
    pricing_rules: [{ tool: 'act', price_usd: 0.3 }],
  })
  const spender = await together(40, { agent_id: 'spender' })
  expect([spender('ok'), spender('max_spend_usd_per_day_exceeded')]).toEqual([3, 37])
  expect(tool.calls).toHaveLength(15)
  expect((await call('GET', '/agents/spender/metrics')).body.total_spend_usd).toBe(0.9)
})

test('a call is not repeated within its run or under its key, and returns the same result', async () => {
  const { call, tool } = await withTool((_, n) => ({ body: { n } }))
  const dedup = { ok: true, allowed: true, decision: 'dedup', policy_reason: 'tool_idempotency', risk_level: 'low' }
  expect((await run(call, { args: { to: 'a', run_id: 'r1' } })).body).toMatchObject({
    decision: 'executed',
    result: { n: 1 },
  })
  expect((await run(call, { args: { run_id: 'r1', to: 'a' } })).body).toEqual({ ...dedup, result: { n: 1 } })
  // Other args, another run, another agent, or no run: another call.
  for (const more of [
    { args: { to: 'b', run_id: 'r1' } },
    { args: { to: 'a', run_id: 'r2' } },
    { args: { to: 'a', run_id: 'r1' }, agent_id: 'second' },
    { args: { to: 'a' } },
  ])
    expect((await run(call, more)).body.decision).toBe('executed')
  expect((await run(call, { args: { idempotency_key: 'k', to: 'a' } })).body.decision).toBe('executed')
  expect((await run(call, { args: { idempotency_key: 'k', to: 'b' } })).body).toMatchObject(dedup)
  expect(tool.calls).toHaveLength(6)
  expect((await call('GET', '/agents/bot/metrics')).body.total_actions).toBe(5)
  const events = (await call('GET', '/runs/r1')).body.events
  expect(events.slice(0, 3)).toMatchObject([
    { type: 'tool_call', status: 'start', tool: 'act', agent_id: 'bot' },
    { type: 'tool_result', status: 'ok', data: { decision: 'executed' } },
    { type: 'tool_result', status: 'ok', data: { decision: 'dedup' } },
  ])
})

test('simultaneous equal calls are made once, and all get the result', { timeout: 30_000 }, async () => {
  const { call, url, tool } = await withTool(async (_, n) => {
    await new Promise((resolve) => setTimeout(resolve, 300))
    return { body: { n } }
  })
  const other = onceOf(callerOf((await openNode(url)).address))
  const args = { run_id: 'r', to: 'a' }
  const replies = await Promise.all(Array.from({ length: 20 }, (_, n) => run(n % 2 ? call : other, { args })))
  expect(tool.calls).toHaveLength(1)
  expect(replies.map((it) => it.body.result)).toEqual(replies.map(() => ({ n: 1 })))
  expect(replies.filter((it) => it.body.decision === 'executed')).toHaveLength(1)
})

test('a call that failed or was blocked is made again when it is repeated', async () => {
  const { call, tool } = await withTool((_, n) => (n === 1 ? { status: 400 } : {}))
  const args = { run_id: 'r' }
  expect((await run(call, { args })).body.policy_reason).toBe('tool_error')
  expect((await run(call, { args })).body).toMatchObject({ ok: true, decision: 'executed' })
  await call('POST', '/policies/strict', { blocked_tools: ['act'] })
  expect((await run(call, { agent_id: 'strict', args })).body.decision).toBe('blocked')
  await call('POST', '/policies/strict', {})
  expect((await run(call, { agent_id: 'strict', args })).body.decision).toBe('executed')
  expect(tool.calls).toHaveLength(3)
})

test('a call that needs approval is blocked, and an approval is valid for exactly that call', async () => {
  const { call, native, tool } = await withTool()
  await native('PUT', '/v1/agents/bot/policy', { policy: { approval_tools: ['act'] } })
  const args = { idempotency_key: 'pay-17' }
  const asked = (await run(call, { args })).body
  expect(asked).toMatchObject({ ok: false, decision: 'blocked', policy_reason: 'approval_required' })
  expect((await run(call, { args })).body.policy_reason).toBe('approval_required')
  const { input_request_id } = asked.result
  const answered = await native('POST', `/v1/input-requests/${input_request_id}/answer`, { approved: true })
  expect(answered.status).toBe(200)
  // What was approved is this call, and no other one under its key.
  const other = { ...args, amount: 1_000_000 }
  expect((await run(call, { args: other })).body.policy_reason).toBe('approval_required')
  expect(tool.calls).toHaveLength(0)
})

test('an approved call is made once', async () => {
  const { call, native, tool } = await withTool()
  await native('PUT', '/v1/agents/bot/policy', { policy: { approval_tools: ['act'] } })
  const args = { idempotency_key: 'pay-17' }
  const { input_request_id } = (await run(call, { args })).body.result
  await native('POST', `/v1/input-requests/${input_request_id}/answer`, { approved: true })
  expect((await run(call, { args })).body).toMatchObject({ ok: true, decision: 'executed' })
  expect((await run(call, { args })).body).toMatchObject({ ok: true, decision: 'dedup' })
  expect(tool.calls).toHaveLength(1)
})

test('an approved call is not made for an agent that has been disabled since', async () => {
  const { call, native, tool } = await withTool()
  await native('PUT', '/v1/agents/bot/policy', { policy: { approval_tools: ['act'] } })
  const args = { idempotency_key: 'pay-17' }
  const { input_request_id } = (await run(call, { args })).body.result
  await native('POST', `/v1/input-requests/${input_request_id}/answer`, { approved: true })
  await call('POST', '/agents/bot/disable', {})
  expect((await run(call, { args })).body).toMatchObject({ allowed: false, policy_reason: 'agent_disabled' })
  expect(tool.calls).toHaveLength(0)
})

test('decisions about calls of a run are in the native log, in its chain, and not in its timeline', async () => {
  const { call, native } = await withTool()
  await run(call, { args: { run_id: 'r' } })
  expect((await call('GET', '/runs/r')).body.events.map((it: { type: string }) => it.type)).toEqual([
    'tool_call',
    'tool_result',
  ])
  const run_ = (await native('GET', '/v1/runs/r')).body
  expect(run_.status).toBe('executing')
  const log = await until(
    () => native('GET', '/v1/events?agent_id=bot&order=asc'),
    (reply) => reply.body.data.length >= 4,
  )
  expect(log.body.data.map((it: { type: string }) => it.type).sort()).toEqual(
    expect.arrayContaining(['agent.action.completed', 'policy.allowed', 'tool_call', 'tool_result'].sort()),
  )
})
