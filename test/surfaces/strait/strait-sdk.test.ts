import { expect, test } from 'vitest'
import { executing, sdkYard } from '../../support/strait-attempts.ts'
import { NUMBERED, RFC3339, UUID } from '../../support/strait-yard.ts'

test('the payload is returned without an envelope, whatever JSON it is', async () => {
  const { sdk, native, call } = await sdkYard({ payload: { a: [1, null] } })
  expect((await sdk('GET', '/payload')).body).toEqual({ a: [1, null] })
  const text = await executing(native, call, 'j', { payload: 'a text' })
  expect((await text.sdk('GET', '/payload')).body).toBe('a text')
  const none = await executing(native, call, 'j')
  expect((await none.sdk('GET', '/payload')).body).toBe(null)
})

test('log lines, progress and resources become events, which are listed as they were returned', async () => {
  const { sdk, runId, list } = await sdkYard()
  const line = await sdk('POST', '/log', { type: 'log', level: 'warn', message: 'slow', data: { ms: 900 } })
  expect([line.status, line.body]).toEqual([
    201,
    { id: UUID, run_id: runId, type: 'log', level: 'warn', message: 'slow', data: { ms: 900 }, created_at: NUMBERED },
  ])
  const whisper = await sdk('POST', '/log', { level: 'debug', message: 'a detail' })
  expect(whisper.body).toMatchObject({ id: expect.any(String), level: 'debug', message: 'a detail' })
  const progress = await sdk('POST', '/progress', { percent: 40, message: 'half', step: 'read', eta_seconds: 9 })
  expect([progress.status, progress.body]).toEqual([
    201,
    expect.objectContaining({ type: 'progress', message: 'half', data: { percent: 40, step: 'read', eta_seconds: 9 } }),
  ])
  expect((await sdk('POST', '/progress', { percent: 50, eta_secs: 3 })).body).toMatchObject({
    message: '',
    data: { percent: 50, eta_seconds: 3 },
  })
  const sample = await sdk('POST', '/resources', { memory_mb: 120.5, cpu_percent: 3 })
  expect([sample.status, sample.body]).toEqual([
    201,
    expect.objectContaining({ type: 'resource_sample', data: { memory_mb: 120.5, cpu_percent: 3 } }),
  ])
  const events = await list('events')
  expect(events.slice(-5, -3)).toEqual([line.body, whisper.body])
  expect(events.map((event: { type: string }) => event.type)).toEqual([
    'run.created',
    'state_change',
    'log',
    'log',
    'progress',
    'progress',
    'resource_sample',
  ])
  expect(await list('events', '?type=log&level=warn')).toEqual([line.body])
  expect(await list('events', '?level=debug')).toEqual([whisper.body])
  expect((await list('events', '?type=state_change'))[0]).toMatchObject({
    message: 'queued -> executing',
    data: { from: 'queued', to: 'executing' },
  })
})

test('events have complete pages in order, by cursor and by time, past any number of chunks', async () => {
  const { call, sdk, runId } = await sdkYard()
  for (let n = 0; n < 5; n++) {
    await sdk('POST', '/log', { message: `line ${n}` })
    for (let chunk = 0; chunk < 4; chunk++) await sdk('POST', '/stream', { chunk: 'x' })
  }
  const seen: string[] = []
  let last = ''
  let cursor: string | null = ''
  while (cursor !== null) {
    const page: Awaited<ReturnType<typeof call>> = await call(
      'GET',
      `/v1/runs/${runId}/events?type=log&limit=2${cursor && `&cursor=${cursor}`}`,
    )
    seen.push(...page.body.map((event: { message: string }) => event.message))
    last = page.body.at(-1)?.created_at ?? last
    cursor = page.headers.get('x-next-cursor')
  }
  expect(seen).toEqual(['line 0', 'line 1', 'line 2', 'line 3', 'line 4'])
  expect((await call('GET', `/v1/runs/${runId}/events?type=log&cursor=${encodeURIComponent(last)}`)).body).toEqual([])
  expect((await call('GET', `/v1/runs/${runId}/events?type=log&cursor=2020-01-01T00:00:00Z`)).body).toHaveLength(5)
})

