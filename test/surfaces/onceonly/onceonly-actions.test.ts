import { expect, test } from 'vitest'
import { result, status, untilDone } from '../../support/builders/once-leases.ts'
import { testDatabase } from '../../support/db.ts'
import { callerOf, KEY, openNode, until } from '../../support/http-yard.ts'
import { onceOf, onceYard } from '../../support/once-yard.ts'
import { startNode } from '../../support/processes.ts'
import { toolServer } from '../../support/tool-server.ts'

test('the actions of a key are executed in order, and its timeline shows each', async () => {
  const { call, native } = await onceYard()
  const tool = await toolServer(({ args }) => ({ body: { sent: args.to } }))
  await call('POST', '/tools', { name: 'send_email', url: tool.url })
  const metadata = {
    ...{ run_id: 'run_support_001', agent_id: 'support_bot' },
    actions: [
      { tool: 'send_email', args: { to: 'a' }, spend_usd: 0.001 },
      { tool: 'send_email', args: { to: 'b' }, spend_usd: 0.002 },
    ],
  }
  const started = (await call('POST', '/ai/run', { key: 'support_chat_001', metadata })).body
  expect(started).toMatchObject({ status: 'acquired', charged: 1 })
  expect(started).not.toHaveProperty('allowed')
  expect(started).not.toHaveProperty('decision')
  expect((await untilDone(call, 'support_chat_001')).body.status).toBe('completed')
  expect((await result(call, 'support_chat_001')).body.result.actions).toEqual([
    expect.objectContaining({ tool: 'send_email', ok: true, decision: 'executed', result: { sent: 'a' } }),
    expect.objectContaining({ tool: 'send_email', ok: true, decision: 'executed', result: { sent: 'b' } }),
  ])
  expect(tool.calls.map((it) => it.asked.args.to)).toEqual(['a', 'b'])
  expect(tool.calls[0]!.asked).toMatchObject({ run_id: 'run_support_001', agent_id: 'support_bot' })
  const { total, events } = (await call('GET', '/runs/run_support_001')).body
  expect(total).toBe(8)
  const about = { run_id: 'run_support_001', tool: 'send_email', agent_id: 'support_bot' }
  expect(events.slice(0, 5)).toMatchObject([
    { type: 'run_started', status: 'in_progress', lease_id: started.lease_id, data: { key: 'support_chat_001' } },
    { ...about, type: 'agent_step', status: 'start', step: 'step_1' },
    { ...about, type: 'tool_call', status: 'start', step: 'step_1' },
    {
      ...about,
      type: 'tool_result',
      status: 'ok',
      step: 'step_1',
      duration_ms: expect.any(Number),
      data: { decision: 'executed' },
    },
    { ...about, type: 'agent_step', status: 'start', step: 'step_2' },
  ])
  expect(events.at(-1)).toMatchObject({ type: 'run_finished', status: 'completed', lease_id: started.lease_id })
  expect((await native('GET', '/v1/runs/run_support_001')).body.status).toBe('completed')
  expect((await call('GET', '/agents/support_bot/metrics')).body).toMatchObject({
    total_actions: 2,
    total_spend_usd: 0.003,
  })
  // To ask again executes nothing again.
  expect((await call('POST', '/ai/run', { key: 'support_chat_001', metadata })).body.status).toBe('completed')
  expect(tool.calls).toHaveLength(2)
})

test('the first action that is blocked or fails ends the run, and later ones are not executed', async () => {
  const { call, native } = await onceYard()
  const tool = await toolServer(({ args }) => (args.bad ? { status: 400, body: { no: 1 } } : {}))
  await call('POST', '/tools', { name: 'act', url: tool.url })
  await call('POST', '/policies/bot', { blocked_tools: ['delete_user'] })
  await call('POST', '/tools', { name: 'delete_user', url: tool.url })
  const run = (key: string, actions: object[]) =>
    call('POST', '/ai/run', { key, metadata: { agent_id: 'bot', actions } })
  await run('blocked', [{ tool: 'act' }, { tool: 'delete_user' }, { tool: 'act' }])
  expect((await untilDone(call, 'blocked')).body).toMatchObject({
    status: 'failed',
    error_code: 'tool_explicitly_blocked',
  })
  expect((await result(call, 'blocked')).body.result.actions).toMatchObject([
    { ok: true },
    { ok: false, decision: 'blocked' },
  ])
  await run('erring', [{ tool: 'act', args: { bad: true } }, { tool: 'act' }])
  expect((await untilDone(call, 'erring')).body).toMatchObject({ status: 'failed', error_code: 'tool_error' })
  await run('missing', [{ tool: 'nowhere' }])
  expect((await untilDone(call, 'missing')).body).toMatchObject({ status: 'failed', error_code: 'tool_not_found' })
  expect((await call('GET', '/runs/missing')).body.events.slice(1)).toMatchObject([
    { type: 'agent_step', tool: 'nowhere' },
    { type: 'tool_result', status: 'error', data: { policy_reason: 'tool_not_found' } },
    { type: 'run_finished', status: 'failed' },
  ])
  expect(tool.calls).toHaveLength(2)
  expect((await native('GET', '/v1/runs/erring')).body).toMatchObject({ status: 'failed', error_code: 'tool_error' })
  const feed = (await call('GET', '/events')).body
  expect(feed).toContainEqual(
    expect.objectContaining({
      type: 'policy_blocked',
      meta: {
        ...{ agent_id: 'bot', tool: 'delete_user', reason: 'tool_explicitly_blocked', risk_level: 'high' },
        policy_version: expect.stringMatching(/^[0-9a-f]{12}$/),
      },
    }),
  )
})

