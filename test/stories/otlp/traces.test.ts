import { describe, expect, test } from 'vitest'
import { type Call, httpYard, until } from '#test/support/http-yard.ts'
import { exportSpans, instrument, newTraceId, requestOf, spanId } from './exporter.ts'

const CHAT = {
  'gen_ai.operation.name': 'chat',
  'gen_ai.provider.name': 'openai',
  'gen_ai.request.model': 'gpt-4o',
  'gen_ai.response.model': 'gpt-4o-2024-08-06',
  'gen_ai.usage.input_tokens': 1_000,
  'gen_ai.usage.output_tokens': 100,
}
const TOOL = { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'search' }
const AGENT = { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'researcher' }

const eventsOf = async (call: Call, runId: string) => (await call('GET', `/v1/runs/${runId}/events`)).body.data
const typesOf = async (call: Call, runId: string) =>
  (await eventsOf(call, runId)).map((it: { type: string }) => it.type)

describe.each([
  { encoding: 'protobuf', compressed: false },
  { encoding: 'protobuf', compressed: true },
  { encoding: 'json', compressed: false },
  { encoding: 'json', compressed: true },
] as const)('the SDK of OpenTelemetry exports $encoding, compressed: $compressed', (settings) => {
  test('and a trace is a run with its steps, calls, usage and cost', async () => {
    const { call, address } = await httpYard()
    const { span, flush } = instrument(address, settings)
    const traceId = span('POST /ask', { 'http.request.method': 'POST' }, (root) => {
      span('invoke_agent researcher', AGENT, () => {
        span('chat gpt-4o', CHAT)
        span('execute_tool search', { ...TOOL, 'gen_ai.tool.call.arguments': '{"q":"tea"}' }, () =>
          span('GET', { 'http.request.method': 'GET' }),
        )
      })
      return root.spanContext().traceId
    })
    await flush()

    const { body: run } = await call('GET', `/v1/runs/${traceId}`)
    expect(run).toMatchObject({ id: traceId, status: 'completed', execution: 'external', agent_id: 'researcher' })
    // Spans that are shorter than a millisecond are in no order that could be relied upon.
    expect((await typesOf(call, traceId)).sort()).toEqual([
      'agent.step.completed',
      'agent.step.completed',
      'agent.tool_call.completed',
      'run.completed',
      'usage.recorded',
    ])
    const { body: usage } = await call('GET', `/v1/runs/${traceId}/usage`)
    expect(usage.data).toHaveLength(1)
    expect(usage.totals).toMatchObject({ calls: 1, total_tokens: 1_100, cost_microusd: 3_500 })
    const { body: tools } = await call('GET', `/v1/runs/${traceId}/tool-calls`)
    expect(tools.data).toMatchObject([{ tool_name: 'search', input: { q: 'tea' }, status: 'completed' }])
    const { body: spend } = await call('GET', '/v1/spend')
    expect(spend.totals).toMatchObject({ models_microusd: 3_500 })
  })
})

test('the timeline of such a run is the tree of the trace, whatever the order of its spans', async () => {
  const { call } = await httpYard()
  const traceId = newTraceId()
  const below = (id: number, parent?: number) => ({
    traceId,
    spanId: spanId(id),
    ...(parent !== undefined && { parentSpanId: spanId(parent) }),
  })
  await exportSpans(call, [{ ...below(4, 3), attributes: CHAT, start: 20, end: 30 }])
  await exportSpans(call, [{ ...below(2, 1), name: 'handler', start: 5, end: 90 }])
  await exportSpans(call, [{ ...below(3, 2), attributes: AGENT, start: 10, end: 80 }])
  await exportSpans(call, [{ ...below(1), name: 'POST /ask', start: 0, end: 100 }])
  const { body } = await call('GET', `/v1/runs/${traceId}/timeline`)
  const { spans, texts } = body
  const rows = spans.kind.map((kind: string, at: number) => {
    const parent = spans.sequence.indexOf(spans.parent[at])
    return [kind, texts[spans.name[at]], parent < 0 ? null : texts[spans.name[parent]]].join(' < ')
  })
  expect(rows.filter((row: string) => /^(step|model)/.test(row)).sort()).toEqual([
    'model < gpt-4o-2024-08-06 < researcher',
    'step < POST /ask < Attempt 1',
    'step < handler < POST /ask',
    'step < researcher < handler',
  ])
})

test('a span that is sent again is one event, and is charged once', async () => {
  const { call } = await httpYard()
  const span = { traceId: newTraceId(), spanId: spanId(1), attributes: CHAT }
  const replies = await Promise.all([1, 2, 3].map(() => exportSpans(call, [span, span])))
  expect(replies.map(({ status, body }) => [status, body])).toEqual(replies.map(() => [200, {}]))
  expect(await typesOf(call, span.traceId)).toEqual(['usage.recorded', 'run.completed'])
  const { body } = await call('GET', '/v1/usage')
  expect(body.totals).toMatchObject({ models_microusd: 3_500 })
})

test('spans that are of no agent make no run', async () => {
  const { call } = await httpYard()
  const traceId = newTraceId()
  const reply = await exportSpans(call, [
    { traceId, spanId: spanId(1), attributes: { 'db.system.name': 'postgresql' } },
  ])
  expect(reply).toMatchObject({ status: 200, body: {} })
  expect(await call('GET', `/v1/runs/${traceId}`)).toMatchObject({ status: 404 })
})

