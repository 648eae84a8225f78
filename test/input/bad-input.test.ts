import { describe, expect, test } from 'vitest'
import { httpYard } from '../support/http-yard.ts'

const fieldsOf = (reply: { body: { error: { details?: { fields?: { field: string }[] } } } }) =>
  reply.body.error.details?.fields?.map((it) => it.field)

test('malformed JSON is reported with its position', async () => {
  const { call } = await httpYard()
  const reply = await call('POST', '/v1/jobs', '{"slug": "a",\n "execution": }')
  expect([reply.status, reply.body.error.code]).toEqual([400, 'malformed'])
  expect(reply.body.error.message).toMatch(/line 2/)
  expect(reply.body.request_id).toBe(reply.headers.get('x-request-id'))
})

test('every invalid field is named, and nothing is created', async () => {
  const { call } = await httpYard()
  const reply = await call('POST', '/v1/jobs', {
    slug: 'UPPER',
    execution: 'carrier pigeon',
    priority: 11,
    max_attempts: '3',
    timeout_secs: 0,
    unknown: 1,
  })
  expect(reply.status).toBe(422)
  expect(fieldsOf(reply)?.sort()).toEqual(['execution', 'max_attempts', 'priority', 'slug', 'timeout_secs', 'unknown'])
  expect((await call('GET', '/v1/jobs')).body.data).toEqual([])
})

describe('a job with an invalid field', () => {
  const cases: [string, object, string][] = [
    ['without an endpoint', { execution: 'http' }, 'endpoint_url'],
    [
      'with an endpoint that it would not use',
      { execution: 'worker', endpoint_url: 'https://example.com' },
      'endpoint_url',
    ],
    ['with an endpoint that is no URL', { execution: 'http', endpoint_url: 'not a url' }, 'endpoint_url'],
    ['with an endpoint that is not HTTP', { execution: 'http', endpoint_url: 'ftp://example.com/x' }, 'endpoint_url'],
    ['with a loopback endpoint', { execution: 'http', endpoint_url: 'http://127.0.0.1/x' }, 'endpoint_url'],
    ['with a loopback endpoint in decimal', { execution: 'http', endpoint_url: 'http://2130706433/x' }, 'endpoint_url'],
    ['with a mapped IPv6 endpoint', { execution: 'http', endpoint_url: 'http://[::ffff:10.0.0.1]/x' }, 'endpoint_url'],
    ['with a metadata endpoint', { execution: 'http', endpoint_url: 'http://169.254.169.254/latest' }, 'endpoint_url'],
    [
      'with a name that resolves to a private address',
      { execution: 'http', endpoint_url: 'http://localhost/x' },
      'endpoint_url',
    ],
    ['with a cron that is none', { execution: 'worker', cron: 'every day' }, 'cron'],
    ['with a cron that never fires', { execution: 'worker', cron: '0 0 30 2 *' }, 'cron'],
    ['with a time zone that is none', { execution: 'worker', cron: '0 0 * * *', timezone: 'Mars/Olympus' }, 'timezone'],
    ['with a schema that is none', { execution: 'worker', payload_schema: { type: 'no such type' } }, 'payload_schema'],
    ['with custom delays that are missing', { execution: 'worker', retry_strategy: 'custom' }, 'retry_delays_secs'],
  ]
  test('a job with an invalid field is refused with that field named', async () => {
    const { call } = await httpYard({ RUNYARD_EGRESS: 'public' })
    for (const [name, body, field] of cases) {
      const reply = await call('POST', '/v1/jobs', { slug: 'j', ...body })
      expect([reply.status, fieldsOf(reply)], `${name}: ${JSON.stringify(reply.body)}`).toEqual([422, [field]])
    }
    expect((await call('GET', '/v1/jobs')).body.data).toEqual([])
  })
})

test('an invalid trigger is refused with its field named, and no run is created', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', {
    slug: 'j',
    execution: 'worker',
    payload_schema: { type: 'object', required: ['a'], properties: { a: { type: 'number' } } },
  })
  const payload = { a: 1 }
  const hour = 3_600_000
  const cases: [object | string, number, string | undefined][] = [
    [{ payload: {} }, 422, 'payload'],
    [{ payload: { a: 'x' } }, 422, 'payload.a'],
    [{ payload, scheduled_at: new Date(Date.now() - hour).toISOString() }, 422, 'scheduled_at'],
    [{ payload, scheduled_at: new Date(Date.now() + 367 * 24 * hour).toISOString() }, 422, 'scheduled_at'],
    [{ payload, scheduled_at: 'tomorrow' }, 422, 'scheduled_at'],
    [{ payload, scheduled_at: new Date(Date.now() + hour).toISOString(), delay_secs: 1 }, 422, 'delay_secs'],
    ['{"payload":{"a":1},"concurrency_key":"a\\u0000b"}', 422, 'concurrency_key'],
    ['{"payload":{"a":1},"tags":{"k":"\\ud800"}}', 422, 'tags.k'],
    [{ payload, tags: Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`k${i}`, 'v'])) }, 422, 'tags'],
  ]
  for (const [body, status, field] of cases) {
    const reply = await call('POST', '/v1/jobs/j/runs', body)
    expect([reply.status, fieldsOf(reply)?.[0]], JSON.stringify(reply.body)).toEqual([status, field])
  }
  expect((await call('POST', '/v1/jobs/j/runs', { payload: { a: 1, x: 'x'.repeat(1_100_000) } })).status).toBe(413)
  expect((await call('POST', '/v1/jobs/nope/runs', {})).status).toBe(404)
  expect((await call('GET', '/v1/runs')).body.data).toEqual([])
})

