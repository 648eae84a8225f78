import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { detail, expire, lease, result, status } from '../../support/builders/once-leases.ts'
import { callerOf, openNode } from '../../support/http-yard.ts'
import { ISO, onceOf, onceYard } from '../../support/once-yard.ts'

test('the first caller of a key acquires its lease, and others are told to wait', async () => {
  const { call, stranger } = await onceYard()
  const first = await lease(call, 'support_chat_001', { ttl: 60 })
  expect(first.status).toBe(200)
  expect(first.body).toEqual({
    ok: true,
    status: 'acquired',
    key: 'support_chat_001',
    ttl: 60,
    ttl_left: null,
    lease_id: expect.stringMatching(/^lease_[0-9a-f]{32}$/),
    version: 1,
    first_seen_at: expect.stringMatching(ISO),
    done_at: null,
    result_hash: null,
    error_code: null,
    retry_after_sec: null,
    usage: 1,
    limit: 10_000_000,
    charged: 1,
  })
  const second = await lease(call, 'support_chat_001')
  expect(second.body).toMatchObject({
    status: 'polling',
    lease_id: first.body.lease_id,
    version: 1,
    retry_after_sec: 5,
    usage: 1,
    charged: 0,
  })
  expect(second.body.ttl_left).toBeGreaterThan(55)
  expect((await status(call, 'support_chat_001')).body).toMatchObject({ ok: true, status: 'in_progress', version: 1 })
  expect((await result(call, 'support_chat_001')).body).toMatchObject({ ok: true, status: 'in_progress', result: null })
  // Another project has a key of its own.
  expect((await status(stranger, 'support_chat_001')).status).toBe(404)
  expect((await lease(stranger, 'support_chat_001')).body.status).toBe('acquired')
  const usage = (await call('GET', '/usage/all')).body.ai
  expect(usage).toMatchObject({ usage: 1, requests_total_month: 2, charged_total_month: 1, polling_total_month: 1 })
})

test('a lease is a run whose timeline and state follow it, as the reference shows', async () => {
  const { call, native } = await onceYard()
  const { lease_id } = (await lease(call, 'support_chat_001', { metadata: { run_id: 'run_support_001' } })).body
  expect((await native('GET', '/v1/runs/run_support_001')).body).toMatchObject({ status: 'executing' })
  const ended = await call('POST', '/ai/complete', {
    key: 'support_chat_001',
    lease_id,
    result: { answer: 42 },
    result_hash: 'h42',
  })
  expect(ended.body).toEqual({
    ...{ ok: true, status: 'completed', key: 'support_chat_001', lease_id, version: 1 },
    ...{ done_at: expect.stringMatching(ISO), result_hash: 'h42', error_code: null },
  })
  const timeline = (await call('GET', '/runs/run_support_001')).body
  const about = { id: expect.any(Number), run_id: 'run_support_001', ts: expect.any(Number), lease_id }
  expect(timeline).toEqual({
    run_id: 'run_support_001',
    total: 2,
    events: [
      { ...about, type: 'run_started', status: 'in_progress', data: { key: 'support_chat_001' } },
      { ...about, type: 'run_finished', status: 'completed' },
    ],
  })
  expect((await call('GET', '/runs?q=run_support_')).body.items).toMatchObject([
    { run_id: 'run_support_001', last_type: 'run_finished', last_status: 'completed', events_count: 2 },
  ])
  const run = (await native('GET', '/v1/runs/run_support_001')).body
  expect(run).toMatchObject({ status: 'completed' })
  const feed = (await call('GET', '/events')).body
  expect(feed).toMatchObject([
    { type: 'ai_completed', key: 'support_chat_001', lease_id },
    { type: 'ai_acquired', key: 'support_chat_001', lease_id },
  ])
  expect((await result(call, 'support_chat_001')).body).toEqual({
    ...{ ok: true, status: 'completed', key: 'support_chat_001', result: { answer: 42 } },
    ...{ result_hash: 'h42', error_code: null, done_at: expect.stringMatching(ISO) },
  })
  const again = await lease(call, 'support_chat_001')
  expect(again.body).toMatchObject({ status: 'completed', charged: 0, usage: 1, retry_after_sec: null, lease_id })
})

