import { expect, test } from 'vitest'
import {
  type Attempt,
  addApp,
  background,
  claim,
  dynamiqYard,
  executing,
  follow,
  type Seen,
  UUID,
  WHOLE_SECONDS,
} from '../../support/dynamiq-yard.ts'
import { type Call, KEY, until } from '../../support/http-yard.ts'

const eventsOf = async (call: Call, id: string, query = '') => (await call('GET', `/v1/runs/${id}/events${query}`)).body

/** A run that did all that has a name here, and some that has none. */
async function eventful({ write }: Attempt): Promise<void> {
  await write('/log', { message: 'no name' })
  await write('/stream', { chunk: 'Let me see. ', stream_id: 'reasoning:2' })
  await write('/stream', { chunk: 'It is ' })
  await write('/stream', { chunk: '', done: true })
  await write('/tool-call', { tool_name: 'lookup-customer', input: { id: 7 }, status: 'started', step: 'step 3' })
  await write('/tool-call', { tool_name: 'lookup-customer', input: { id: 7 }, output: { tier: 'pro' }, step: 'step 3' })
  await write('/tool-call', { tool_name: 'send', output: 'no', status: 'failed' })
  await write('/progress', { percent: 50 })
  await write('/input-requests', { kind: 'feedback', prompt: 'Which?', wait: false })
  await write('/input-requests', {
    kind: 'approval',
    prompt: 'Send?',
    params: { to: 'a@x', copies: 1 },
    editable_params: ['copies'],
    wait: false,
  })
  await write('/complete', { result: { done: true } })
}

const typesOf = (events: { type: string }[]) => events.map((event) => event.type)

const ALL = [
  'run.started',
  'agent.reasoning.delta',
  'agent.output.delta',
  'agent.tool_call.started',
  'agent.tool_call.completed',
  'agent.tool_call.failed',
  'agent.human_feedback.requested',
  'approval_request.created',
  'run.completed',
]

test("the events of a run have Dynamiq's names, fields and a sequence that begins at 1 and grows", async () => {
  const { call, native } = await dynamiqYard()
  await addApp(native)
  const attempt = await executing(call, native)
  await eventful(attempt)
  const { data, pagination } = await eventsOf(call, attempt.id)
  expect(typesOf(data)).toEqual(ALL)
  expect(pagination).toEqual({ page: 1, page_size: 25, page_count: 1, total_count: 9 })
  const sequences = data.map((event: { sequence: number }) => event.sequence)
  expect(sequences[0]).toBe(1)
  expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => Number(a) - Number(b)))
  for (const event of data) {
    expect(event).toEqual({
      id: expect.stringMatching(UUID),
      type: expect.any(String),
      sequence: expect.any(Number),
      timestamp: expect.stringMatching(WHOLE_SECONDS),
      data: expect.objectContaining({ object: expect.any(String) }),
    })
  }
  const [started, reasoning, output, calling, called, failed, asked, approval, completed] = data.map(
    (event: { data: object }) => event.data,
  )
  expect(started).toEqual({ id: attempt.id, object: 'run', status: 'started' })
  expect(reasoning).toEqual({ object: 'agent.reasoning.delta', delta: 'Let me see. ', iteration: 2 })
  expect(output).toEqual({ object: 'agent.output.delta', delta: 'It is ', iteration: 1 })
  const call1 = {
    id: expect.stringMatching(UUID),
    object: 'agent.tool_call',
    input: { id: 7 },
    iteration: 3,
    tool: { name: 'lookup-customer', type: 'function' },
  }
  expect(calling).toEqual(call1)
  expect(called).toEqual({ ...call1, result: '{"tier":"pro"}' })
  expect(failed).toMatchObject({ result: 'no', input: {}, iteration: 1, tool: { name: 'send' } })
  expect(asked).toEqual({ id: expect.any(String), object: 'agent.human_feedback', prompt: 'Which?', params: {} })
  expect(approval).toEqual({
    id: expect.any(String),
    object: 'approval_request',
    prompt: 'Send?',
    params: { to: 'a@x', copies: 1 },
    editable_params: ['copies'],
  })
  expect(completed).toEqual({ id: attempt.id, object: 'run', status: 'completed', output: { done: true } })
})

