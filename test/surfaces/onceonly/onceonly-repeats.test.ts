import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { type Call, callerOf, openNode, until } from '../../support/http-yard.ts'
import { onceOf, onceYard } from '../../support/once-yard.ts'
import { type ToolAnswer, toolServer } from '../../support/tool-server.ts'

const run = (call: Call, more: object = {}) =>
  call('POST', '/ai/run', { agent_id: 'bot', tool: 'act', args: { to: 'a' }, ...more })

async function withTool(answer?: Parameters<typeof toolServer>[0], settings: object = {}) {
  const yard = await onceYard()
  const tool = await toolServer(answer)
  await yard.call('POST', '/tools', { name: 'act', url: tool.url, ...settings })
  return { ...yard, tool }
}

const dedup = { ok: true, allowed: true, decision: 'dedup', policy_reason: 'tool_idempotency', risk_level: 'low' }

test('a call that a client retries while it is in progress is made once', async () => {
  const { promise: free, resolve } = Promise.withResolvers<ToolAnswer>()
  const { call, url, native, tool } = await withTool(() => free)
  const other = onceOf(callerOf((await openNode(url)).address))
  const first = run(call, { spend_usd: 0.5 })
  await until(
    async () => tool.calls.length,
    (n) => n === 1,
  )
  const again = [run(other, { spend_usd: 0.5 }), run(call, { spend_usd: 0.5 })]
  resolve({ body: { sent: 1 } })
  expect((await first).body).toMatchObject({ decision: 'executed', result: { sent: 1 } })
  for (const reply of await Promise.all(again)) expect(reply.body).toEqual({ ...dedup, result: { sent: 1 } })
  expect((await run(call)).body).toEqual({ ...dedup, result: { sent: 1 } })
  expect(tool.calls).toHaveLength(1)
  expect((await call('GET', '/agents/bot/metrics')).body).toMatchObject({ total_actions: 1, total_spend_usd: 0.5 })
  expect((await call('GET', '/usage/all')).body.ai.charged_total_month).toBe(1)
  expect((await native('GET', '/v1/spend')).body.totals.cost_microusd).toBe(500_000)
})

test('other args, another agent or another project make another call', async () => {
  const { call, stranger, tool } = await withTool()
  await stranger('POST', '/tools', { name: 'act', url: tool.url })
  await run(call)
  expect((await run(call, { args: { to: 'b' } })).body.decision).toBe('executed')
  expect((await run(call, { agent_id: 'second' })).body.decision).toBe('executed')
  expect((await run(stranger)).body.decision).toBe('executed')
  expect(tool.calls).toHaveLength(4)
})

test('after its window a call is made again: after 300 seconds, or as its tool says, or always', async () => {
  const { call, url, tool } = await withTool()
  const windowSecs = async () => {
    const sql = connect(url, { max: 1 })
    const [row] = await sql`select extract(epoch from expires_at - clock_timestamp())::int as left from kept_calls`
    await sql`update kept_calls set expires_at = clock_timestamp()`
    await sql.end()
    return row?.left as number | undefined
  }
  await run(call)
  const usual = (await windowSecs())!
  expect(usual).toBeGreaterThan(280)
  expect(usual).toBeLessThanOrEqual(300)
  expect((await run(call)).body.decision).toBe('executed')
  expect((await run(call)).body.decision).toBe('dedup')
  const set = await call('POST', '/tools', { name: 'act', url: tool.url, dedup_window_secs: 7 })
  expect(set.body.dedup_window_secs).toBe(7)
  // What is not said stays.
  expect((await call('POST', '/tools', { name: 'act', url: tool.url })).body.dedup_window_secs).toBe(7)
  await windowSecs()
  expect((await run(call)).body.decision).toBe('executed')
  expect((await run(call)).body.decision).toBe('dedup')
  await call('POST', '/tools', { name: 'act', url: tool.url, dedup_window_secs: 0 })
  expect((await run(call)).body.decision).toBe('executed')
  expect((await run(call)).body.decision).toBe('executed')
  await call('POST', '/tools', { name: 'act', url: tool.url, dedup_window_secs: null })
  expect((await run(call)).body.decision).toBe('executed')
  expect((await run(call)).body.decision).toBe('dedup')
  expect((await call('POST', '/tools', { name: 'act', url: tool.url, dedup_window_secs: -1 })).status).toBe(422)
})

test('a failed or blocked call is made again, and so is one of a changed tool', async () => {
  const { call, tool } = await withTool((_, n) => (n === 1 ? { status: 400 } : {}))
  expect((await run(call)).body.policy_reason).toBe('tool_error')
  await call('POST', '/policies/bot', { blocked_tools: ['act'] })
  expect((await run(call)).body.decision).toBe('blocked')
  await call('POST', '/policies/bot', {})
  expect((await run(call)).body.decision).toBe('executed')
  expect((await run(call)).body.decision).toBe('dedup')
  await call('POST', '/tools', { name: 'act', url: tool.url, description: 'Better now.' })
  expect((await run(call)).body.decision).toBe('executed')
  expect(tool.calls).toHaveLength(3)
})