test('failed or cancelled work has the status failed, with its code, and that is the answer for its key', async () => {
  const { call, native } = await onceYard()
  const bad = (await lease(call, 'bad')).body
  const failed = await call('POST', '/ai/fail', { key: 'bad', lease_id: bad.lease_id, error_code: 'model_overloaded' })
  expect(failed.body).toMatchObject({ ok: true, status: 'failed', error_code: 'model_overloaded' })
  expect((await status(call, 'bad')).body).toMatchObject({
    status: 'failed',
    error_code: 'model_overloaded',
    ttl_left: null,
  })
  expect((await lease(call, 'bad')).body).toMatchObject({
    status: 'failed',
    error_code: 'model_overloaded',
    charged: 0,
  })
  expect((await native('GET', '/v1/runs/bad')).body).toMatchObject({ status: 'failed', error_code: 'model_overloaded' })
  const dropped = (await lease(call, 'dropped')).body
  const cancelled = await call('POST', '/ai/cancel', {
    key: 'dropped',
    lease_id: dropped.lease_id,
    reason: 'not needed',
  })
  expect(cancelled.body).toMatchObject({ ok: true, status: 'cancelled', error_code: 'cancelled' })
  expect((await status(call, 'dropped')).body).toMatchObject({ status: 'failed', error_code: 'cancelled' })
  expect((await native('GET', '/v1/runs/dropped')).body.status).toBe('canceled')
  expect((await call('GET', '/runs/dropped')).body.events.at(-1)).toMatchObject({
    ...{ type: 'run_finished', status: 'cancelled', message: 'not needed' },
    data: { error_code: 'cancelled' },
  })
  const types = (await call('GET', '/events')).body.map((it: { type: string }) => it.type)
  expect(types.filter((type: string) => type === 'ai_failed')).toHaveLength(2)
})

test('only the holder can extend or end a lease; reporting the same outcome twice changes nothing', async () => {
  const { call } = await onceYard()
  const { lease_id } = (await lease(call, 'k', { ttl: 60 })).body
  const held = { key: 'k', lease_id }
  const wrong = { key: 'k', lease_id: 'lease_of_another' }
  expect((await call('POST', '/ai/extend', { ...held, ttl: 120 })).body).toEqual({
    ...{ ok: true, status: 'extended', key: 'k', ttl: 120, lease_id, version: 2 },
  })
  expect((await status(call, 'k')).body).toMatchObject({ version: 2 })
  for (const [path, more] of [
    ['extend', { ttl: 60 }],
    ['complete', {}],
    ['fail', { error_code: 'x' }],
    ['cancel', {}],
  ] as const) {
    const refused = await call('POST', `/ai/${path}`, { ...wrong, ...more })
    expect([refused.status, detail(refused)]).toEqual([409, 'not_lease_holder'])
    const unknown = await call('POST', `/ai/${path}`, { ...wrong, key: 'unknown', ...more })
    expect([unknown.status, detail(unknown)]).toEqual([404, 'lease_not_found'])
  }
  expect((await call('POST', '/ai/complete', { ...held, result: { n: 1 } })).status).toBe(200)
  expect((await call('POST', '/ai/complete', { ...held, result: { n: 2 } })).body.status).toBe('completed')
  expect((await result(call, 'k')).body.result).toEqual({ n: 1 })
  const late = await call('POST', '/ai/fail', { ...held, error_code: 'x' })
  expect([late.status, detail(late)]).toEqual([409, 'lease_over'])
  expect((await call('POST', '/ai/extend', { ...held, ttl: 60 })).status).toBe(409)
  expect((await call('GET', '/runs/k')).body.total).toBe(2)
})

