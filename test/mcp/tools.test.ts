// What a model can see and do at /mcp, with a key of its own.
import { expect, test, vi } from 'vitest'
import { claimOne, settleOne } from '#test/support/builders/attempts.ts'
import { callerOf, httpYard, trigger, untilState } from '#test/support/http-yard.ts'
import { connectMcp } from './connect-mcp.ts'

vi.setConfig({ testTimeout: 60_000 })

async function yard() {
  const node = await httpYard()
  const keyWith = async (...scopes: string[]) =>
    (await node.call('POST', '/v1/keys', { name: 'model', scopes })).body.key as string
  const connect = async (...scopes: string[]) => connectMcp(node.address, await keyWith(...scopes))
  await node.call('POST', '/v1/jobs', {
    slug: 'greet',
    execution: 'worker',
    payload_schema: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
    tags: { mcp: 'tool' },
    description: 'Greets somebody.',
  })
  return { ...node, keyWith, connect }
}

test('the scopes of the key decide which tools there are', async () => {
  const { connect } = await yard()
  const reader = await (await connect('runs:read')).tools()
  expect(reader).toEqual(expect.arrayContaining(['overview', 'find_runs', 'get_run', 'why_run', 'usage_summary']))
  for (const absent of ['trigger_run', 'act_on_run', 'answer_question', 'get_agent', 'verify_log', 'job_greet'])
    expect(reader).not.toContain(absent)
  const admin = await (await connect('admin')).tools()
  expect(admin).toEqual(expect.arrayContaining(['trigger_run', 'act_on_run', 'disable_agent', 'job_greet']))
  // Only a key that names the scope may answer for people.
  expect(admin).not.toContain('answer_question')
  expect(await (await connect('runs:read', 'inputs:answer')).tools()).toContain('answer_question')
})

test('a tool that the key does not see cannot be called', async () => {
  const { connect } = await yard()
  const { tool } = await connect('runs:read')
  await expect(tool('trigger_run', { job: 'greet', idempotency_key: 'k' })).rejects.toThrow('not found')
  await expect(tool('nope')).rejects.toThrow('not found')
})

test('failures are found in groups, whose runs are found by the group', async () => {
  const { connect, call } = await yard()
  const { tool } = await connect('runs:read')
  const { id } = await trigger(call, 'greet', { payload: { name: 'Ada' } })
  await settleOne(call, await claimOne(call), { outcome: 'failed', error: 'Order 7 is broken', retryable: false })
  const { groups } = (await tool('find_failures', { job: 'greet' })).value
  expect(groups).toMatchObject([{ job_slug: 'greet', count: 1, sample: { run_id: id } }])
  const { runs } = (await tool('find_runs', { error_group: groups[0].error_group })).value
  expect(runs).toMatchObject([{ id }])
  expect((await tool('find_failures', { job: 'nope' })).text).toContain('job_not_found')
})

test('a run is triggered once for each idempotency key, found, explained and read', async () => {
  const { connect } = await yard()
  const { tool } = await connect('runs:read', 'runs:trigger', 'jobs:read')
  const made = await tool('trigger_run', {
    job: 'greet',
    payload: { name: 'x'.repeat(10_000) },
    idempotency_key: 'once',
  })
  expect(made.value).toMatchObject({ status: 'queued', over: false })
  const again = await tool('trigger_run', {
    job: 'greet',
    payload: { name: 'x'.repeat(10_000) },
    idempotency_key: 'once',
  })
  expect(again.value.run_id).toBe(made.value.run_id)
  const { run_id } = made.value
  expect((await tool('find_runs', { job: 'greet' })).value.runs).toMatchObject([{ id: run_id, status: 'queued' }])
  const { value } = await tool('get_run', { run_id })
  expect(value.payload).toMatchObject({ cut_off: true })
  expect(value.why).toContain('No worker')
  expect((await tool('read_run_data', { run_id, what: 'payload', pointer: '/name' })).value.payload.begins).toMatch(
    /^"xxx/,
  )
  expect((await tool('read_run_events', { run_id })).value.events[0]).toMatchObject({ type: 'run.created' })
  expect((await tool('overview')).value.runs).toEqual({ queued: 1 })
})

test('wrong arguments and refusals are told to the model in words that it can act on', async () => {
  const { connect } = await yard()
  const { tool } = await connect('admin')
  expect(await tool('get_run', {})).toMatchObject({ isError: true, text: 'invalid: Missing: run_id.' })
  expect((await tool('get_run', { run_id: 'x', extra: 1 })).text).toContain('Unknown: extra.')
  expect((await tool('get_run', { run_id: 'nope' })).text).toMatch(/^run_not_found: Run nope not found\./)
  expect((await tool('find_runs', { status: ['odd'] })).text).toMatch(/^invalid: status/)
  expect((await tool('trigger_run', { job: 'greet', payload: {}, idempotency_key: 'k' })).text).toMatch(
    /^invalid: .*name/,
  )
  expect((await tool('trigger_run', { job: 'greet', idempotency_key: 'k', wait_secs: 999 })).isError).toBe(true)
  expect((await tool('act_on_run', { run_id: 'x', action: 'constructor' })).text).toContain('action must be one of')
})

