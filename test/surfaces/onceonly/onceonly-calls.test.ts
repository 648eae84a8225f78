import { expect, test } from 'vitest'
import { run, withTool } from '../../support/builders/once-calls.ts'
import { callerOf, openNode, until } from '../../support/http-yard.ts'
import { onceOf } from '../../support/once-yard.ts'

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