test('of five hundred simultaneous callers on two nodes exactly one acquires the key', {
  timeout: 60_000,
}, async () => {
  const { call, url, native } = await onceYard()
  const other = onceOf(callerOf((await openNode(url)).address))
  const replies = await Promise.all(Array.from({ length: 500 }, (_, n) => lease(n % 2 ? call : other, 'herd')))
  const acquired = replies.filter((it) => it.body.status === 'acquired')
  expect(acquired).toHaveLength(1)
  expect(replies.filter((it) => it.body.status === 'polling')).toHaveLength(499)
  expect(new Set(replies.map((it) => it.body.lease_id))).toEqual(new Set([acquired[0]!.body.lease_id]))
  expect((await call('GET', '/runs/herd')).body.total).toBe(1)
  expect((await native('GET', '/v1/runs/herd')).body.status).toBe('executing')
  expect((await call('GET', '/usage?kind=ai')).body).toMatchObject({ usage: 1, requests_total_month: 500 })
  // And of as many who ask when it has run out, one again.
  await expire(url, 'herd')
  const late = await Promise.all(Array.from({ length: 200 }, (_, n) => lease(n % 2 ? call : other, 'herd')))
  expect(late.filter((it) => it.body.status === 'acquired')).toHaveLength(1)
})

test('an expired lease has the status failed, can be acquired again, and its timeline says so', async () => {
  const { call, url, native } = await onceYard()
  const old = (await lease(call, 'k')).body
  await expire(url, 'k')
  expect((await status(call, 'k')).body).toMatchObject({ status: 'failed', error_code: 'lease_expired' })
  const next = (await lease(call, 'k')).body
  expect(next).toMatchObject({ status: 'acquired', version: 1, charged: 1 })
  expect(next.lease_id).not.toBe(old.lease_id)
  expect((await call('POST', '/ai/complete', { key: 'k', lease_id: old.lease_id })).status).toBe(409)
  expect((await call('POST', '/ai/complete', { key: 'k', lease_id: next.lease_id })).status).toBe(200)
  const { events } = (await call('GET', '/runs/k')).body
  expect(events.map((it: { type: string; lease_id: string }) => [it.type, it.lease_id])).toEqual([
    ['run_started', old.lease_id],
    ['lease_expired', old.lease_id],
    ['run_started', next.lease_id],
    ['run_finished', next.lease_id],
  ])
  expect((await native('GET', '/v1/runs/k')).body.status).toBe('completed')
  // Under another run the old one is over.
  await lease(call, 'two', { metadata: { run_id: 'first' } })
  await expire(url, 'two')
  await lease(call, 'two', { metadata: { run_id: 'second' } })
  expect((await native('GET', '/v1/runs/first')).body.status).toBe('timed_out')
  expect((await call('GET', '/runs/first')).body.events.at(-1)).toMatchObject({
    type: 'run_finished',
    status: 'timed_out',
  })
  expect((await native('GET', '/v1/runs/second')).body.status).toBe('executing')
})

test('the holder can still end an expired lease while nobody else has the key', async () => {
  const { call, url } = await onceYard()
  const { lease_id } = (await lease(call, 'k')).body
  await expire(url, 'k')
  expect((await call('POST', '/ai/complete', { key: 'k', lease_id, result: {} })).body.status).toBe('completed')
})

test('after seven days an outcome is forgotten, and the key is new', async () => {
  const { call, url } = await onceYard()
  const { lease_id } = (await lease(call, 'k')).body
  await call('POST', '/ai/complete', { key: 'k', lease_id, result: { n: 1 } })
  const sql = connect(url, { max: 1 })
  const [row] = await sql`select extract(epoch from expires_at - now())::int as left from ai_leases where key = 'k'`
  await sql.end()
  expect(row!.left).toBeGreaterThan(7 * 86_400 - 60)
  await expire(url, 'k')
  expect((await status(call, 'k')).status).toBe(404)
  expect((await result(call, 'k')).status).toBe(404)
  expect((await lease(call, 'k')).body).toMatchObject({ status: 'acquired', charged: 1 })
})

