import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { connect, type Sql } from '#postgres/sql.ts'
import { asAttempt, claimOne, settleOne, workerJob } from '../support/builders/attempts.ts'
import { awaitBlocked } from '../support/db.ts'
import { type Call, codeOf, httpYard, type Reply, trigger } from '../support/http-yard.ts'

/** As a third party calls: no key, and a body that is sent as it is. */
const callHook = (call: Call, url: string, body: string, headers: Record<string, string> = {}): Promise<Reply> =>
  call('POST', new URL(url).pathname, body, { key: '', headers })

const hmac = (secret: string, text: string) => createHmac('sha256', secret).update(text).digest('hex')

const made = async (call: Call, more: object) => {
  const reply = await call('POST', '/v1/hooks', { name: 'shop', ...more })
  expect(reply.status, JSON.stringify(reply.body)).toBe(201)
  return reply.body
}

test('a third party without a key wakes the run that waits for the event, which gets the body as it came', async () => {
  const { call, url } = await httpYard()
  const hook = await made(call, { event_key: 'paid/{/order/id}' })
  expect(hook).toMatchObject({ sender: 'none', job: null, pass: 'request', rate_limit_per_minute: 600 })
  await call('POST', '/v1/jobs', workerJob('j'))
  await trigger(call, 'j')
  const it = await claimOne(call)
  const asked = { key: 'paid', for: [{ event_key: 'paid/42' }] }
  await asAttempt(call, it, 'waits', asked)
  const body = '{"order": {"id": 42},  "amount": 1.0}'
  const received = await callHook(call, `${hook.url}?from=shop`, body, { 'x-event-kind': 'paid', cookie: 'a=b' })
  expect(received).toMatchObject({ status: 202, body: { status: 'accepted' } })
  const again = await claimOne(call)
  const { items } = (await asAttempt(call, again, 'waits', asked)).body
  expect(items[0].payload).toMatchObject({ encoding: 'utf8', body, query: '', headers: { 'x-event-kind': 'paid' } })
  expect(items[0].payload.headers.cookie).toBeUndefined()
  const [told] = (await call('GET', '/v1/events?type=hook.received')).body.data
  expect(told).toMatchObject({ actor_type: 'hook', actor_id: hook.id, data: { event_key: 'paid/42' } })
  const lost = await callHook(call, hook.url, '{"order": {}}')
  expect([lost.status, codeOf(lost)]).toEqual([422, 'invalid'])
  // The secret is kept nowhere.
  const secret = new URL(hook.url).pathname.split('/').at(-1)!
  const sql = connect(url, { max: 1 })
  const [row] = await sql`select h::text as text from hooks h`
  expect(row!.text).not.toContain(secret)
  const [logged] = await sql`select string_agg(e::text, ' ') as text from events e`
  expect(logged!.text).not.toContain(secret)
  await sql.end()
})

test('a hook triggers its job once for each delivery, however often its sender repeats it', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', workerJob('deploy', { payload_schema: { type: 'object', required: ['ref'] } }))
  const secret = 'a secret'
  const hook = await made(call, { job: 'deploy', sender: 'github', signing_secret: secret, pass: 'json' })
  expect(JSON.stringify((await call('GET', `/v1/hooks/${hook.id}`)).body)).not.toContain(secret)
  const body = '{"ref":"main"}'
  const signed = { 'x-hub-signature-256': `sha256=${hmac(secret, body)}`, 'x-github-delivery': 'one' }
  expect((await callHook(call, hook.url, body, signed)).body).toEqual({ status: 'accepted' })
  expect((await callHook(call, hook.url, body, signed)).body).toEqual({ status: 'duplicate' })
  const runs = (await call('GET', '/v1/runs')).body.data
  expect(runs).toMatchObject([{ job_slug: 'deploy', triggered_by: 'event', created_by: { type: 'hook', id: hook.id } }])
  expect((await call('GET', `/v1/runs/${runs[0].id}`)).body.payload).toEqual({ ref: 'main' })
  const bad = '{}'
  const refused = await callHook(call, hook.url, bad, { 'x-hub-signature-256': `sha256=${hmac(secret, bad)}` })
  expect([refused.status, codeOf(refused)]).toEqual([422, 'invalid'])
})

const STANDARD_KEY = Buffer.from('0123456789abcdef0123456789abcdef')
const STANDARD_SECRET = `whsec_${STANDARD_KEY.toString('base64')}`

/** Signed as the Standard Webhooks say, at a time in seconds. */
const standardHeaders = (body: string, at: number) => ({
  'webhook-id': 'msg_1',
  'webhook-timestamp': String(at),
  'webhook-signature': `v1,other v1,${createHmac('sha256', STANDARD_KEY).update(`msg_1.${at}.${body}`).digest('base64')}`,
})

