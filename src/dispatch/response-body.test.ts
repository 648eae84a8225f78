import fc from 'fast-check'
import { expect, test } from 'vitest'
import { boundedBody, decodeBody } from './response-body.ts'

test('whatever the chunks, the part that fits is kept in order and the rest is dropped', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 9_000 }), { maxLength: 8 }), fc.nat(20_000), (chunks, bytesMax) => {
      const body = boundedBody(bytesMax)
      const fitted = chunks.map((chunk) => body.add(chunk))
      const whole = Buffer.concat(chunks)
      expect(Buffer.from(body.bytes()).equals(whole.subarray(0, bytesMax))).toBe(true)
      expect(fitted.every(Boolean)).toBe(whole.length <= bytesMax)
      expect(body.bytes().buffer.byteLength).toBeLessThanOrEqual(bytesMax)
    }),
  )
})

test('any JSON and any text come back unchanged', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(decodeBody(Buffer.from(text), false)).toEqual({ bodyText: text, isJson: true, json: JSON.parse(text) })
    }),
  )
})

test('truncation inside a character drops it; invalid bytes are replaced', () => {
  const cut = Buffer.from('aé').subarray(0, 2)
  expect(decodeBody(cut, true)).toEqual({ bodyText: 'a', isJson: false })
  expect(decodeBody(cut, false)).toEqual({ bodyText: 'a\uFFFD', isJson: false })
})

test('a truncated body is never taken for JSON', () => {
  expect(decodeBody(Buffer.from('12'), true)).toEqual({ bodyText: '12', isJson: false })
})

test('deeply nested JSON is read without a stack overflow', () => {
  expect(decodeBody(Buffer.from('['.repeat(200_000) + ']'.repeat(200_000)), false).isJson).toBe(true)
})