test('a run has one run.started, however many attempts it has, and one of three endings', async () => {
  const { call, native } = await dynamiqYard()
  await addApp(native, 'app', { max_attempts: 2, retry_strategy: 'fixed', retry_initial_delay_secs: 0 })
  const first = await executing(call, native)
  await first.write('/fail', { error: 'once', retryable: true })
  await (await claim(native)).write('/fail', { error: 'twice', retryable: true })
  const { data } = await until(
    () => eventsOf(call, first.id),
    (events) => events.data.length === 2,
  )
  expect(typesOf(data)).toEqual(['run.started', 'run.failed'])
  expect(data[1].data).toEqual({
    id: first.id,
    object: 'run',
    status: 'failed',
    error: { code: expect.any(String), message: 'twice' },
  })
  const id = await background(call)
  await call('POST', `/v1/runs/${id}/cancel`)
  const { data: canceled } = await eventsOf(call, id)
  expect(canceled).toMatchObject([
    { type: 'run.canceled', sequence: 1, data: { id, object: 'run', status: 'canceled' } },
  ])
})

test('a pause and a resume are events, and the stream continues through them', async () => {
  const { call, native, address } = await dynamiqYard()
  await addApp(native, 'app', { pause_grace_secs: 0 })
  const paused = await executing(call, native)
  const { frames, ended } = follow(address, `/v1/runs/${paused.id}/stream`)
  await native('POST', `/v1/runs/${paused.id}/pause`, {})
  await until(
    async () => typesOf(frames.map((frame) => frame.data)),
    (types) => types.includes('run.paused'),
  )
  await native('POST', `/v1/runs/${paused.id}/resume`, {})
  await (await claim(native)).write('/complete')
  expect(await ended).toBe('ended')
  expect(frames.map((frame) => [frame.event, frame.data.data.status])).toEqual([
    ['run.started', 'started'],
    ['run.paused', 'paused'],
    ['run.resumed', 'started'],
    ['run.completed', 'completed'],
  ])
})

test('events have numbered pages in either order; a page past the last one is empty', async () => {
  const { call, native } = await dynamiqYard()
  await addApp(native)
  const attempt = await executing(call, native)
  await eventful(attempt)
  const { data: all } = await eventsOf(call, attempt.id)
  const pages = [1, 2, 3].map((page) => eventsOf(call, attempt.id, `?page_size=4&page=${page}`))
  expect((await Promise.all(pages)).flatMap((page) => page.data)).toEqual(all)
  expect(await eventsOf(call, attempt.id, '?page_size=4&page=4')).toEqual({
    data: [],
    pagination: { page: 4, page_size: 4, page_count: 3, total_count: 9 },
  })
  for (const sort of ['-sequence', '-timestamp', '-sequence,timestamp'])
    expect((await eventsOf(call, attempt.id, `?sort=${sort}`)).data).toEqual([...all].reverse())
  for (const query of ['page_size=101', 'page=0', 'sort=type', 'page=1.5']) {
    const refused = await call('GET', `/v1/runs/${attempt.id}/events?${query}`)
    expect([refused.status, Object.keys(refused.body.error.details)]).toEqual([400, [query.split('=')[0]]])
  }
})