test("a ttl above the plan's maximum is reduced to it", async () => {
  const { call } = await onceYard()
  expect((await lease(call, 'a', { ttl: 2_000_000_000 })).body.ttl).toBe(30 * 86_400)
  expect((await lease(call, 'b')).body.ttl).toBe(86_400)
})

test('a plan with a hard monthly limit returns 402, even when many ask at once', {
  timeout: 120_000,
}, async () => {
  const { call, url } = await onceYard()
  const sql = connect(url, { max: 1 })
  await sql`update projects set plan = 'free' where id = 'default'`
  await sql`insert into plan_usage (project_id, kind, day, shard, requests, charged, blocked, polling)
    values ('default', 'ai', (now() at time zone 'UTC')::date, 0, 2997, 2997, 0, 0)`
  await sql.end()
  const replies = await Promise.all(Array.from({ length: 20 }, (_, n) => lease(call, `k${n}`)))
  expect(replies.filter((it) => it.status === 200)).toHaveLength(3)
  const refused = replies.find((it) => it.status === 402)!
  expect(refused.body.detail).toMatchObject({ error: 'payment_required', plan: 'free', limit: 3000, usage: 3000 })
  expect((await call('GET', '/usage?kind=ai')).body).toMatchObject({ usage: 3000, blocked_total_month: 17 })
  // Who only asks how a key stands needs no room.
  const key = replies.find((it) => it.status === 200)!.body.key
  expect((await lease(call, key)).body.status).toBe('polling')
})

test('invalid AI leases and calls are refused by field', async () => {
  const { call } = await onceYard()
  const bad = async (path: string, body: unknown, loc: unknown[]) => {
    const reply = await call('POST', path, body)
    expect([reply.status, reply.body.detail?.[0]?.loc]).toEqual([422, loc])
  }
  await bad('/ai/lease', {}, ['body', 'key'])
  await bad('/ai/lease', { key: '' }, ['body', 'key'])
  await bad('/ai/lease', { key: 'x'.repeat(257) }, ['body', 'key'])
  await bad('/ai/lease', { key: 'k', ttl: 0 }, ['body', 'ttl'])
  await bad('/ai/lease', { key: 'k', metadata: [] }, ['body', 'metadata'])
  await bad('/ai/lease', { key: 'k', metadata: { run_id: ' ' } }, ['body', 'metadata', 'run_id'])
  await bad('/ai/complete', { key: 'k' }, ['body', 'lease_id'])
  await bad('/ai/complete', { key: 'k', lease_id: 'l', result: 'text' }, ['body', 'result'])
  await bad('/ai/fail', { key: 'k', lease_id: 'l' }, ['body', 'error_code'])
  await bad('/ai/run', {}, ['body'])
  await bad('/ai/run', { key: 'k', agent_id: 'a', tool: 't' }, ['body'])
  await bad('/ai/run', { agent_id: 'a' }, ['body', 'tool'])
  await bad('/ai/run', { tool: 't' }, ['body', 'agent_id'])
  await bad('/ai/run', { agent_id: 'a', tool: 't', spend_usd: -1 }, ['body', 'spend_usd'])
  await bad('/ai/run', { key: 'k', metadata: { actions: [{}] } }, ['body', 'metadata', 'actions', 0, 'tool'])
  const noKey = await call('GET', '/ai/status')
  expect([noKey.status, noKey.body.detail[0].loc]).toEqual([422, ['query', 'key']])
  const unknown = await call('GET', '/ai/result?key=unknown')
  expect([unknown.status, detail(unknown)]).toEqual([404, 'lease_not_found'])
  expect((await call('POST', '/ai/lease', { key: 'k' }, { key: 'none' })).status).toBe(403)
})

// Actions that are executed here ------------------------------------------------------------------------------
