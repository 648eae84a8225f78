// Calls through the gateway: decided, approved, made once, settled, and told in the log of their run.
import { expect, test, vi } from 'vitest'
import { claimOne } from '#test/support/builders/attempts.ts'
import { codeOf, trigger, until } from '#test/support/http-yard.ts'
import { type GatewayYard, gatewayYard } from './agent-client.ts'
import { mcpUpstream, said } from './mcp-upstream.ts'

vi.setConfig({ testTimeout: 60_000 })

const setPolicy = ({ call }: GatewayYard, policy: object, agent = 'support') =>
  call('PUT', `/v1/agents/${agent}/policy`, { mode: 'enforce', policy })

const pendingOf = async ({ call }: GatewayYard) =>
  (
    await until(
      () => call('GET', '/v1/input-requests?status=pending'),
      ({ body }) => body.data.length === 1,
    )
  ).body.data[0]

const logOf = async ({ call }: GatewayYard, runId: string) => {
  const { data } = (await call('GET', `/v1/runs/${runId}/events?limit=100`)).body
  return data.map(({ type, tool, status }: Record<string, string>) => [type, tool, status].filter(Boolean).join(' '))
}

const ADD = { name: 'add', inputSchema: { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] } }

async function adder() {
  const yard = await gatewayYard()
  const upstream = await mcpUpstream([
    { ...ADD, call: ({ a }) => said(`sum ${a + 1}`) },
    { name: 'fail', call: () => ({ ...said('no luck'), isError: true }) },
    { name: 'delete_all' },
  ])
  await yard.register('math', upstream.url)
  return { ...yard, upstream }
}

test('an agent sees what its policy allows, page by page, and calls it as part of one run for its session', async () => {
  const yard = await adder()
  const { call, connect, upstream, register } = yard
  await setPolicy(yard, { allowed_tools: ['math__*', 'many__*'], blocked_tools: ['math__delete_*'] })
  const agent = await connect('support')
  expect(await agent.tools()).toEqual(['math__add', 'math__fail'])
  const first = await agent.call('math__add', { a: 1 })
  expect(first).toMatchObject({ text: 'sum 2', isError: false, meta: { 'runyard.decision': 'executed' } })
  const second = await agent.call('math__fail')
  expect(second).toMatchObject({ text: 'no luck', isError: true })
  const runId = first.meta['runyard.run_id']!
  expect(second.meta['runyard.run_id']).toBe(runId)
  expect(upstream.calls).toEqual([
    { name: 'add', args: { a: 1 } },
    { name: 'fail', args: {} },
  ])
  expect(await logOf(yard, runId)).toEqual([
    'mcp.session_started',
    'policy.allowed math__add',
    'agent.action.completed math__add',
    'agent.tool_call.completed math__add completed',
    'policy.allowed math__fail',
    'agent.action.failed math__fail',
    'agent.tool_call.failed math__fail failed',
  ])
  expect((await call('GET', `/v1/runs/${runId}`)).body).toMatchObject({ status: 'executing', agent_id: 'support' })
  await agent.end()
  expect((await call('GET', `/v1/runs/${runId}`)).body.status).toBe('completed')
  const many = await mcpUpstream(Array.from({ length: 250 }, (_, n) => ({ name: `tool-${n}` })))
  await register('many', many.url)
  expect(await (await connect('support')).tools()).toHaveLength(252)
})

test('a tool that the policy blocks is not called, and neither is one that is not there', async () => {
  const yard = await adder()
  await setPolicy(yard, { blocked_tools: ['math__delete_*'] })
  const agent = await yard.connect('support')
  const blocked = await agent.call('math__delete_all')
  expect(blocked).toMatchObject({ isError: true, meta: { 'runyard.reason': 'tool_explicitly_blocked' } })
  expect(blocked.text).toContain('its policy blocks this tool')
  expect(await logOf(yard, blocked.meta['runyard.run_id']!)).toContain('policy.blocked math__delete_all')
  for (const name of ['math__nope', 'nope__add', 'nope', '__', 'constructor'])
    await expect(agent.call(name), name).rejects.toThrow('not found')
  expect(await agent.call('math__add', { a: 'one' })).toMatchObject({
    isError: true,
    text: /arguments\.a must be integer/,
  })
  expect(yard.upstream.calls).toEqual([])
})

test('a call waits for a person, and is made with the arguments as the person left them', async () => {
  const yard = await adder()
  await setPolicy(yard, { approval_tools: ['math__add'] })
  const agent = await yard.connect('support')
  const progress: string[] = []
  const calling = agent.call(
    'math__add',
    { a: 1 },
    {},
    { onprogress: (it: { message: string }) => progress.push(it.message) },
  )
  const question = await pendingOf(yard)
  expect(question).toMatchObject({ agent_id: 'support', params: { a: 1 }, editable_params: ['a'] })
  await yard.call('POST', `/v1/input-requests/${question.id}/answer`, { approved: true, params: { a: 41 } })
  expect(await calling).toMatchObject({ text: 'sum 42', isError: false })
  expect(progress[0]).toContain(question.id)
  expect(yard.upstream.calls).toEqual([{ name: 'add', args: { a: 41 } }])
  // What was approved was that one call.
  const next = await agent.call('math__add', { a: 1 }, { 'runyard.wait_secs': 0 })
  expect(next).toMatchObject({ isError: true, meta: { 'runyard.decision': 'pending' } })
})

