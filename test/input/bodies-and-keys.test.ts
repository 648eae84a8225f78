// How requests are encoded: compressed bodies, and text in headers.
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { httpYard, KEY } from '../support/http-yard.ts'

test('a compressed body is refused as such by every API, and not line by line', async () => {
  const { address } = await httpYard()
  const post = (path: string, contentType: string, encoding: string, body: string | Uint8Array<ArrayBuffer>) =>
    fetch(address + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': contentType, 'content-encoding': encoding },
      body,
    })
  const packed = new Uint8Array(gzipSync('{"slug":"j","execution":"worker"}'))
  for (const [path, type] of [
    ['/v1/jobs', 'application/json'],
    ['/v1/events', 'application/x-ndjson'],
    ['/strait/v1/jobs', 'application/json'],
    ['/onceonly/v1/check-lock', 'application/json'],
    ['/dynamiq/v1/runs', 'application/json'],
  ] as const) {
    const reply = await post(path, type, 'gzip', packed)
    const text = await reply.text()
    expect(reply.status, `${path}: ${text}`).toBe(415)
    expect(text).not.toMatch(/line/i)
  }
  const native = (await (await post('/v1/jobs', 'application/json', 'gzip', packed)).json()) as { error: object }
  expect(native.error).toMatchObject({
    code: 'unsupported_media_type',
    message: 'This call accepts application/json, not application/json encoded as gzip.',
  })
  const plain = await post('/v1/jobs', 'application/json', 'identity', '{"slug":"j","execution":"worker"}')
  expect(plain.status).toBe(201)
})

test('an idempotency key in UTF-8 is the same in the header and in the body', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  const bytes = (text: string) => Buffer.from(text, 'utf8').toString('latin1')
  for (const key of ['Grüße-😀', 'naïve', 'plain', '鍵'.repeat(256)]) {
    const inBody = await call('POST', '/v1/jobs/j/runs', { payload: 1, idempotency_key: key })
    expect(inBody.status).toBe(201)
    const headers = { 'idempotency-key': bytes(key) }
    const inHeader = await call('POST', '/v1/jobs/j/runs', { payload: 1 }, { headers })
    expect(inHeader.body).toMatchObject({ id: inBody.body.id, replayed: true })
    const both = await call('POST', '/v1/jobs/j/runs', { payload: 1, idempotency_key: key }, { headers })
    expect(both.body).toMatchObject({ id: inBody.body.id, replayed: true })
  }
  // A client that does write Latin-1 has a key as well.
  const latin = { headers: { 'idempotency-key': 'Gr\u00fc\u00dfe' } }
  const first = await call('POST', '/v1/jobs/j/runs', {}, latin)
  expect((await call('POST', '/v1/jobs/j/runs', { idempotency_key: 'Grüße' })).body.id).toBe(first.body.id)
  const long = await call('POST', '/v1/jobs/j/runs', {}, { headers: { 'idempotency-key': 'x'.repeat(257) } })
  expect(long.status).toBe(422)
})

test('the payload of a cron schedule is checked against the schema of its job', async () => {
  const { call } = await httpYard()
  const schema = { type: 'object', required: ['month'] }
  const job = { slug: 'j', execution: 'worker', cron: '0 0 1 1 *', payload_schema: schema }
  const fieldOf = (reply: { body: { error: { details: { fields: { field: string }[] } } } }) =>
    reply.body.error.details.fields[0]!.field
  const refused = await call('POST', '/v1/jobs', { ...job, cron_payload: { year: 1 } })
  expect([refused.status, fieldOf(refused)]).toEqual([422, 'cron_payload'])
  expect((await call('POST', '/v1/jobs', { ...job, cron_payload: { month: 1 } })).status).toBe(201)
  const changed = await call('PATCH', '/v1/jobs/j', { cron_payload: {} })
  expect([changed.status, fieldOf(changed)]).toEqual([422, 'cron_payload'])
  const narrowed = await call('PATCH', '/v1/jobs/j', { payload_schema: { ...schema, required: ['year'] } })
  expect([narrowed.status, fieldOf(narrowed)]).toEqual([422, 'cron_payload'])
  expect((await call('PATCH', '/v1/jobs/j', { description: 'as it was' })).status).toBe(200)
})