test('in a batch only the invalid item fails', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  const reply = await call(
    'POST',
    '/v1/jobs/j/runs/batch',
    '{"items":[{"payload":1},{"payload":"a\\u0000"},{"priority":99},{"payload":2}]}',
  )
  expect(reply.body).toMatchObject({ total: 4, created: 2, refused: 2 })
  expect(reply.body.results.map((it: { status: string }) => it.status)).toEqual([
    'created',
    'refused',
    'refused',
    'created',
  ])
  const events = await call(
    'POST',
    '/v1/events',
    '[{"type":"a.b"},{"type":"a.b","data":{"x":"\\u0000"}},{"type":"run.completed"},{"type":"c.d","run_id":"r"}]',
  )
  expect(events.body.results.map((it: { error?: { code: string } }) => it.error?.code ?? 'ok')).toEqual([
    'ok',
    'invalid',
    'reserved_type',
    'ok',
  ])
  expect((await call('POST', '/v1/jobs/j/runs/batch', { items: Array.from({ length: 501 }, () => ({})) })).status).toBe(
    422,
  )
})

test('lines of NDJSON are appended as they arrive; a broken line is one refused event', async () => {
  const { call } = await httpYard()
  const lines = ['{"type":"a.b","run_id":"r"}', 'not json', '', '{"type":"a.b","run_id":"r","data":{"n":2}}']
  const reply = await call('POST', '/v1/events', lines.join('\n'), {
    headers: { 'content-type': 'application/x-ndjson' },
  })
  expect(reply.body).toMatchObject({ appended: 2, refused: 1 })
  expect((await call('GET', '/v1/runs/r/events')).body.data.map((it: { sequence: number }) => it.sequence)).toEqual([
    1, 2,
  ])
})

test('an event with its own id is appended once', async () => {
  const { call } = await httpYard()
  const event = { id: '7b0e7a52-3c7d-4d0e-9a51-0c8a3a6d0001', type: 'order.placed', data: { n: 1 } }
  const first = await call('POST', '/v1/events', event)
  const again = await Promise.all(Array.from({ length: 10 }, () => call('POST', '/v1/events', [event])))
  for (const reply of again)
    expect(reply.body.results).toMatchObject([{ duplicate: true, position: first.body.position }])
  expect((await call('GET', `/v1/events/${event.id}`)).body).toMatchObject({ type: 'order.placed', data: { n: 1 } })
  expect((await call('GET', '/v1/events?type=order.placed')).body.data).toHaveLength(1)
})

test('events about a thing are asked for by its kind as well, and a run that is named twice is one run', async () => {
  const { call } = await httpYard()
  const run_id = 'one'
  await call('POST', '/v1/events', [
    { type: 'a.b', run_id },
    { type: 'a.b', run_id: 'two' },
  ])
  const bare = await call('GET', '/v1/events?resource_id=one')
  expect([bare.status, bare.body.error?.details.fields]).toEqual([
    422,
    [{ field: 'resource_type', message: 'is required with resource_id' }],
  ])
  const found = async (query: string) => (await call('GET', `/v1/events?type=a.b&${query}`)).body.data.length
  expect(await found('resource_type=run&resource_id=one')).toBe(1)
  expect(await found('resource_type=run&resource_id=one&run_id=one')).toBe(1)
  expect(await found('resource_type=run&resource_id=one&run_id=two')).toBe(0)
})

test('foreign cursors, unknown ids and odd numbers are refused without a 500', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  for (let i = 0; i < 3; i++) await call('POST', '/v1/jobs/j/runs', {})
  const { next_cursor } = (await call('GET', '/v1/runs?limit=1')).body
  expect((await call('GET', `/v1/runs?limit=1&cursor=${next_cursor}`)).body.data).toHaveLength(1)
  const cases: [string, number][] = [
    [`/v1/jobs?cursor=${next_cursor}`, 400],
    ['/v1/runs?cursor=garbage', 400],
    ['/v1/runs?limit=0', 422],
    ['/v1/runs?limit=501', 422],
    ['/v1/runs?limit=ten', 422],
    ['/v1/runs?status=sleeping', 422],
    ['/v1/runs?payload_contains={', 422],
    ['/v1/runs?nonsense=1', 422],
    ['/v1/runs/not-a-run', 404],
    ['/v1/runs/%00', 404],
    ['/v1/events/not-an-event', 404],
    ['/v1/events/01900000-0000-7000-8000-000000000000', 404],
    ['/v1/nothing', 404],
  ]
  for (const [path, status] of cases) expect((await call('GET', path)).status, path).toBe(status)
})

test('pages neither lose nor repeat a run, even when all were created at the same time', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  await call('POST', '/v1/jobs/j/runs/batch', {
    items: Array.from({ length: 137 }, (_, i) => ({ tags: { odd: String(i % 2) } })),
  })
  for (const [filter, count] of [
    ['', 137],
    ['&tag=odd:1', 68],
    ['&status=queued', 137],
    ['&job=j', 137],
  ] as const) {
    const ids: string[] = []
    let cursor: string | null = null
    do {
      const page: { body: { data: { id: string }[]; next_cursor: string | null } } = await call(
        'GET',
        `/v1/runs?limit=10${filter}${cursor ? `&cursor=${cursor}` : ''}`,
      )
      ids.push(...page.body.data.map((it) => it.id))
      cursor = page.body.next_cursor
    } while (cursor)
    expect([new Set(ids).size, ids.length], filter).toEqual([count, count])
  }
})