test('the run of a failed governed call shows the call, why it failed, and its end', async () => {
  const { call, native } = await withTool(() => ({ status: 400, body: { no: 1 } }))
  await call('POST', '/policies/strict', { blocked_tools: ['act'] })
  for (const [runId, more, status, reason] of [
    ['missing', { tool: 'nowhere' }, 'error', 'tool_not_found'],
    ['erring', {}, 'error', 'tool_error'],
    ['blocked', { agent_id: 'strict' }, 'blocked', 'tool_explicitly_blocked'],
  ] as const) {
    await call('POST', '/events', { run_id: runId, type: 'sdk_debug', status: 'start' })
    await run(call, { args: { run_id: runId }, ...more })
    expect((await call('GET', `/runs/${runId}`)).body.events, runId).toMatchObject([
      { type: 'sdk_debug' },
      { type: 'tool_call', status: 'start' },
      { type: 'tool_result', status, data: { policy_reason: reason } },
      { type: 'run_finished', status: 'failed', data: { policy_reason: reason } },
    ])
    expect((await native('GET', `/v1/runs/${runId}`)).body, runId).toMatchObject({ status: 'failed' })
    expect((await call('GET', `/runs?q=${runId}`)).body.items).toMatchObject([
      { last_type: 'run_finished', last_status: 'failed', events_count: 4 },
    ])
  }
})

test('a failed call does not end a run that is under a lease, waits for a person, or is executed here', async () => {
  const { call, native } = await withTool(() => ({ status: 400 }))
  const { lease_id } = (await call('POST', '/ai/lease', { key: 'k', metadata: { run_id: 'leased' } })).body
  await run(call, { args: { run_id: 'leased' } })
  expect((await native('GET', '/v1/runs/leased')).body.status).toBe('executing')
  expect((await call('POST', '/ai/complete', { key: 'k', lease_id })).body.status).toBe('completed')
  expect((await native('GET', '/v1/runs/leased')).body.status).toBe('completed')
  await native('PUT', '/v1/agents/asker/policy', { policy: { approval_tools: ['act'] } })
  await run(call, { agent_id: 'asker', args: { run_id: 'asked' } })
  expect((await native('GET', '/v1/runs/asked')).body.status).toBe('executing')
  await native('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  const { id } = (await native('POST', '/v1/jobs/j/runs', {})).body
  await native('POST', '/v1/workers/claim', { worker_id: 'w' })
  await run(call, { args: { run_id: id } })
  expect((await native('GET', `/v1/runs/${id}`)).body.status).toBe('executing')
})

test('numbers are accepted as text where OnceOnly accepts them, and other text is refused by its field', async () => {
  const { call, tool } = await withTool()
  expect((await call('POST', '/check-lock', { key: 'a', ttl: '60' })).body).toMatchObject({ status: 'locked', ttl: 60 })
  expect((await call('POST', '/check-lock', { key: 'b', ttl: ' 60.0 ' })).body.ttl).toBe(60)
  expect((await call('POST', '/ai/lease', { key: 'c', ttl: '120' })).body.ttl).toBe(120)
  expect((await run(call, { args: { n: '1' }, spend_usd: '0.25' })).body.decision).toBe('executed')
  expect((await call('GET', '/agents/bot/metrics')).body.total_spend_usd).toBe(0.25)
  // What is a tool's own stays as it came, and text stays text.
  expect(tool.calls[0]!.asked.args).toEqual({ n: '1' })
  expect(
    (await call('POST', '/events', { run_id: '7', type: '8', ts: '1711871300', duration_ms: '1.5e2' })).status,
  ).toBe(200)
  expect((await call('GET', '/runs/7')).body.events).toMatchObject([{ type: '8', ts: 1_711_871_300, duration_ms: 150 }])
  const policy = {
    max_actions_per_hour: '5',
    max_calls_per_tool: { act: '2', toString: '3' },
    pricing_rules: [{ tool: 'act', price_usd: '.5' }],
  }
  expect((await call('POST', '/policies/p', policy)).body.policy).toMatchObject({
    max_actions_per_hour: 5,
    max_calls_per_tool: { act: 2, toString: 3 },
    pricing_rules: [{ tool: 'act', price_usd: 0.5 }],
  })
  for (const [bad, type] of [
    ['sixty', 'int_parsing'],
    ['', 'int_parsing'],
    ['1.5', 'int_parsing'],
    ['0x10', 'int_parsing'],
    ['1e400', 'int_parsing'],
    ['-1', 'greater_than_equal'],
    [true, 'int_type'],
  ] as const) {
    const { status, body } = await call('POST', '/check-lock', { key: 'd', ttl: bad })
    expect([status, body.detail[0].type, body.detail[0].loc], String(bad)).toEqual([422, type, ['body', 'ttl']])
  }
})