test('checkpoints, usage, tool calls and outputs are returned as they are listed', async () => {
  const { sdk, runId, list } = await sdkYard()
  const first = await sdk('POST', '/checkpoint', { state: { page: 1 }, source: 'sdk' })
  expect([first.status, first.body]).toEqual([
    201,
    { id: UUID, run_id: runId, sequence: 1, source: 'sdk', state: { page: 1 }, created_at: NUMBERED },
  ])
  const second = await sdk('POST', '/checkpoint', { state: null })
  expect(second.body).toMatchObject({ sequence: 2, source: 'sdk', state: null })
  expect(await list('checkpoints')).toEqual([second.body, first.body])
  expect(await list('checkpoints', `?cursor=${encodeURIComponent(first.body.created_at)}`)).toEqual([])

  const spent = { provider: 'openai', model: 'gpt-x', prompt_tokens: 10, completion_tokens: 5 }
  const usage = await sdk('POST', '/usage', { ...spent, cost_microusd: 77 })
  expect([usage.status, usage.body]).toEqual([
    201,
    { id: UUID, run_id: runId, ...spent, total_tokens: 15, cost_microusd: 77, created_at: NUMBERED },
  ])
  const later = await sdk('POST', '/usage', { ...spent, total_tokens: 20, cost_microusd: 0 })
  expect(later.body).toMatchObject({ total_tokens: 20, cost_microusd: 0 })
  expect(await list('usage')).toEqual([later.body, usage.body])

  const tool = await sdk('POST', '/tool-call', {
    tool_name: 'search',
    input: { q: 'x' },
    output: ['y'],
    duration_ms: 12.4,
    status: 'failed',
  })
  expect([tool.status, tool.body]).toEqual([
    201,
    {
      id: UUID,
      run_id: runId,
      tool_name: 'search',
      input: { q: 'x' },
      output: ['y'],
      duration_ms: 12,
      status: 'failed',
      created_at: NUMBERED,
    },
  ])
  const bare = await sdk('POST', '/tool-call', { tool_name: 'noop' })
  expect(bare.body).toEqual({ id: UUID, run_id: runId, tool_name: 'noop', status: 'completed', created_at: NUMBERED })
  expect(await list('tool-calls')).toEqual([tool.body, bare.body])

  const output = await sdk('POST', '/output', { output_key: 'b', value: 1, schema: { type: 'number' } })
  expect([output.status, output.body]).toEqual([
    201,
    { id: UUID, run_id: runId, output_key: 'b', value: 1, schema: { type: 'number' }, created_at: RFC3339 },
  ])
  const aliased = await sdk('POST', '/output', { key: 'a', value: 'text' })
  expect(aliased.body).toMatchObject({ output_key: 'a', value: 'text' })
  expect(await list('outputs')).toEqual([aliased.body, output.body])
  const bad = await sdk('POST', '/output', { output_key: 'c', value: 'no number', schema: { type: 'number' } })
  expect([bad.status, bad.body.code, bad.body.details]).toEqual([
    400,
    'validation_error',
    [expect.stringContaining('value')],
  ])
})

test("the cost is calculated from the model's price when a client sends none, or 0", async () => {
  const { sdk, native } = await sdkYard()
  const priced = await native('PUT', '/v1/prices/acme/large', {
    prompt_microusd_per_million: 1_000_000,
    completion_microusd_per_million: 2_000_000,
  })
  expect(priced.status).toBe(200)
  const usage = { provider: 'acme', model: 'large', prompt_tokens: 100, completion_tokens: 10 }
  expect((await sdk('POST', '/usage', usage)).body.cost_microusd).toBe(120)
  expect((await sdk('POST', '/usage', { ...usage, cost_microusd: 0 })).body.cost_microusd).toBe(120)
  expect((await sdk('POST', '/usage', { ...usage, cost_microusd: 5 })).body.cost_microusd).toBe(5)
})

test('state is written, listed, read and deleted, under both names of the key', async () => {
  const { sdk, runId, list } = await sdkYard()
  const set = await sdk('POST', '/state', { key: 'b', value: { n: 1 } })
  const value = { run_id: runId, state_key: 'b', key: 'b', value: { n: 1 }, updated_at: RFC3339 }
  expect([set.status, set.body]).toEqual([201, value])
  await sdk('POST', '/state', { key: 'a', value: null })
  expect((await sdk('GET', '/state/b')).body).toEqual(value)
  const all = (await sdk('GET', '/state')).body
  expect(all.map((it: { key: string }) => it.key)).toEqual(['a', 'b'])
  expect(await list('state')).toEqual(all)
  const forgotten = await sdk('DELETE', '/state/b')
  expect([forgotten.status, forgotten.body]).toEqual([204, undefined])
  expect((await sdk('DELETE', '/state/b')).status).toBe(404)
  expect((await sdk('GET', '/state/b')).body.code).toBe('not_found')
  expect((await sdk('POST', '/state', { key: 'x'.repeat(257), value: 1 })).status).toBe(400)
  expect((await sdk('POST', '/state', { key: 'x', value: 'y'.repeat(65_537) })).status).toBe(400)
})

