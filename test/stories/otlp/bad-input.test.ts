// What cannot be taken over OTLP is refused in the encoding of the request, and harms nobody else.
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { httpYard, KEY } from '#test/support/http-yard.ts'
import { exportSpans, newTraceId, requestOf, spanId, TRACES } from './exporter.ts'

const PROTOBUF = 'application/x-protobuf'
const AGENT = { 'gen_ai.operation.name': 'invoke_agent' }

async function sender() {
  const yard = await httpYard()
  const send = async (body: Uint8Array<ArrayBuffer> | string, headers: Record<string, string>) => {
    const response = await fetch(yard.address + TRACES, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, ...headers },
      body,
    })
    const { status } = response
    return { status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) }
  }
  return { ...yard, send }
}

describe('a body', () => {
  test('that decompresses to more than a body may have is refused', async () => {
    const { send } = await sender()
    const bomb = gzipSync(Buffer.alloc(40 * 1024 * 1024, ' '))
    const reply = await send(bomb, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
    expect(reply.status).toBe(413)
    expect(JSON.parse(String(reply.bytes))).toMatchObject({
      message: 'The decompressed body exceeds 16777216 bytes.',
      error: { code: 'too_large' },
    })
  })

  test('in protobuf is answered in protobuf, errors included', async () => {
    const { send } = await sender()
    const empty = await send(new Uint8Array(), { 'content-type': PROTOBUF })
    expect([empty.status, empty.headers.get('content-type'), empty.bytes.length]).toEqual([200, PROTOBUF, 0])
    const broken = await send('{}{', { 'content-type': PROTOBUF })
    expect([broken.status, broken.headers.get('content-type')]).toEqual([400, PROTOBUF])
    expect(String(broken.bytes)).toContain('The body is not an ExportTraceServiceRequest in protobuf.')
    const stranger = await send('', { 'content-type': PROTOBUF, authorization: 'Bearer nobody' })
    expect([stranger.status, stranger.headers.get('content-type')]).toEqual([401, PROTOBUF])
  })

  test('that is no gzip, has another encoding or another type is refused', async () => {
    const { send } = await sender()
    const json = { 'content-type': 'application/json' }
    expect((await send('{}', { ...json, 'content-encoding': 'gzip' })).status).toBe(400)
    expect((await send('{}', { ...json, 'content-encoding': 'br' })).status).toBe(415)
    expect((await send('{}', { 'content-type': 'text/plain' })).status).toBe(415)
    const wrong = await send('{"resourceSpans":{}}', json)
    expect([wrong.status, JSON.parse(String(wrong.bytes)).message]).toEqual([400, 'resourceSpans must be a list'])
  })

  test('may be compressed here, and nowhere else', async () => {
    const { send, address } = await sender()
    const span = { traceId: newTraceId(), spanId: spanId(1), attributes: AGENT }
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
    expect((await send(gzipSync(JSON.stringify(requestOf([span]))), headers)).status).toBe(200)
    const elsewhere = await fetch(`${address}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, ...headers },
      body: gzipSync('{}'),
    })
    expect(elsewhere.status).toBe(415)
  })
})

test('spans that are wrong are counted by reason, and those beside them are taken', async () => {
  const { call } = await httpYard()
  const good = { traceId: newTraceId(), spanId: spanId(1), attributes: AGENT }
  const { body } = await exportSpans(call, [
    good,
    { ...good, spanId: 'x' },
    { ...good, traceId: '' },
    { ...good, spanId: '' },
  ])
  expect(body.partialSuccess).toEqual({
    rejectedSpans: '3',
    errorMessage:
      '2 spans: spanId must be 8 bytes, not all of them zero; 1 span: traceId must be 16 bytes, not all of them zero',
  })
  expect((await call('GET', `/v1/runs/${good.traceId}`)).body.status).toBe('completed')
})

test('tokens that would cost more than a call can are rejected', async () => {
  const { call } = await httpYard()
  await call('PUT', '/v1/prices/openai/dear', {
    prompt_microusd_per_million: 1_000_000_000_000,
    completion_microusd_per_million: 0,
  })
  const chat = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.system': 'openai',
    'gen_ai.request.model': 'dear',
    'gen_ai.usage.input_tokens': 2_000_000_000,
  }
  const traceId = newTraceId()
  const { body } = await exportSpans(call, [
    { traceId, spanId: spanId(1), attributes: chat },
    { traceId, spanId: spanId(2), attributes: AGENT },
  ])
  expect(body.partialSuccess).toMatchObject({ rejectedSpans: '1' })
  expect((await call('GET', `/v1/runs/${traceId}/events`)).body.data).toHaveLength(2)
})

test('hostile attributes are kept as what they are', async () => {
  const { call } = await httpYard()
  const traceId = newTraceId()
  const attributes = { ...AGENT, ['__proto__']: 'x', constructor: 'y', 'a\u0000b': '\u0000\u2028\ud800' }
  expect((await exportSpans(call, [{ traceId, spanId: spanId(1), name: 'a\r\n\u2028b', attributes }])).status).toBe(200)
  const { body } = await call('GET', `/v1/runs/${traceId}/events`)
  expect(body.data[0].step).toBe('a b')
  expect(Object.entries(body.data[0].data.attributes)).toEqual([
    ['gen_ai.operation.name', 'invoke_agent'],
    ['__proto__', 'x'],
    ['constructor', 'y'],
    ['a\ufffdb', '\ufffd\u2028\ufffd'],
  ])
})

test('ten thousand spans are taken at once, and no more', { timeout: 120_000 }, async () => {
  const { call } = await httpYard()
  const traceId = newTraceId()
  const tool = { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'search' }
  const spans = Array.from({ length: 10_001 }, (_, index) => ({
    traceId,
    spanId: spanId(index + 2),
    parentSpanId: spanId(1),
    attributes: tool,
  }))
  const { body } = await exportSpans(call, spans)
  expect(body.partialSuccess).toEqual({
    rejectedSpans: '1',
    errorMessage: '1 span: a request may have 10000 spans',
  })
  expect((await call('GET', `/v1/runs/${traceId}`)).body).toMatchObject({ status: 'executing' })
})
