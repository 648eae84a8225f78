import { expect, test } from 'vitest'
import { eventful, eventsOf, typesOf } from '../../support/builders/dynamiq-events.ts'
import {
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
import { until } from '../../support/http-yard.ts'

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
