import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { deleteExpiredLocks } from '#usage/locks.sql.ts'
import { callerOf, openNode, type Reply } from '../../support/http-yard.ts'
import { onceOf, onceYard } from '../../support/once-yard.ts'

const statuses = (replies: Reply[]) => replies.map(({ body }) => body.status)

test('the first caller gets the lock, and the second is told when it was taken', async () => {
  const { call } = await onceYard()
  const before = Date.now()
  const first = await call('POST', '/check-lock', { key: 'order:1', ttl: 60, metadata: { user: 1 } })
  expect(first.status).toBe(200)
  expect(first.body).toEqual({ success: true, status: 'locked', key: 'order:1', ttl: 60, first_seen_at: null })
  expect(first.headers.get('x-onceonly-status')).toBe('locked')
  expect(first.headers.get('x-request-id')).toBeTruthy()
  const second = await call(
    'POST',
    '/check-lock',
    { key: 'order:1', ttl: 60 },
    { headers: { 'x-request-id': 'mine-1' } },
  )
  expect(second.status).toBe(200)
  expect(second.body).toEqual({
    success: false,
    status: 'duplicate',
    key: 'order:1',
    ttl: 60,
    first_seen_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
  })
  expect(Math.abs(Date.parse(second.body.first_seen_at) - before)).toBeLessThan(60_000)
  expect(second.headers.get('x-onceonly-status')).toBe('duplicate')
  expect(second.headers.get('x-request-id')).toBe('mine-1')
})

test('of 500 callers on two nodes that ask for one key at once, exactly one gets the lock', async () => {
  const yard = await onceYard()
  const other = onceOf(callerOf((await openNode(yard.url)).address))
  for (const key of ['herd', 'herd again']) {
    const replies = await Promise.all(
      Array.from({ length: 500 }, (_, n) => (n % 2 ? yard.call : other)('POST', '/check-lock', { key, ttl: 60 })),
    )
    expect(replies.every(({ status }) => status === 200)).toBe(true)
    expect(statuses(replies).filter((status) => status === 'locked')).toHaveLength(1)
    const seen = new Set(replies.flatMap(({ body }) => body.first_seen_at ?? []))
    expect(seen.size, 'all are told the same time').toBe(1)
  }
  const usage = await yard.call('GET', '/usage')
  expect(usage.body).toMatchObject({ usage: 1000, requests_total_month: 1000, blocked_total_month: 998 })
})

test('many callers that ask for many keys at once get each key once', async () => {
  const yard = await onceYard()
  const other = onceOf(callerOf((await openNode(yard.url)).address))
  const keys = Array.from({ length: 40 }, (_, n) => `key ${n}`)
  const asks = Array.from({ length: 10 }, (_, n) => (n % 2 ? keys : keys.toReversed())).flat()
  const replies = await Promise.all(asks.map((key, n) => (n % 3 ? yard.call : other)('POST', '/check-lock', { key })))
  const winners = replies.filter(({ body }) => body.status === 'locked').map(({ body }) => body.key)
  expect(winners.toSorted()).toEqual(keys.toSorted())
})

test('an expired lock is free again, to exactly one caller, and is deleted', async () => {
  const yard = await onceYard()
  const sql = connect(yard.url, { max: 1 })
  try {
    await yard.call('POST', '/check-lock', { key: 'a', ttl: 10 })
    await sql`update locks set first_seen_at = first_seen_at - interval '11 s', expires_at = expires_at - interval '11 s'`
    const replies = await Promise.all(
      Array.from({ length: 50 }, () => yard.call('POST', '/check-lock', { key: 'a', ttl: 60 })),
    )
    expect(statuses(replies).filter((status) => status === 'locked')).toHaveLength(1)
    await yard.call('POST', '/check-lock', { key: 'b', ttl: 60 })
    await sql`update locks set expires_at = clock_timestamp() - interval '1 s' where key = 'b'`
    // The node sweeps as well, and may have been first.
    await deleteExpiredLocks(sql, 100)
    expect((await sql`select key from locks`).map(({ key }) => key)).toEqual(['a'])
  } finally {
    await sql.end()
  }
})