test('a dry run evaluates each action and executes none', async () => {
  const { call } = await onceYard()
  const tool = await toolServer(() => ({}))
  await call('POST', '/tools', { name: 'act', url: tool.url })
  const actions = [{ tool: 'act' }]
  await call('POST', '/ai/run', { key: 'dry', metadata: { agent_id: 'bot', actions, dry_run: true } })
  expect((await untilDone(call, 'dry')).body.status).toBe('completed')
  expect((await result(call, 'dry')).body.result).toMatchObject({
    dry_run: true,
    actions: [{ decision: 'dry_run', ok: true }],
  })
  expect(tool.calls).toHaveLength(0)
  expect((await call('GET', '/agents/bot/metrics')).body.total_actions).toBe(0)
})

test('a cancelled run stops after the action in progress', async () => {
  const { call } = await onceYard()
  const { promise: free, resolve } = Promise.withResolvers<object>()
  const tool = await toolServer(() => free)
  await call('POST', '/tools', { name: 'act', url: tool.url })
  const actions = [
    { tool: 'act', args: { n: 1 } },
    { tool: 'act', args: { n: 2 } },
  ]
  const { lease_id } = (await call('POST', '/ai/run', { key: 'k', metadata: { actions } })).body
  await until(
    async () => tool.calls.length,
    (n) => n === 1,
  )
  expect((await call('POST', '/ai/cancel', { key: 'k', lease_id })).body.status).toBe('cancelled')
  resolve({ body: {} })
  await until(
    () => call('GET', '/runs/k'),
    (reply) => reply.body.events.some((it: { type: string }) => it.type === 'tool_result'),
  )
  expect((await status(call, 'k')).body).toMatchObject({ status: 'failed', error_code: 'cancelled' })
  expect(tool.calls).toHaveLength(1)
})

test('a run without actions is completed immediately', async () => {
  const { call } = await onceYard()
  const started = await call('POST', '/ai/run', { key: 'k', ttl: 120, metadata: { task: 'daily_summary' } })
  expect(started.body.status).toBe('acquired')
  expect((await untilDone(call, 'k')).body.status).toBe('completed')
  expect((await result(call, 'k')).body.result).toEqual({ actions: [] })
  const { events } = (await call('GET', '/runs/k')).body
  expect(events.map((it: { type: string }) => it.type)).toEqual(['run_started', 'run_finished'])
})

test('a run whose node is killed continues on another, repeats no ended action, and is charged once', {
  timeout: 90_000,
}, async () => {
  const { url } = await testDatabase()
  let killed = false
  // The second action hangs until the node that made it is dead.
  const tool = await toolServer(({ args }) => (args.n === 2 && !killed ? { hang: true } : { body: { n: args.n } }))
  const env = { DATABASE_URL: url, PORT: '0', RUNYARD_EGRESS: 'any', RUNYARD_API_KEY: KEY }
  const victim = startNode('test/support/node-process.ts', [], { env })
  const first = onceOf(callerOf((await victim.line(/ready at (\S+)/))[1]!))
  await first('POST', '/tools', { name: 'act', url: tool.url, timeout_ms: 60_000 })
  const actions = [1, 2, 3, 4].map((n) => ({ tool: 'act', args: { n }, spend_usd: 0.5 }))
  await first('POST', '/ai/run', { key: 'k', metadata: { agent_id: 'bot', actions } })
  await until(
    async () => tool.calls.length,
    (n) => n === 2,
  )
  killed = true
  await victim.kill()
  const second = startNode('test/support/node-process.ts', [], { env })
  const call = onceOf(callerOf((await second.line(/ready at (\S+)/))[1]!))
  expect((await untilDone(call, 'k', 40_000)).body.status).toBe('completed')
  expect(tool.calls.map((it) => it.asked.args.n)).toEqual([1, 2, 2, 3, 4])
  // A tool that drops repeats by this header made the second call once, too.
  expect(tool.calls[1]!.headers['idempotency-key']).toBe(tool.calls[2]!.headers['idempotency-key'])
  expect((await result(call, 'k')).body.result.actions).toHaveLength(4)
  expect((await call('GET', '/agents/bot/metrics')).body).toMatchObject({ total_actions: 4, total_spend_usd: 2 })
})

test('a stopping node hands its AI run to another immediately', { timeout: 60_000 }, async () => {
  const { call, url } = await onceYard({ RUNYARD_ROLES: 'api' })
  const tool = await toolServer(({ args }, n) => (args.n === 1 && n === 1 ? { hang: true } : {}))
  await call('POST', '/tools', { name: 'act', url: tool.url, timeout_ms: 60_000 })
  const stopping = await openNode(url)
  await call('POST', '/ai/run', { key: 'k', metadata: { actions: [{ tool: 'act', args: { n: 1 } }, { tool: 'act' }] } })
  await until(
    async () => tool.calls.length,
    (n) => n === 1,
  )
  await stopping.close()
  await openNode(url)
  expect((await untilDone(call, 'k', 8_000)).body.status).toBe('completed')
  expect(tool.calls).toHaveLength(3)
})
