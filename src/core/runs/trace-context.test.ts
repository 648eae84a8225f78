import fc from 'fast-check'
import { expect, test } from 'vitest'
import { childSpan, formatTraceparent, newTrace, parseTraceparent } from './trace-context.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'
const random = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

test('a traceparent of version 00 is parsed', () => {
  expect(parseTraceparent(`00-${TRACE}-${SPAN}-01`)).toEqual({ traceId: TRACE, spanId: SPAN, sampled: true })
  expect(parseTraceparent(`00-${TRACE}-${SPAN}-00`)?.sampled).toBe(false)
  expect(parseTraceparent(`00-${TRACE}-${SPAN}-fe`)?.sampled).toBe(false)
})

test('a traceparent of a later version is parsed as far as it is known', () => {
  expect(parseTraceparent(`cc-${TRACE}-${SPAN}-01-what-the-future-brings`)).toMatchObject({ traceId: TRACE })
  expect(parseTraceparent(`cc-${TRACE}-${SPAN}-01`)).toMatchObject({ spanId: SPAN })
})

test.each([
  undefined,
  '',
  'nonsense',
  `00-${TRACE}-${SPAN}`,
  `00-${TRACE}-${SPAN}-01-more`,
  `00-${TRACE}-${SPAN}-01-`,
  `cc-${TRACE}-${SPAN}-01more`,
  `ff-${TRACE}-${SPAN}-01`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  `00-${'0'.repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `00-${TRACE.slice(1)}-${SPAN}-01`,
  `00-${TRACE}-${SPAN}-1`,
  `cc-${TRACE}-${SPAN}-01-${'x'.repeat(600)}`,
])('the traceparent %j is ignored', (header) => {
  expect(parseTraceparent(header)).toBeUndefined()
})

test('a written traceparent can be parsed, whatever the random bytes', () => {
  fc.assert(
    fc.property(fc.oneof(random(24), fc.constant(new Uint8Array(24))), random(8), (bytes, more) => {
      const trace = newTrace(bytes)
      expect(parseTraceparent(formatTraceparent(trace))).toEqual(trace)
      const child = childSpan(trace, more)
      expect(parseTraceparent(formatTraceparent(child))).toEqual(child)
      expect(child.traceId).toBe(trace.traceId)
    }),
  )
})

test('a child span inherits the sampling decision', () => {
  const parent = { traceId: TRACE, spanId: SPAN, sampled: false }
  expect(childSpan(parent, new Uint8Array(8).fill(1))).toEqual({ ...parent, spanId: '01'.repeat(8) })
})

test('too few random bytes are a programming error', () => {
  expect(() => newTrace(new Uint8Array(23))).toThrow('random bytes')
})