test('a stream has exactly the events of the list, live and replayed, and closes after the end', async () => {
  const { call, native, address } = await dynamiqYard()
  await addApp(native)
  const attempt = await executing(call, native)
  const live = follow(address, `/v1/runs/${attempt.id}/stream`)
  await eventful(attempt)
  expect([await live.status, await live.ended]).toEqual([200, 'ended'])
  const { data: all } = await eventsOf(call, attempt.id)
  expect(live.frames.map((frame) => frame.data)).toEqual(all)
  expect(live.frames.map((frame) => [frame.id, frame.event])).toEqual(
    all.map((event: { sequence: number; type: string }) => [String(event.sequence), event.type]),
  )
  const replayed = follow(address, `/v1/runs/${attempt.id}/stream`)
  expect(await replayed.ended).toBe('ended')
  expect(replayed.frames).toEqual(live.frames)
})

test('a client that was cut off resumes strictly after what it saw, by parameter or by header', async () => {
  const { call, native, address } = await dynamiqYard()
  await addApp(native)
  const attempt = await executing(call, native)
  const path = `/v1/runs/${attempt.id}/stream`
  const before = follow(address, path)
  await until(
    async () => before.frames.length,
    (n) => n === 1,
  )
  before.cut()
  await eventful(attempt)
  const { data: all } = await eventsOf(call, attempt.id)
  const from = async (after: string, lastEventId?: string): Promise<Seen['data'][]> => {
    const { frames, ended } = follow(address, path + after, lastEventId)
    expect(await ended).toBe('ended')
    return frames.map((frame) => frame.data)
  }
  expect(await from('?after_sequence=1')).toEqual(all.slice(1))
  expect(await from('', before.frames[0]!.id)).toEqual(all.slice(1))
  expect(await from(`?after_sequence=${all[4].sequence}`)).toEqual(all.slice(5))
  expect(await from('?after_sequence=1', String(all[6].sequence))).toEqual(all.slice(7))
  expect(await from(`?after_sequence=${all.at(-1).sequence}`)).toEqual([])
  expect(await from('?after_sequence=99999')).toEqual([])
  for (const bad of ['0', '-1', 'x', '1.5']) {
    const refused = await call('GET', `${path}?after_sequence=${bad}`)
    expect(refused).toMatchObject({ status: 400, body: { error: { details: { after_sequence: expect.any(String) } } } })
  }
  expect((await call('GET', path, undefined, { headers: { 'last-event-id': 'x' } })).status).toBe(400)
})

test('a stream that resumes after the start of a run does not take a second attempt for a start', async () => {
  const { call, native, address } = await dynamiqYard()
  await addApp(native, 'app', { max_attempts: 2, retry_strategy: 'fixed', retry_initial_delay_secs: 0 })
  const first = await executing(call, native)
  const { frames, ended } = follow(address, `/v1/runs/${first.id}/stream?after_sequence=1`)
  await first.write('/fail', { error: 'once', retryable: true })
  await (await claim(native)).write('/complete')
  expect(await ended).toBe('ended')
  expect(frames.map((frame) => frame.event)).toEqual(['run.completed'])
})

test('a run created with stream returns its events from the first to the last', async () => {
  const { call, native, address } = await dynamiqYard()
  await addApp(native)
  const response = await fetch(`${address}/dynamiq/v1/runs`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ input: 'x', stream: true }),
  })
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream'])
  const attempt = await claim(native)
  await eventful(attempt)
  const text = await response.text()
  expect([...text.matchAll(/^event: (.*)$/gm)].map((found) => found[1])).toEqual(ALL)
  expect((await call('GET', `/v1/runs/${attempt.id}`)).body.data.status).toBe('completed')
})