test('a delivery that is signed anew is a repeat, also after its run has failed', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', workerJob('j', { max_attempts: 1 }))
  const hook = await made(call, { job: 'j', sender: 'standard_webhooks', signing_secret: STANDARD_SECRET })
  const now = Math.floor(Date.now() / 1000)
  const deliver = (at: number) => callHook(call, hook.url, '{}', standardHeaders('{}', at))
  expect((await deliver(now - 3)).body).toEqual({ status: 'accepted' })
  expect(await deliver(now - 2)).toMatchObject({ status: 202, body: { status: 'duplicate' } })
  await settleOne(call, await claimOne(call), { outcome: 'failed', error: 'no luck' })
  expect((await deliver(now - 1)).body).toEqual({ status: 'duplicate' })
  expect((await call('GET', '/v1/runs')).body.data).toMatchObject([{ status: 'dead_letter' }])
})

test('a wrong, missing or old signature of each sender is refused, and a right one is taken', async () => {
  const { call } = await httpYard()
  const body = '{"id":"evt_1","event_id":"Ev1"}'
  const now = Math.floor(Date.now() / 1000)
  const secret = STANDARD_SECRET
  const standard = (at: number) => standardHeaders(body, at)
  const stripe = (at: number) => ({ 'stripe-signature': `t=${at},v1=00,v1=${hmac(secret, `${at}.${body}`)}` })
  const slack = (at: number) => ({
    'x-slack-request-timestamp': String(at),
    'x-slack-signature': `v0=${hmac(secret, `v0:${at}:${body}`)}`,
  })
  for (const [sender, sign] of Object.entries({ standard_webhooks: standard, stripe, slack })) {
    const hook = await made(call, { event_key: sender, sender, signing_secret: secret })
    expect((await callHook(call, hook.url, body, sign(now))).status, sender).toBe(202)
    expect((await callHook(call, hook.url, body, sign(now))).body, sender).toEqual({ status: 'duplicate' })
    for (const headers of [{}, sign(now - 600), sign(Number.NaN)])
      expect(codeOf(await callHook(call, hook.url, body, headers)), sender).toBe('unauthorized')
    expect(codeOf(await callHook(call, hook.url, `${body} `, sign(now))), sender).toBe('unauthorized')
  }
  const hook = await made(call, { event_key: 'slack', sender: 'slack', signing_secret: secret })
  const challenge = '{"type":"url_verification","challenge":"abc"}'
  const headers = {
    'x-slack-request-timestamp': String(now),
    'x-slack-signature': `v0=${hmac(secret, `v0:${now}:${challenge}`)}`,
  }
  expect(await callHook(call, hook.url, challenge, headers)).toMatchObject({ status: 200, body: { challenge: 'abc' } })
})

test('an address can be changed and deleted, has a rate limit, and takes any body within its bound', async () => {
  const { call } = await httpYard()
  const hook = await made(call, { event_key: 'e', rate_limit_per_minute: 6 })
  const next = await call('POST', `/v1/hooks/${hook.id}/rotate`, { grace_secs: 60 })
  expect(next).toMatchObject({ status: 201, body: { id: hook.id, old_address_until: expect.any(String) } })
  expect(next.body.url).not.toBe(hook.url)
  expect((await callHook(call, hook.url, 'plain text', { 'content-type': 'text/plain' })).status).toBe(202)
  expect((await callHook(call, next.body.url, '{not json')).status).toBe(202)
  const last = await call('POST', `/v1/hooks/${hook.id}/rotate`, { grace_secs: 0 })
  expect(codeOf(await callHook(call, next.body.url, '{}'))).toBe('hook_not_found')
  expect((await callHook(call, last.body.url, 'x'.repeat(300_000))).status).toBe(413)
  for (let count = 0; count < 6; count++) await callHook(call, last.body.url, '{}')
  const limited = await callHook(call, last.body.url, '{}')
  expect([limited.status, codeOf(limited)]).toEqual([429, 'rate_limited'])
  expect((await call('DELETE', `/v1/hooks/${hook.id}`)).status).toBe(204)
  expect(codeOf(await callHook(call, last.body.url, '{}'))).toBe('hook_not_found')
  expect((await call('GET', '/v1/hooks')).body.data).toEqual([])
})