test('a call that nobody has decided about yet says how to come back, and is told the refusal then', async () => {
  const yard = await adder()
  await setPolicy(yard, { approval_tools: ['math__*'] })
  const agent = await yard.connect('support', { headers: { 'runyard-wait-secs': '0' } })
  const asked = await agent.call('math__add', { a: 1 })
  expect(asked.text).toContain('Call the tool again later with the same arguments')
  const again = await agent.call('math__add', { a: 1 })
  expect(again.meta['runyard.input_request_id']).toBe(asked.meta['runyard.input_request_id'])
  await yard.call('POST', `/v1/input-requests/${asked.meta['runyard.input_request_id']}/answer`, { approved: false })
  expect(await agent.call('math__add', { a: 1 })).toMatchObject({
    isError: true,
    meta: { 'runyard.decision': 'blocked', 'runyard.reason': 'approval_denied' },
  })
  const other = await agent.call('math__add', { a: 2 })
  await yard.call('POST', `/v1/input-requests/${other.meta['runyard.input_request_id']}/answer`, { approved: true })
  expect(await agent.call('math__add', { a: 2 })).toMatchObject({ text: 'sum 3', isError: false })
  expect(yard.upstream.calls).toEqual([{ name: 'add', args: { a: 2 } }])
})

test('a key that makes a call cannot approve it, whatever its scopes are', async () => {
  const yard = await adder()
  await setPolicy(yard, { approval_tools: ['math__*'] })
  const { key } = (await yard.call('POST', '/v1/keys', { name: 'both', scopes: ['admin'] })).body
  const agent = await yard.connect('support', { key, headers: { 'runyard-wait-secs': '0' } })
  const { meta } = await agent.call('math__add', { a: 1 })
  const path = `/v1/input-requests/${meta['runyard.input_request_id']}/answer`
  const refused = await yard.call('POST', path, { approved: true }, { key })
  expect([refused.status, codeOf(refused)]).toEqual([403, 'own_question'])
  expect((await yard.call('POST', path, { approved: true })).status).toBe(200)
})

test('the budget of a run stops what would exceed it, and a failure to reach the server costs nothing', async () => {
  const yard = await adder()
  await setPolicy(yard, { prices_microusd: { math__add: 400, math__fail: 400 }, max_spend_microusd_per_run: 1_000 })
  const agent = await yard.connect('support', { headers: { 'runyard-run-id': 'task-7' } })
  await agent.call('math__add', { a: 1 })
  await agent.call('math__fail')
  const over = await agent.call('math__add', { a: 3 })
  expect(over).toMatchObject({ isError: true, meta: { 'runyard.reason': 'max_spend_usd_per_run_exceeded' } })
  expect(over.meta['runyard.run_id']).toBe('task-7')
  const spend = (await yard.call('GET', '/v1/spend?agent_id=support')).body
  expect(spend.totals.cost_microusd).toBe(800)
})

test('the same call is made once where its server is set so, or the client gives it a key', async () => {
  const yard = await adder()
  await yard.register('math', yard.upstream.url, { dedup_windows_secs: { add: 60 } })
  const agent = await yard.connect('support')
  await agent.call('math__add', { a: 1 })
  expect(await agent.call('math__add', { a: 1 })).toMatchObject({
    text: 'sum 2',
    meta: { 'runyard.decision': 'repeated' },
  })
  await agent.call('math__add', { a: 2 })
  const key = { 'runyard.idempotency_key': 'once' }
  await agent.call('math__delete_all', {}, key)
  await agent.call('math__delete_all', {}, key)
  expect(yard.upstream.calls.map(({ name }) => name)).toEqual(['add', 'add', 'delete_all'])
})

test('an attempt calls with its run token, in the log of its run and as long as it holds it', async () => {
  const yard = await adder()
  const { call, connect } = yard
  await call('POST', '/v1/jobs', { slug: 'task', execution: 'worker' })
  const { id } = await trigger(call, 'task')
  const claimed = await claimOne(call)
  const agent = await connect('task', { key: claimed.run_token })
  expect(await agent.call('math__add', { a: 1 })).toMatchObject({ text: 'sum 2', meta: { 'runyard.run_id': id } })
  expect(await logOf(yard, id)).toContain('agent.tool_call.completed math__add completed')
  const stranger = await connect('other', { key: claimed.run_token })
  expect((await stranger.call('math__add', { a: 1 })).text).toContain('agent_id must be task')
  await call('DELETE', `/v1/runs/${id}`)
  await expect(agent.call('math__add', { a: 2 })).rejects.toThrow()
  expect(yard.upstream.calls).toHaveLength(1)
})

test('a key needs the scope agents:call; a switched-off agent sees nothing and calls nothing', async () => {
  const yard = await adder()
  const { key } = (await yard.call('POST', '/v1/keys', { name: 'reader', scopes: ['agents:read', 'runs:write'] })).body
  await expect(yard.connect('support', { key })).rejects.toThrow()
  const agent = await yard.connect('support')
  await agent.call('math__add', { a: 1 })
  await yard.call('POST', '/v1/agents/support/disable', { reason: 'odd' })
  expect(await agent.tools()).toEqual([])
  expect((await agent.call('math__add', { a: 1 })).meta).toMatchObject({ 'runyard.reason': 'agent_disabled' })
  // The key may do nothing else.
  expect((await yard.call('PUT', '/v1/agents/support/policy', { policy: {} }, { key: yard.key })).status).toBe(403)
  expect((await yard.call('GET', '/v1/runs', undefined, { key: yard.key })).status).toBe(403)
})

test('a client of the current revision is told when the list of its tools changes', async () => {
  const yard = await adder()
  const { client, tools } = await yard.connect('support', { era: 'auto' })
  const told = Promise.withResolvers<void>()
  client.setNotificationHandler('notifications/tools/list_changed', () => told.resolve())
  const subscription = await client.listen({ toolsListChanged: true })
  expect(await tools()).toContain('math__delete_all')
  await setPolicy(yard, { blocked_tools: ['math__delete_all'] })
  await told.promise
  expect(await tools()).not.toContain('math__delete_all')
  await subscription.close()
})
