import { expect, test } from 'vitest'
import { addWorkerJob, claimOne, executing, settle } from '../../support/strait-attempts.ts'
import { straitYard } from '../../support/strait-yard.ts'

/** Below the millisecond stand the digits of the record's number. */
const NUMBERED = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/)
const RFC3339 = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
const UUID = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
const NOBODY = '019a6b3e-8f10-7c52-9a41-3f6f2d9f5f01'

async function sdkYard(input: object = {}, job: object = {}) {
  const yard = await straitYard()
  await addWorkerJob(yard.native, 'j', job)
  const attempt = await executing(yard.native, yard.call, 'j', input)
  const list = async (what: string, search = '') =>
    (await yard.call('GET', `/v1/runs/${attempt.runId}/${what}${search}`)).body
  return { ...yard, attempt, ...attempt, list }
}

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

test('complete and fail end the run permanently, and return it', async () => {
  const { sdk, runId, native, call } = await sdkYard({}, { max_attempts: 5 })
  const done = await sdk('POST', '/complete', { result: { sum: 3 } })
  expect([done.status, done.body]).toEqual([
    200,
    expect.objectContaining({ id: runId, status: 'completed', result: { sum: 3 } }),
  ])
  const failing = await executing(native, call, 'j')
  const failed = await failing.sdk('POST', '/fail', { error: { message: 'no luck' } })
  expect([failed.status, failed.body]).toEqual([
    200,
    expect.objectContaining({ status: 'failed', error: 'no luck', attempt: 1 }),
  ])
  const huge = await executing(native, call, 'j')
  const tooMuch = await huge.sdk('POST', '/complete', { result: 'x'.repeat(1_100_000) })
  expect([tooMuch.status, tooMuch.body.code]).toEqual([413, 'payload_too_large'])
})

test("a result that does not match the job's schema is refused, and the run continues", async () => {
  const { sdk, call, runId } = await sdkYard({}, { result_schema: { type: 'object', required: ['sum'] } })
  const refused = await sdk('POST', '/complete', { result: {} })
  expect([refused.status, refused.body.code, refused.body.details]).toEqual([
    400,
    'validation_error',
    [expect.stringContaining('sum')],
  ])
  expect((await call('GET', `/v1/runs/${runId}`)).body.status).toBe('executing')
})

test('a child is spawned under both names of its job, and has a version and a time to live like any run', async () => {
  const { sdk, call, native, runId } = await sdkYard()
  const jobId = await addWorkerJob(native, 'child', { run_ttl_secs: 600 })
  const spawned = await sdk('POST', '/spawn', {
    job_slug: 'child',
    project_id: 'default',
    payload: { n: 1 },
    priority: 4,
  })
  expect([spawned.status, spawned.body]).toEqual([
    201,
    {
      id: UUID,
      job_id: jobId,
      project_id: 'default',
      status: 'queued',
      parent_run_id: runId,
      triggered_by: 'spawn',
    },
  ])
  expect((await call('GET', `/v1/runs/${spawned.body.id}`)).body).toMatchObject({
    job_version: 1,
    expires_at: RFC3339,
    payload: { n: 1 },
    priority: 4,
  })
  expect((await sdk('POST', '/spawn', { job_id: jobId })).body.job_id).toBe(jobId)
  const answers = await Promise.all(
    [{}, { job_slug: 'no-such' }, { job_slug: 'child', project_id: 'other' }, { job_slug: 'child', priority: 11 }].map(
      async (body) => {
        const { status, body: said } = await sdk('POST', '/spawn', body)
        return [status, said.error]
      },
    ),
  )
  expect(answers).toEqual([
    [400, 'job_slug is required'],
    [404, 'job not found'],
    [403, 'project_id is not the project of this run'],
    [400, expect.stringContaining('priority')],
  ])
})

test('a parent that awaits its child is suspended, and continues when the child ends', async () => {
  const { sdk, call, native, runId } = await sdkYard()
  await addWorkerJob(native, 'child')
  const spawned = await sdk('POST', '/spawn', { job_slug: 'child', await_completion: true, await_timeout_secs: 60 })
  expect(spawned.body).toMatchObject({
    await_completion: true,
    await_event_key: `spawn-await:${spawned.body.id}`,
  })
  expect((await call('GET', `/v1/runs/${runId}`)).body.status).toBe('waiting')
  await settle(native, await claimOne(native, call, 'child'), { outcome: 'completed', result: 7 })
  const again = await claimOne(native, call, 'j')
  expect(again.runId).toBe(runId)
  expect((await again.sdk('GET', `/state/${spawned.body.await_event_key}`)).status).toBe(200)
})

test('a continuation is a new run of one more depth, and there are at most ten of them', async () => {
  const { sdk, native, call, runId } = await sdkYard({ payload: { n: 0 }, priority: 6 })
  const next = await sdk('POST', '/continue')
  expect([next.status, next.body]).toEqual([
    201,
    expect.objectContaining({
      continuation_of: runId,
      lineage_depth: 1,
      payload: { n: 0 },
      priority: 6,
      triggered_by: 'manual',
      job_version: 1,
    }),
  ])
  await sdk('POST', '/complete')
  for (let depth = 2; depth <= 10; depth++) {
    const at = await claimOne(native, call, 'j')
    const { status, body } = await at.sdk('POST', '/continue', { payload: { n: depth } })
    expect([status, body.lineage_depth, body.payload]).toEqual([201, depth, { n: depth }])
    await at.sdk('POST', '/complete')
  }
  const tooDeep = await (await claimOne(native, call, 'j')).sdk('POST', '/continue')
  expect([tooDeep.status, tooDeep.body.code]).toEqual([400, 'bad_request'])
})

