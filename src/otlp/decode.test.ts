import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ATTRIBUTE_BOUNDS } from './attributes.ts'
import { decodeJson, decodeProtobuf } from './decode.ts'
import { encodeReply } from './messages.ts'
import { factOf } from './read-span.ts'

const json = (value: unknown) => decodeJson(Buffer.from(JSON.stringify(value)))
const IDS = { traceId: 'A'.repeat(32), spanId: 'b'.repeat(16) }
const inRequest = (span: object) => ({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] })
const one = (span: object) => json(inRequest({ ...IDS, endTimeUnixNano: '1700000000000000000', ...span }))
const attributesOf = (attributes: unknown) => one({ attributes }).spans[0]!

describe('a request that cannot be read', () => {
  test.each([
    ['', 'The body is not valid JSON.'],
    ['[]', 'The body must be an object with resourceSpans.'],
    ['{"resourceSpans":{}}', 'resourceSpans must be a list'],
    ['{"resourceSpans":[{"scopeSpans":3}]}', 'resourceSpans[0].scopeSpans must be a list'],
    ['{"resourceSpans":[{"scopeSpans":[{},{"spans":""}]}]}', 'resourceSpans[0].scopeSpans[1].spans must be a list'],
    ['{"resourceSpans":[{"resource":{"attributes":{}}}]}', 'resourceSpans[0].resource.attributes must be a list'],
  ])('%s is refused, and the refusal says why', (text, reason) => {
    expect(() => decodeJson(Buffer.from(text))).toThrow(reason)
  })

  test('in protobuf is refused as a whole', () => {
    expect(() => decodeProtobuf(Buffer.from('{"resourceSpans":[]}'))).toThrow('not an ExportTraceServiceRequest')
  })

  test('is never a failure of ours, whatever its bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.json(), (bytes, text) => {
        for (const decode of [
          () => decodeProtobuf(bytes),
          () => decodeJson(bytes),
          () => decodeJson(Buffer.from(text)),
        ])
          try {
            decode()
          } catch (error) {
            expect((error as Error).name).toBe('Refusal')
          }
      }),
      { numRuns: 500 },
    )
  })
})

describe('a span', () => {
  test.each([
    [{ traceId: 'xyz' }, 'traceId must be 16 bytes, not all of them zero'],
    [{ traceId: '0'.repeat(32) }, 'traceId must be 16 bytes, not all of them zero'],
    [{ spanId: '' }, 'spanId must be 8 bytes, not all of them zero'],
    [{ parentSpanId: 'short' }, 'parentSpanId must be 8 bytes, or be left out'],
    [{ attributes: {} }, 'attributes must be a list'],
  ])('with %j is rejected by itself', (wrong, reason) => {
    expect(one(wrong)).toEqual({ spans: [], rejected: [{ reason }] })
  })

  test('has its ids in lower case, and times in milliseconds', () => {
    expect(one({ startTimeUnixNano: 1_700_000_000_000_000_000 }).spans[0]).toMatchObject({
      traceId: 'a'.repeat(32),
      startMs: 1_700_000_000_000,
      endMs: 1_700_000_000_000,
      parentSpanId: null,
    })
  })

  test('that failed says why, by its status or by its exception', () => {
    const events = [
      { name: 'exception', attributes: [{ key: 'exception.message', value: { stringValue: 'no route' } }] },
    ]
    expect(one({ status: { code: 2, message: 'broken' }, events }).spans[0]!.message).toBe('broken')
    expect(one({ status: { code: 2 }, events }).spans[0]!.message).toBe('no route')
    expect(one({ status: { code: 1 }, events }).spans[0]).toMatchObject({ isError: false, message: null })
  })
})

