import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { newSigningSecret, signatureHeaders } from './signature.ts'

const secret = newSigningSecret()
const body = '{"text":"größer ✓"}'

test('a receiver with the Standard Webhooks library verifies a signature of text and of bytes', () => {
  for (const sent of [body, new TextEncoder().encode(body)]) {
    const headers = signatureHeaders({ secret, id: 'msg_1', body: sent, nowMs: Date.now() })
    expect(new Webhook(secret).verify(body, { ...headers })).toEqual({ text: 'größer ✓' })
  }
})

test('the example in the Standard Webhooks specification gets the signature that it states', () => {
  const headers = signatureHeaders({
    secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    body: '{"test": 2432232314}',
    nowMs: 1_614_265_330_999,
  })
  expect(headers).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  })
})

test.each(['other body', `${body} `])('a changed body does not verify: %j', (changed) => {
  const headers = signatureHeaders({ secret, id: 'msg_1', body, nowMs: Date.now() })
  expect(() => new Webhook(secret).verify(changed, { ...headers })).toThrow('No matching signature')
})

test('a signature does not verify with another secret, and every generated secret is different', () => {
  const headers = signatureHeaders({ secret, id: 'msg_1', body, nowMs: Date.now() })
  expect(newSigningSecret()).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
  expect(() => new Webhook(newSigningSecret()).verify(body, { ...headers })).toThrow('No matching signature')
})

test('a byte order mark is part of the signed body', () => {
  const marked = Buffer.from(`\uFEFF${body}`)
  const headers = signatureHeaders({ secret, id: 'msg_1', body: marked, nowMs: Date.now() })
  expect(new Webhook(secret).verify(marked.toString(), { ...headers }, { jsonParse: false })).toBeUndefined()
})

test('bytes that no receiver could verify are not signed, nor is an ambiguous webhook id', () => {
  const now = { secret, nowMs: Date.now() }
  expect(() => signatureHeaders({ ...now, id: 'msg_1', body: Buffer.from([0xff]) })).toThrow()
  expect(() => signatureHeaders({ ...now, id: 'msg.1', body })).toThrow('full stop')
})