test('a run waits for an event and continues with its payload as a checkpoint', async () => {
  const { sdk, call, native, runId, list } = await sdkYard()
  const wait = await sdk('POST', '/wait-for-event', { event_key: 'approved', timeout_secs: 60, notify_url: 'http://x' })
  expect([wait.status, wait.body]).toEqual([
    200,
    { status: 'waiting', event_key: 'approved', expires_at: RFC3339, trigger_id: UUID },
  ])
  expect((await call('GET', `/v1/runs/${runId}`)).body.status).toBe('waiting')
  const twice = await sdk('POST', '/wait-for-event', { event_key: 'another' })
  expect([twice.status, twice.body.error]).toEqual([409, 'run is not executing'])
  const rival = await executing(native, call, 'j')
  const taken = await rival.sdk('POST', '/wait-for-event', { event_key: 'approved' })
  expect([taken.status, taken.body.error]).toEqual([409, 'event_key is already in use'])
  await rival.sdk('POST', '/complete')
  expect((await call('POST', '/v1/events/approved/send', { payload: { by: 'Ada' } })).status).toBe(200)
  expect((await call('POST', '/v1/events/approved/send', {})).status).toBe(404)
  const again = await claimOne(native, call, 'j')
  expect(again.runId).toBe(runId)
  expect((await list('checkpoints'))[0]).toMatchObject({ source: 'event_trigger', state: { by: 'Ada' } })
  for (const bad of [{}, { event_key: '' }, { event_key: 'x'.repeat(513) }, { event_key: 'k', timeout_secs: 0 }])
    expect((await again.sdk('POST', '/wait-for-event', bad)).status).toBe(400)
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

/** Every call of the plane, with the least that it takes. */
const CALLS = [
  ['GET', '/payload'],
  ['POST', '/log', { message: 'x' }],
  ['POST', '/progress', { percent: 1 }],
  ['POST', '/annotate', { annotations: { a: 'b' } }],
  ['POST', '/heartbeat'],
  ['POST', '/checkpoint', { state: 1 }],
  ['POST', '/usage', { provider: 'p', model: 'm' }],
  ['POST', '/tool-call', { tool_name: 't' }],
  ['POST', '/output', { output_key: 'k', value: 1 }],
  ['POST', '/spawn', { job_slug: 'j' }],
  ['POST', '/continue'],
  ['POST', '/wait-for-event', { event_key: 'k' }],
  ['POST', '/state', { key: 'k', value: 1 }],
  ['GET', '/state'],
  ['GET', '/state/k'],
  ['DELETE', '/state/k'],
  ['POST', '/stream', { chunk: 'x' }],
  ['POST', '/resources', { cpu_percent: 1 }],
  ['POST', '/complete'],
  ['POST', '/fail', { error: 'x' }],
] as const

const said = async (reply: Promise<{ status: number; body: { error: string } }>) => {
  const { status, body } = await reply
  return [status, body?.error]
}

test('a call without a token, with a key, or with the token of another run is refused', async () => {
  const { sdk, call, native, runId } = await sdkYard()
  const other = await executing(native, call, 'j')
  for (const [method, path, body] of CALLS) {
    const at = `${method} ${path}`
    expect((await sdk(method, path, body, { key: '' })).status, at).toBe(401)
    expect((await sdk(method, path, body, { key: 'eyJhbGciOiJIUzI1NiJ9.e30.nonsense' })).status, at).toBe(401)
    expect(await said(call(method, `/sdk/v1/runs/${runId}${path}`, body)), at).toEqual([401, 'a run token is required'])
    for (const run of [runId, NOBODY])
      expect(await said(call(method, `/sdk/v1/runs/${run}${path}`, body, { key: other.token })), at).toEqual([
        403,
        'run token does not belong to this run',
      ])
  }
  expect((await call('GET', `/v1/runs/${runId}`)).body).toMatchObject({ status: 'executing' })
  expect((await call('GET', `/v1/runs/${runId}/events`)).body).toHaveLength(2)
})

test('a token is useless once its run has ended, another attempt runs, or its lease is lost', async () => {
  const { sdk, call, native, runId, attempt } = await sdkYard(
    {},
    { max_attempts: 3, retry_strategy: 'fixed', retry_initial_delay_secs: 0 },
  )
  await settle(native, attempt, { outcome: 'failed', error: 'x' })
  for (const [method, path, body] of CALLS)
    expect(await said(sdk(method, path, body)), path).toEqual([401, 'run token is of an earlier attempt'])

  const second = await claimOne(native, call, 'j')
  await settle(native, second, { outcome: 'returned' })
  const third = await claimOne(native, call, 'j')
  for (const [method, path, body] of CALLS.filter(([method]) => method !== 'GET'))
    expect(await said(second.sdk(method, path, body)), path).toEqual([409, 'run lease is no longer held'])

  const before = (await call('GET', `/v1/runs/${runId}/events`)).body
  await third.sdk('POST', '/complete')
  for (const [method, path, body] of CALLS)
    expect(await said(third.sdk(method, path, body)), path).toEqual([410, 'run already in terminal state'])
  expect((await call('GET', `/v1/runs/${runId}/events`)).body).toHaveLength(before.length + 1)
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