test('annotations are merged into the metadata, and a heartbeat says when to pause', async () => {
  const { sdk, call, runId } = await sdkYard({ metadata: { a: '1', b: '1' } }, { pause_grace_secs: 30 })
  const annotated = await sdk('POST', '/annotate', { annotations: { b: '2' } })
  expect([annotated.status, annotated.body]).toEqual([
    200,
    expect.objectContaining({ id: runId, metadata: { a: '1', b: '2' } }),
  ])
  expect((await sdk('POST', '/heartbeat')).body).toEqual({ status: 'ok' })
  const pausing = call('POST', `/v1/runs/${runId}/pause`)
  await expect.poll(async () => (await sdk('POST', '/heartbeat')).body).toEqual({ status: 'ok', told: 'pause' })
  await call('DELETE', `/v1/runs/${runId}`)
  const lost = await pausing
  expect([lost.status, lost.body.error]).toEqual([409, 'failed to pause run'])
})

test('output chunks are streamed', async () => {
  const { sdk } = await sdkYard()
  const chunk = await sdk('POST', '/stream', { chunk: 'Hel', stream_id: 'main', done: false })
  expect([chunk.status, chunk.body]).toEqual([200, { status: 'ok' }])
})

test('every response of the SDK plane has the fields that the client may rely on', async () => {
  const { sdk, call } = await sdkYard()
  const reply = await sdk('POST', '/heartbeat', undefined, { headers: { 'x-sdk-version': '0.4.2' } })
  expect(reply.headers.get('x-sdk-version-accepted')).toBe('0.4.2')
  expect(reply.headers.get('x-sdk-capabilities')?.split(',')).toEqual(
    expect.arrayContaining(['checkpoint', 'spawn', 'wait-for-event']),
  )
  expect(reply.headers.get('x-api-version')).toBe('v1')
  expect((await call('GET', '/v1/runs?project_id=default')).headers.get('x-sdk-capabilities')).toBe(null)
})

test.each([
  ['/log', {}, 'message'],
  ['/log', { message: 7 }, 'message'],
  ['/log', { message: 'x', level: 'loud' }, 'level'],
  ['/log', { message: 'x', type: 'run.completed' }, undefined],
  ['/progress', { percent: 101 }, 'percent'],
  ['/progress', { percent: '7' }, 'percent'],
  ['/annotate', {}, 'annotations'],
  ['/annotate', { annotations: { a: 1 } }, 'annotations.a'],
  ['/checkpoint', {}, 'state'],
  ['/usage', { provider: 'p' }, 'model'],
  ['/usage', { provider: 'p', model: 'm', prompt_tokens: -1 }, 'prompt_tokens'],
  ['/tool-call', {}, 'tool_name'],
  ['/output', { value: 1 }, 'output_key'],
  ['/output', { output_key: 'k' }, 'value'],
  ['/fail', {}, 'error'],
  ['/state', { value: 1 }, 'key'],
  ['/stream', { chunk: 7 }, 'chunk'],
  ['/resources', { cpu_percent: 'much' }, 'cpu_percent'],
])('%s with %j is refused, and names the field', async (path, body, field) => {
  const { sdk } = await sdkYard()
  const refused = await sdk('POST', path, body)
  expect([refused.status, refused.body.code]).toEqual([400, 'validation_error'])
  if (field) expect(refused.body.details).toEqual([expect.stringContaining(field)])
  const broken = await sdk('POST', path, '{"broken')
  expect([broken.status, broken.body.code]).toEqual([400, 'bad_request'])
})

test('the debug bundle has everything that the attempt recorded', async () => {
  const { sdk, list, call, runId } = await sdkYard({ payload: 1 })
  await sdk('POST', '/checkpoint', { state: 1 })
  await sdk('POST', '/usage', { provider: 'p', model: 'm' })
  await sdk('POST', '/tool-call', { tool_name: 't' })
  await sdk('POST', '/output', { output_key: 'k', value: 1 })
  await sdk('POST', '/complete', { result: 2 })
  const bundle = await list('debug-bundle')
  expect(bundle).toEqual({
    run: (await call('GET', `/v1/runs/${runId}`)).body,
    events: await list('events'),
    checkpoints: await list('checkpoints'),
    usage: await list('usage'),
    tool_calls: await list('tool-calls'),
    outputs: await list('outputs'),
  })
})