test('equal keys of two projects are independent', async () => {
  const { call, stranger } = await onceYard()
  expect((await call('POST', '/check-lock', { key: 'a' })).body.status).toBe('locked')
  expect((await stranger('POST', '/check-lock', { key: 'a' })).body.status).toBe('locked')
  expect((await stranger('POST', '/check-lock', { key: 'a' })).body.status).toBe('duplicate')
})

test('the ttl is clamped to the bounds of the plan', async () => {
  const { call } = await onceYard()
  const ttlOf = async (ttl: number | undefined | null, key: string) =>
    (await call('POST', '/check-lock', { key, ttl })).body.ttl
  expect(await ttlOf(1, 'a')).toBe(10)
  expect(await ttlOf(undefined, 'b')).toBe(86_400)
  expect(await ttlOf(null, 'c')).toBe(86_400)
  expect(await ttlOf(10 ** 9, 'd')).toBe(30 * 86_400)
})

test('an invalid lock request is refused with a list of fields', async () => {
  const { call } = await onceYard()
  for (const [body, loc, type] of [
    [{}, ['body', 'key'], 'missing'],
    [{ key: '' }, ['body', 'key'], 'string_too_short'],
    [{ key: 'x'.repeat(257) }, ['body', 'key'], 'string_too_long'],
    [{ key: 5 }, ['body', 'key'], 'string_type'],
    [{ key: 'a', ttl: 0 }, ['body', 'ttl'], 'greater_than_equal'],
    [{ key: 'a', ttl: 1.5 }, ['body', 'ttl'], 'int_from_float'],
    [{ key: 'a', metadata: 'x' }, ['body', 'metadata'], 'dict_type'],
    [{ key: 'a', metadata: { x: 'x'.repeat(2048) } }, ['body', 'metadata'], 'value_error'],
  ] as const) {
    const reply = await call('POST', '/check-lock', body)
    expect(reply.status, JSON.stringify(body).slice(0, 80)).toBe(422)
    expect(reply.body.detail).toEqual([{ type, loc, msg: expect.any(String), input: expect.anything() }])
  }
  expect(
    (await call('POST', '/check-lock', { key: 'x'.repeat(256), metadata: { x: 'x'.repeat(2000) }, more: 1 })).status,
  ).toBe(200)
})

test('clients can tell a missing key from an invalid one', async () => {
  const { call } = await onceYard()
  expect(await call('POST', '/check-lock', { key: 'a' }, { key: '' })).toMatchObject({
    status: 401,
    body: { detail: 'Missing Authorization Bearer token' },
  })
  for (const [method, path] of [
    ['POST', '/check-lock'],
    ['GET', '/events'],
    ['GET', '/runs'],
    ['GET', '/me'],
    ['GET', '/usage'],
  ])
    expect(
      await call(method!, path!, method === 'POST' ? { key: 'a' } : undefined, { key: 'once_live_nobody' }),
    ).toMatchObject({
      status: 403,
      body: { detail: 'Invalid API key' },
    })
})

test('while the database is unavailable the response is 503, and never 500', async () => {
  const yard = await onceYard()
  const sql = connect(yard.url, { max: 1 })
  try {
    expect((await yard.call('POST', '/check-lock', { key: 'a' })).body.status).toBe('locked')
    // What no statement may expect: a table that is not as it was.
    await sql`alter table locks rename to locks_away`
    const away = await yard.call('POST', '/check-lock', { key: 'b' })
    expect([away.status, away.headers.get('retry-after')]).toEqual([503, '1'])
    expect(away.body.detail.error).toBe('unavailable')
    await sql`alter table locks_away rename to locks`
    expect((await yard.call('POST', '/check-lock', { key: 'b' })).body.status).toBe('locked')
  } finally {
    await sql.end()
  }
})
