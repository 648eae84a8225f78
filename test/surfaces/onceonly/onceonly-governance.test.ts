import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { callerOf, openNode } from '../../support/http-yard.ts'
import { onceOf, onceYard } from '../../support/once-yard.ts'

const HASH = /^[0-9a-f]{12}$/

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

async function setPlan(url: string, plan: string): Promise<void> {
  const sql = connect(url, { max: 1 })
  await sql`update projects set plan = ${plan} where id = 'default'`
  await sql.end()
}