test('a hook that is asked for in a wrong way is refused by field', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', workerJob('j'))
  for (const [field, body] of [
    ['event_key', {}],
    ['job', { event_key: 'e', job: 'j' }],
    ['signing_secret', { event_key: 'e', sender: 'stripe' }],
    ['signing_secret', { event_key: 'e', signing_secret: 's' }],
    ['signing_secret', { event_key: 'e', sender: 'standard_webhooks', signing_secret: 'not Base64!' }],
    ['signing_secret', { event_key: 'e', sender: 'standard_webhooks', signing_secret: 'whsec_' }],
    ['sender', { event_key: 'e', sender: 'nobody' }],
    ['name', { event_key: 'e', name: '' }],
  ] as const) {
    const refused = await call('POST', '/v1/hooks', { name: 'n', ...body })
    expect([refused.status, refused.body.error?.details.fields?.[0].field], JSON.stringify(body)).toEqual([422, field])
  }
  expect(codeOf(await call('POST', '/v1/hooks', { name: 'n', job: 'nothing' }))).toBe('job_not_found')
  const hook = await made(call, { event_key: 'e', sender: 'standard_webhooks', signing_secret: STANDARD_SECRET })
  const refused = await call('POST', `/v1/hooks/${hook.id}/rotate`, { signing_secret: 'not Base64!' })
  expect([refused.status, refused.body.error?.details.fields?.[0].field]).toEqual([422, 'signing_secret'])
})

test('JSON is passed on as it was written, and refused when it cannot be kept', async () => {
  const { call, address } = await httpYard()
  const hook = await made(call, { event_key: 'paid/{/list/0}', pass: 'json' })
  await call('POST', '/v1/jobs', workerJob('j'))
  await trigger(call, 'j')
  const it = await claimOne(call)
  const asked = { key: 'k', for: [{ event_key: 'paid/12345678901234567890' }] }
  await asAttempt(call, it, 'waits', asked)
  const body = '{"z":1,"9":1.50,"list":[12345678901234567890],"huge":1e400}'
  expect((await callHook(call, hook.url, body)).body).toEqual({ status: 'accepted' })
  const again = await claimOne(call)
  const kept = await fetch(`${address}/v1/runs/${it.run.id}/state/wait:k`, {
    headers: { authorization: `Bearer ${again.run_token}` },
  })
  expect(await kept.text()).toContain(`"payload":${body}`)
  for (const refused of [
    `{"list":[1],"deep":${'['.repeat(200)}${']'.repeat(200)}}`,
    '{"list":[1],"n":1e200000}',
    '{"list":[""]}',
    '{"list":[{}]}',
    '{"list":{"length":1}}',
    '{}',
  ]) {
    const reply = await callHook(call, hook.url, refused)
    expect([reply.status, reply.body.error?.details.fields?.[0].field], refused).toEqual([422, 'body'])
  }
})

test('a key with an expiry or a rate limit makes no address that exceeds it', async () => {
  const { call } = await httpYard()
  const keyOf = async (more: object) => ({
    key: (await call('POST', '/v1/keys', { name: 'k', scopes: ['runs:write'], ...more })).body.key as string,
  })
  const hook = await made(call, { event_key: 'e' })
  for (const weak of [await keyOf({ expires_in_days: 1 }), await keyOf({ rate_limit_per_minute: 100 })]) {
    const body = { name: 'n', event_key: 'e', rate_limit_per_minute: 101 }
    expect(codeOf(await call('POST', '/v1/hooks', body, weak))).toBe('exceeds_own_rights')
    expect(codeOf(await call('POST', `/v1/hooks/${hook.id}/rotate`, {}, weak))).toBe('exceeds_own_rights')
  }
  const limited = await keyOf({ rate_limit_per_minute: 100 })
  const within = { name: 'n', event_key: 'e', rate_limit_per_minute: 100 }
  expect((await call('POST', '/v1/hooks', within, limited)).status).toBe(201)
})

test('a delivery that comes while its hook is being deleted is answered like the next one, or its run stands', async () => {
  // A deletes both hooks, and is held up before its commit.
  // B delivers to each, and waits for the row of the hook behind A.
  // A commits → the event is not sent (404), and the run, which was triggered before, is accepted.
  const { call, url } = await httpYard()
  await call('POST', '/v1/jobs', workerJob('j'))
  const sends = await made(call, { event_key: 'e' })
  const triggers = await made(call, { job: 'j' })
  const sql = connect(url, { max: 2 }) as unknown as Sql
  const delivered: Promise<Reply>[] = []
  await sql.begin(async (tx) => {
    await tx`delete from hooks`
    for (const hook of [sends, triggers]) delivered.push(callHook(call, hook.url, '{}', { 'webhook-id': 'd1' }))
    await awaitBlocked(sql, 2)
  })
  const [sent, triggered] = await Promise.all(delivered)
  expect([sent!.status, codeOf(sent!)]).toEqual([404, 'hook_not_found'])
  expect(triggered).toMatchObject({ status: 202, body: { status: 'accepted' } })
  expect((await call('GET', '/v1/runs')).body.data).toHaveLength(1)
  expect((await call('GET', '/v1/events?type=hook.received')).body.data).toEqual([])
  expect((await callHook(call, triggers.url, '{}', { 'webhook-id': 'd1' })).status).toBe(404)
  await sql.end()
})
