import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { straitSignatureHeaders } from './strait-signature.ts'

const body = '{"text":"größer ✓"}'

test('a receiver with the secret computes the same Strait signature over time and body', () => {
  const headers = straitSignatureHeaders({ secret: 'a secret', body, nowMs: 1_614_265_330_999 })
  const expected = createHmac('sha256', 'a secret')
    .update(Buffer.from(`1614265330.${body}`, 'utf8'))
    .digest('hex')
  expect(headers).toEqual({ 'x-strait-timestamp': '1614265330', 'x-strait-signature': `v1=${expected}` })
})

test('another body, time or secret gives a different Strait signature', () => {
  const sign = (more: object) =>
    straitSignatureHeaders({ secret: 'a', body, nowMs: 1_000, ...more })['x-strait-signature']
  const signatures = [sign({}), sign({ body: `${body} ` }), sign({ nowMs: 2_000 }), sign({ secret: 'b' })]
  expect(new Set(signatures).size).toBe(4)
})

test('without a secret there is no Strait signature', () => {
  expect(straitSignatureHeaders({ secret: '', body, nowMs: 0 })).toEqual({})
})