test('a call that needs approval by policy is an approval request like any other', async () => {
  const { call, native, address } = await dynamiqYard()
  await addApp(native, 'app', {})
  await native('PUT', '/v1/agents/bot/policy', { mode: 'enforce', policy: { approval_tools: ['rm'] } })
  await native('POST', '/v1/jobs/app/runs', { agent_id: 'bot' })
  const attempt = await claim(native)
  const asked = await attempt.write('/authorize', { tool: 'rm', args: { path: '/tmp' } })
  const { data } = await eventsOf(call, attempt.id)
  expect(data.at(-1)).toMatchObject({
    type: 'approval_request.created',
    data: { object: 'approval_request', prompt: 'May bot call rm?', editable_params: [] },
  })
  const run = (await call('GET', `/v1/runs/${attempt.id}`)).body.data
  expect(run).toMatchObject({ status: 'awaiting_input', input_requests: [{ id: data.at(-1).data.id }] })
  const answer = { type: 'approval_request', data: { request_id: data.at(-1).data.id, is_approved: true } }
  expect((await call('POST', `/v1/runs/${attempt.id}/input`, answer)).status).toBe(200)
  expect((await call('GET', `/v1/runs/${attempt.id}`)).body.data.status).toBe('started')
  await attempt.write('/complete')
  const { frames, ended } = follow(address, `/v1/runs/${attempt.id}/stream`)
  expect(await ended).toBe('ended')
  expect(frames.map((frame) => frame.data)).toEqual((await eventsOf(call, attempt.id)).data)
  expect(asked.status).toBeLessThan(300)
})

test('large tool results are streamed in several pages, and none is omitted', async () => {
  const { call, native, address } = await dynamiqYard()
  await addApp(native)
  const attempt = await executing(call, native)
  const output = 'x'.repeat(600_000)
  for (let n = 0; n < 5; n++) await attempt.write('/tool-call', { tool_name: `t${n}`, output })
  await attempt.write('/complete')
  const { frames, ended } = follow(address, `/v1/runs/${attempt.id}/stream`)
  expect(await ended).toBe('ended')
  expect(frames.map(({ data }) => data.data.tool?.name ?? data.type)).toEqual([
    'run.started',
    't0',
    't1',
    't2',
    't3',
    't4',
    'run.completed',
  ])
  expect(frames.slice(1, 6).every(({ data }) => data.data.result === output)).toBe(true)
})

test('a page of events is limited in tool data, and omits the rest', async () => {
  const { call, native } = await dynamiqYard()
  await addApp(native)
  const attempt = await executing(call, native)
  const output = 'x'.repeat(900_000)
  for (let n = 0; n < 11; n++) await attempt.write('/tool-call', { tool_name: `t${n}`, input: { n }, output })
  const { data } = await eventsOf(call, attempt.id, '?sort=-sequence')
  const calls = data.slice(0, 11).reverse()
  expect(calls.map((event: Seen) => event.data.tool.name)).toEqual(Array.from({ length: 11 }, (_, n) => `t${n}`))
  expect(calls.map((event: Seen) => 'result' in event.data)).toEqual(Array.from({ length: 11 }, (_, n) => n < 10))
  expect([calls[9].data.input, calls[10].data.input]).toEqual([{ n: 9 }, {}])
})

test('tool inputs are objects and tool results are text, whatever was recorded', async () => {
  const { call, native } = await dynamiqYard()
  await addApp(native)
  const { id, write } = await executing(call, native)
  const record = (more: object) => write('/tool-call', { tool_name: 't', ...more })
  await record({ input: 'text', output: 'plain', step: 'msg_9812' })
  await record({ input: [1], output: '{"a":1}', step: 'step 2' })
  await record({ output: { a: 1 }, status: 'timed_out' })
  await record({ status: 'running' })
  const { data } = (await call('GET', `/v1/runs/${id}/events?sort=-started_at`)).body
  const calls = data
    .slice(0, 4)
    .map(({ type, data: it }: { type: string; data: Record<string, unknown> }) => [
      type.split('.').at(-1),
      it.input,
      it.result,
      it.iteration,
    ])
  expect(calls.reverse()).toEqual([
    ['completed', { value: 'text' }, 'plain', 1],
    ['completed', { value: [1] }, '{"a":1}', 2],
    ['failed', {}, '{"a":1}', 1],
    ['started', {}, undefined, 1],
  ])
})