describe('attributes', () => {
  test('have the values of their types', () => {
    const { attributes } = attributesOf([
      { key: 'text', value: { stringValue: 'a' } },
      { key: 'whole', value: { intValue: '12' } },
      { key: 'huge', value: { intValue: '9223372036854775807' } },
      { key: 'double', value: { doubleValue: 0.5 } },
      { key: 'nan', value: { doubleValue: 'NaN' } },
      { key: 'flag', value: { boolValue: false } },
      { key: 'list', value: { arrayValue: { values: [{ intValue: 1 }, { stringValue: 'b' }] } } },
      { key: 'map', value: { kvlistValue: { values: [{ key: 'c', value: { boolValue: true } }] } } },
      { key: 'nothing', value: {} },
    ])
    expect(Object.fromEntries(attributes)).toEqual({
      text: 'a',
      whole: 12,
      huge: '9223372036854775807',
      double: 0.5,
      nan: 'NaN',
      flag: false,
      list: [1, 'b'],
      map: { c: true },
      nothing: null,
    })
  })

  test('that are too many, too long or too deep are dropped or cut, and counted', () => {
    const { countMax, textLengthMax, keyLengthMax, lengthMax } = ATTRIBUTE_BOUNDS
    const many = Array.from({ length: 200 }, (_, index) => ({ key: `k${index}`, value: { intValue: index } }))
    expect(attributesOf(many)).toMatchObject({ dropped: 200 - countMax })
    const [[key, text] = ['', '']] = attributesOf([
      { key: 'k'.repeat(999), value: { stringValue: 'x'.repeat(99_999) } },
    ]).attributes as Map<string, string>
    expect([key.length, text.length]).toEqual([keyLengthMax, textLengthMax])
    const long = Array.from({ length: 50 }, (_, index) => ({
      key: `k${index}`,
      value: { stringValue: 'x'.repeat(9_000) },
    }))
    expect(JSON.stringify([...attributesOf(long).attributes.values()]).length).toBeLessThan(lengthMax + 1_000)
  })

  test('that are nested by the ten thousands are dropped where they are too deep', () => {
    const nested = (depth: number): string =>
      `${'{"arrayValue":{"values":['.repeat(depth)}{"intValue":1}${']}}'.repeat(depth)}`
    const text = JSON.stringify(inRequest({ ...IDS, attributes: [] })).replace(
      '"attributes":[]',
      `"attributes":[{"key":"deep","value":${nested(20_000)}}]`,
    )
    expect(decodeJson(Buffer.from(text)).spans[0]!.dropped).toBe(1)
  })

  test('with hostile names are members like any other, and harm nothing', () => {
    const names = ['__proto__', 'constructor', 'toString', 'a\u0000b', 'line\nbreak']
    const { attributes } = attributesOf([
      ...names.map((key) => ({ key, value: { stringValue: '\u0000\u2028' } })),
      { key: 'map', value: { kvlistValue: { values: [{ key: '__proto__', value: { stringValue: 'polluted' } }] } } },
    ])
    expect([...attributes.keys()]).toEqual(['__proto__', 'constructor', 'toString', 'a\ufffdb', 'line\nbreak', 'map'])
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    expect(Object.getPrototypeOf(attributes.get('map'))).toBe(Object.prototype)
  })

  test('that should be names are put on one line, and others are passed over', () => {
    const fact = factOf(
      attributesOf([
        { key: 'gen_ai.operation.name', value: { stringValue: 'EXECUTE_TOOL' } },
        { key: 'gen_ai.tool.name', value: { stringValue: 'rm\r\n-rf' } },
        { key: 'gen_ai.agent.id', value: { stringValue: '..' } },
        { key: 'gen_ai.agent.name', value: { intValue: 7 } },
      ]),
    )
    expect(fact).toMatchObject({ kind: 'tool', tool: { name: 'rm -rf' }, agentId: undefined })
  })

  test('that should be counts are passed over when they are none', () => {
    const chat = (value: object) =>
      factOf(
        attributesOf([
          { key: 'gen_ai.operation.name', value: { stringValue: 'chat' } },
          { key: 'gen_ai.usage.input_tokens', value },
          { key: 'gen_ai.usage.prompt_tokens', value: { intValue: 5 } },
        ]),
      ).model!.promptTokens
    expect([{ intValue: 3 }, { doubleValue: 3 }, { stringValue: '3' }].map(chat)).toEqual([3, 3, 3])
    expect(
      [{ intValue: -1 }, { doubleValue: 0.5 }, { intValue: '99999999999' }, { stringValue: 'many' }].map(chat),
    ).toEqual([5, 5, 5, 5])
  })
})

test('replies are those of the protocol', () => {
  expect(encodeReply('ExportTraceServiceResponse', {})).toHaveLength(0)
  const partial = encodeReply('ExportTraceServiceResponse', {
    partialSuccess: { rejectedSpans: '2', errorMessage: 'no' },
  })
  expect([...partial]).toEqual([0x0a, 6, 0x08, 2, 0x12, 2, 0x6e, 0x6f])
  expect([...encodeReply('RpcStatus', { message: 'no', error: {} })]).toEqual([0x12, 2, 0x6e, 0x6f])
})