test('a root that failed fails the run, and what comes late is added to its log', async () => {
  const { call } = await httpYard()
  const traceId = newTraceId()
  await exportSpans(call, [{ traceId, spanId: spanId(1), attributes: AGENT, error: 'no answer' }])
  const { body } = await call('GET', `/v1/runs/${traceId}`)
  expect(body).toMatchObject({ status: 'failed', error: 'no answer' })
  await exportSpans(call, [{ traceId, spanId: spanId(2), parentSpanId: spanId(1), attributes: TOOL }])
  expect(await typesOf(call, traceId)).toEqual(['agent.step.failed', 'run.failed', 'agent.tool_call.completed'])
})

test('a span under way is told of when it has ended', async () => {
  const { call } = await httpYard()
  const span = { traceId: newTraceId(), spanId: spanId(1), attributes: AGENT }
  await exportSpans(call, [{ ...span, end: null }])
  expect((await call('GET', `/v1/runs/${span.traceId}`)).status).toBe(404)
  await exportSpans(call, [span])
  expect((await call('GET', `/v1/runs/${span.traceId}`)).body.status).toBe('completed')
})

describe('runyard.run_id', () => {
  test('attaches spans to a run of the project, whose end it leaves alone', async () => {
    const { call, address } = await httpYard()
    await call('POST', '/v1/jobs', { slug: 'ask', execution: 'worker', queue: 'q' })
    const { body: run } = await call('POST', '/v1/jobs/ask/runs', {})
    const { span, flush } = instrument(address)
    span('invoke_agent', { ...AGENT, 'runyard.run_id': run.id }, () => span('chat', CHAT))
    await flush()
    expect(await typesOf(call, run.id)).toEqual(['run.created', 'usage.recorded', 'agent.step.completed'])
    expect((await call('GET', `/v1/runs/${run.id}`)).body.status).toBe('queued')
    const { body } = await call('GET', '/v1/usage?group_by=job,agent')
    expect(body.data).toMatchObject([{ job_slug: 'ask', agent_id: 'researcher', cost_microusd: 3_500 }])
  })

  test('of a run that the project does not have rejects the spans that name it, and no others', async () => {
    const { call } = await httpYard()
    const theirKey = (await call('POST', '/v1/projects', { id: 'other' })).body.key
    const theirs = { traceId: newTraceId(), spanId: spanId(1), attributes: AGENT }
    await call('POST', '/v1/otlp/v1/traces', requestOf([theirs]), { key: theirKey })
    const ours = { traceId: newTraceId(), spanId: spanId(1), attributes: AGENT }
    const named = {
      traceId: newTraceId(),
      spanId: spanId(1),
      attributes: { ...AGENT, 'runyard.run_id': theirs.traceId },
    }
    const reply = await exportSpans(call, [named, ours])
    expect(reply).toMatchObject({
      status: 200,
      body: { partialSuccess: { rejectedSpans: '1', errorMessage: `1 span: run ${theirs.traceId} not found` } },
    })
    expect((await call('GET', `/v1/runs/${ours.traceId}`)).body.status).toBe('completed')
    const { body } = await call('GET', `/v1/runs/${theirs.traceId}/events`, undefined, { key: theirKey })
    expect(body.data).toHaveLength(2)
  })

  test('needs not be set in a handler that goes on with the trace that it was called in', async () => {
    const { call } = await httpYard()
    await call('POST', '/v1/jobs', { slug: 'ask', execution: 'worker', queue: 'q' })
    const { body: run } = await call('POST', '/v1/jobs/ask/runs', {})
    const traceId = run.id.replaceAll('-', '')
    await exportSpans(call, [{ traceId, spanId: spanId(7), parentSpanId: spanId(6), attributes: TOOL }])
    expect(await typesOf(call, run.id)).toEqual(['run.created', 'agent.tool_call.completed'])
  })
})

test('an agent that only reports is charged to its budget, and is never blocked', async () => {
  const { call } = await httpYard()
  await call('PUT', '/v1/agents/researcher/policy', { policy: { max_spend_usd_per_day: 0.001 } })
  const chat = { ...CHAT, 'gen_ai.agent.name': 'researcher' }
  const trace = () => exportSpans(call, [{ traceId: newTraceId(), spanId: spanId(1), attributes: chat }])
  expect((await trace()).status).toBe(200)
  expect(await trace()).toMatchObject({ status: 200, body: {} })
  const { body } = await call('GET', '/v1/spend?agent_id=researcher')
  expect(body.totals).toMatchObject({ models_microusd: 7_000 })
})

test('spans of many processes at once add up', async () => {
  const { call, address } = await httpYard()
  const programs = Array.from({ length: 4 }, () => instrument(address))
  for (const { span } of programs) for (let i = 0; i < 50; i++) span('chat', CHAT)
  await Promise.all(programs.map(({ flush }) => flush()))
  const sums = await until(
    () => call('GET', '/v1/usage'),
    ({ body }) => body.data[0]?.calls === 200,
  )
  expect(sums.body.totals.models_microusd).toBe(200 * 3_500)
})
