import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { straitSignatureHeaders } from './strait-signature.ts'

const body = '{"text":"größer ✓"}'

test('time and body are signed together, as a receiver with the secret would', () => {
  const headers = straitSignatureHeaders({ secret: 'a secret', body, nowMs: 1_614_265_330_999 })
  const expected = createHmac('sha256', 'a secret')
    .update(Buffer.from(`1614265330.${body}`, 'utf8'))
    .digest('hex')
  expect(headers).toEqual({ 'x-strait-timestamp': '1614265330', 'x-strait-signature': `v1=${expected}` })
})

test('another body, time or secret is another signature', () => {
  const sign = (more: object) =>
    straitSignatureHeaders({ secret: 'a', body, nowMs: 1_000, ...more })['x-strait-signature']
  const signatures = [sign({}), sign({ body: `${body} ` }), sign({ nowMs: 2_000 }), sign({ secret: 'b' })]
  expect(new Set(signatures).size).toBe(4)
})

test('without a secret nothing is signed', () => {
  expect(straitSignatureHeaders({ secret: '', body, nowMs: 0 })).toEqual({})
})