test('a job with the tag mcp:tool is a tool with its own schema, and returns the result', async () => {
  const { connect, call } = await yard()
  const { ask, tool } = await connect('runs:trigger', 'jobs:read', 'runs:read')
  const { tools } = await ask('tools/list')
  expect(tools.find(({ name }: { name: string }) => name === 'job_greet')).toMatchObject({
    description: expect.stringContaining('Greets somebody.'),
    inputSchema: { required: ['name'], properties: { name: { type: 'string' } } },
  })
  const calling = tool('job_greet', { name: 'Ada' })
  const { runs } = (await call('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 20 })).body
  expect(runs[0].payload).toEqual({ name: 'Ada' })
  const settled = {
    run_id: runs[0].run.id,
    lease_token: runs[0].lease_token,
    outcome: 'completed',
    result: { said: 'Hello, Ada' },
  }
  await call('POST', '/v1/workers/settle', { settlements: [settled] })
  expect((await calling).value).toMatchObject({ status: 'completed', result: { said: 'Hello, Ada' } })
})

test('what the schema of a job refers to is found at the root of its tool', async () => {
  const { connect, call } = await yard()
  const $defs = { place: { type: 'object', properties: { city: { type: 'string' } } } }
  const object = { type: 'object', properties: { to: { $ref: '#/$defs/place' } }, $defs }
  const tagged = { execution: 'worker', tags: { mcp: 'tool' } }
  await call('POST', '/v1/jobs', { ...tagged, slug: 'send', payload_schema: object })
  await call('POST', '/v1/jobs', { ...tagged, slug: 'either', payload_schema: { $ref: '#/$defs/place', $defs } })
  const { ask } = await connect('runs:trigger', 'jobs:read')
  const { tools } = await ask('tools/list')
  const schemaOf = (name: string) => tools.find((tool: { name: string }) => tool.name === name).inputSchema
  expect(schemaOf('job_send')).toMatchObject({ properties: { to: { $ref: '#/$defs/place' } }, $defs })
  expect(schemaOf('job_either')).toMatchObject({ properties: { payload: { $ref: '#/$defs/place' } }, $defs })
})

test('a key that cannot read runs still gets the handle of what it triggers', async () => {
  const { connect } = await yard()
  const { tool } = await connect('runs:trigger', 'jobs:read')
  expect(await tool('job_greet', { name: 'Ada' })).toMatchObject({
    isError: false,
    value: { run_id: expect.any(String), status: 'queued', over: false, next: expect.stringContaining('runs:read') },
  })
})

test('the same key for a run that has ended returns its result', async () => {
  const { connect, call } = await yard()
  const { tool } = await connect('runs:trigger', 'jobs:read', 'runs:read')
  const args = { job: 'greet', payload: { name: 'Ada' }, idempotency_key: 'k' }
  const { run_id } = (await tool('trigger_run', args)).value
  const { runs } = (await call('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 20 })).body
  const ended = { run_id, lease_token: runs[0].lease_token, outcome: 'completed', result: { said: 'Hello' } }
  await call('POST', '/v1/workers/settle', { settlements: [ended] })
  const again = { run_id, status: 'completed', over: true, result: { said: 'Hello' } }
  expect((await tool('trigger_run', args)).value).toEqual(again)
})

test('an operation needs two calls with the same arguments', async () => {
  const { connect, call } = await yard()
  for (let n = 0; n < 3; n++) await trigger(call, 'greet', { payload: { name: 'a' } })
  const { tool } = await connect('runs:write', 'runs:read')
  const args = { kind: 'cancel', filter: { job: 'greet' } }
  const preview = (await tool('start_operation', args)).value
  expect(preview).toMatchObject({ dry_run: true, matched: 3 })
  expect((await call('GET', '/v1/stats')).body.runs.queued).toBe(3)
  const other = await tool('start_operation', { ...args, filter: { all: true }, token: preview.token })
  expect(other).toMatchObject({ isError: true })
  expect((await tool('start_operation', { ...args, token: preview.token })).value).toMatchObject({ kind: 'cancel' })
})

test('a key cannot answer what its own runs ask, but can answer for others', async () => {
  const { connect, call, address, keyWith } = await yard()
  const key = await keyWith('runs:read', 'runs:trigger', 'inputs:answer')
  const model = await connectMcp(address, key)
  const ask = async (id: string) => {
    const { runs } = (await call('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 20 })).body
    expect(runs[0].run.id).toBe(id)
    const body = { kind: 'approval', prompt: 'Pay?' }
    const asked = await callerOf(address, runs[0].run_token)('POST', `/v1/runs/${id}/input-requests`, body)
    await untilState(call, id, ['waiting'])
    return asked.body.id as string
  }
  const own = (await model.tool('trigger_run', { job: 'greet', payload: { name: 'a' }, idempotency_key: 'k' })).value
    .run_id
  const refused = await model.tool('answer_question', { input_request_id: await ask(own), approved: true })
  expect(refused).toMatchObject({ isError: true })
  expect(refused.text).toContain('your own key')
  const { id } = await trigger(call, 'greet', { payload: { name: 'b' } })
  const answered = await model.tool('answer_question', { input_request_id: await ask(id), approved: true })
  expect(answered.value).toMatchObject({ status: 'answered' })
  expect(await connect('runs:write').then(({ tools }) => tools())).not.toContain('answer_question')
})

test('each change is followed by an event that says it came by MCP', async () => {
  const { connect, call } = await yard()
  const { tool } = await connect('admin')
  const { run_id } = (await tool('trigger_run', { job: 'greet', payload: { name: 'a' }, idempotency_key: 'k' })).value
  await tool('act_on_run', { run_id, action: 'cancel' })
  await tool('disable_agent', { agent_id: 'support', reason: 'odd' })
  await tool('try_policy', { agent_id: 'support', policy: {} })
  const { data } = (await call('GET', '/v1/events?type=mcp.called&order=asc')).body
  expect(data.map((event: { data: object }) => event.data)).toEqual([
    { via: 'mcp', route: 'triggerRun', job: 'greet' },
    { via: 'mcp', route: 'cancelRun', run_id },
    { via: 'mcp', route: 'disableAgent', agent_id: 'support' },
  ])
  expect(data[1]).toMatchObject({ actor_type: 'api_key', resource_type: 'run', resource_id: run_id })
})
