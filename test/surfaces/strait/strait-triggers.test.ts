import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { straitYard } from '../../support/strait-yard.ts'

const JOB = { project_id: 'default', name: 'Sum', slug: 'sum', execution_mode: 'worker' }

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

test('a trigger returns the run and the hash of its payload, and a repeated key the first run', async () => {
  const { call, native } = await straitYard()
  const { body: job } = await call('POST', '/v1/jobs', {
    ...JOB,
    tags: { team: 'a', env: 'test' },
    default_run_metadata: { from: 'job' },
  })
  const at = `/v1/jobs/${job.id}/trigger`
  const body = { payload: { b: [1, { y: 2, x: 1 }], a: 1 }, tags: { env: 'live' }, metadata: { by: 'me' } }
  const first = await call('POST', at, body, { headers: { 'x-idempotency-key': 'one' } })
  expect([first.status, first.body]).toEqual([
    201,
    {
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      status: 'queued',
      payload_hash: sha256('{"a":1,"b":[1,{"x":1,"y":2}]}'),
      idempotency_hit: false,
    },
  ])
  expect((await native('GET', `/v1/runs/${first.body.id}`)).body).toMatchObject({
    tags: { team: 'a', env: 'live' },
    metadata: { from: 'job', by: 'me' },
    payload: body.payload,
    expires_at: null,
    triggered_by: 'manual',
  })
  const again = await call('POST', at, body, { headers: { 'idempotency-key': 'one' } })
  expect([again.status, again.body]).toEqual([200, { ...first.body, idempotency_hit: true }])
  const different = await call('POST', at, { payload: 2 }, { headers: { 'idempotency-key': 'one' } })
  expect([different.status, different.body.code]).toEqual([409, 'conflict'])
  // A slug does as well as an id, and no body stands for no payload.
  expect((await call('POST', '/v1/jobs/sum/trigger')).body).toMatchObject({ payload_hash: sha256('null') })
})

test('overrides in a trigger are honoured', async () => {
  const { call, native } = await straitYard()
  await call('POST', '/v1/jobs', { ...JOB, run_ttl_secs: 100 })
  const soon = new Date(Date.now() + 3_600_000).toISOString()
  const { body: run } = await call('POST', '/v1/jobs/sum/trigger', {
    scheduled_at: soon,
    priority: 9,
    ttl_secs: 60,
    concurrency_key: 'k',
    max_attempts_override: 9,
    timeout_secs_override: 7,
    retry_backoff: 'linear',
    retry_initial_delay_secs: 2,
    retry_max_delay_secs: 20,
    debug_mode: true,
  })
  expect(run.status).toBe('delayed')
  const { body: read } = await native('GET', `/v1/runs/${run.id}`)
  expect(read).toMatchObject({
    scheduled_at: soon,
    priority: 9,
    concurrency_key: 'k',
    max_attempts: 9,
    timeout_secs: 7,
    debug_mode: true,
    overrides: {
      max_attempts: 9,
      timeout_secs: 7,
      retry_strategy: 'linear',
      retry_initial_delay_secs: 2,
      retry_max_delay_secs: 20,
      ttl_secs: 60,
    },
  })
  expect(Date.parse(read.expires_at) - Date.parse(soon)).toBe(60_000)
  const plain = await call('POST', '/v1/jobs/sum/trigger', { ttl_secs: 0, concurrency_key: '', scheduled_at: null })
  const { body: waiting } = await native('GET', `/v1/runs/${plain.body.id}`)
  expect(Date.parse(waiting.expires_at) - Date.parse(waiting.created_at)).toBe(100_000)
})

describe('a refused trigger', () => {
  test('a trigger is refused because of its job: unknown, disabled, paused', async () => {
    const { call } = await straitYard()
    const said = async (path: string, body?: object) => {
      const reply = await call('POST', path, body)
      return [reply.status, reply.body.error, reply.body.code]
    }
    for (const more of ['', '/bulk']) {
      const at = (job: string) => `/v1/jobs/${job}/trigger${more}`
      const body = more ? { items: [{}] } : {}
      await call('POST', '/v1/jobs', JOB)
      expect(await said(at('none'), body)).toEqual([404, 'job not found', 'not_found'])
      await call('PATCH', '/v1/jobs/sum', { enabled: false })
      expect(await said(at('sum'), body)).toEqual([400, 'job is disabled', 'bad_request'])
      await call('PATCH', '/v1/jobs/sum', { enabled: true })
      const paused = await call('POST', '/v1/jobs/sum/pause', { reason: 'night' })
      expect(paused.body).toMatchObject({ paused: true, paused_at: expect.any(String), pause_reason: 'night' })
      expect(await said(at('sum'), body)).toEqual([409, expect.stringContaining('paused'), 'conflict'])
      const resumed = await call('POST', '/v1/jobs/sum/resume')
      expect(resumed.body.paused).toBe(false)
      expect(resumed.body).not.toHaveProperty('paused_at')
      expect((await call('POST', at('sum'), body)).status).toBe(201)
    }
  })
  const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString()
  const cases: [string, object, string][] = [
    ['in the past', { scheduled_at: inDays(-1) }, 'scheduled_at'],
    ['more than 30 days ahead', { scheduled_at: inDays(31) }, 'scheduled_at'],
    ['at no time', { scheduled_at: 'tomorrow' }, 'scheduled_at'],
    ['with a priority above 10', { priority: 11 }, 'priority'],
    ['with too long a life', { ttl_secs: 2_592_001 }, 'ttl_secs'],
    ['with a payload that the schema refuses', { payload: { n: 'x' } }, 'payload.n'],
    ['with tags that are no text', { tags: { a: 1 } }, 'tags.a'],
    ['to be debounced', { debounce_key: 'k' }, 'debounce_key'],
    ['to be gathered', { batch_key: 'k' }, 'batch_key'],
    ['with a field that nobody knows', { color: 'red' }, 'color'],
    ['with a backoff that nobody knows', { retry_backoff: 'random' }, 'retry_backoff'],
  ]
  test('a trigger is refused because of its body, also in a batch and in a dry run', async () => {
    const { call } = await straitYard()
    const payload_schema = { type: 'object', properties: { n: { type: 'number' } } }
    await call('POST', '/v1/jobs', { ...JOB, payload_schema })
    const field = (reply: { body: { details: string[] } }) => reply.body.details[0]!.split(':')[0]
    for (const [name, body, wrong] of cases) {
      const whole = { payload: {}, ...body }
      const one = await call('POST', '/v1/jobs/sum/trigger', whole)
      expect([one.status, one.body.code, field(one)], name).toEqual([400, 'validation_error', wrong])
      const tried = await call('POST', '/v1/jobs/sum/trigger', { ...whole, dry_run: true })
      expect([tried.status, field(tried)], name).toEqual([400, wrong])
      const many = await call('POST', '/v1/jobs/sum/trigger/bulk', { items: [{ payload: {} }, whole] })
      expect([many.status, field(many)], name).toEqual([400, `items[1].${wrong}`])
    }
    for (const items of [[], Array(501).fill({}), 'many', undefined])
      expect(field(await call('POST', '/v1/jobs/sum/trigger/bulk', { items }))).toBe('items')
    expect((await call('GET', '/v1/jobs/sum/health')).body.total_runs).toBe(0)
    const key = { headers: { 'idempotency-key': 'x'.repeat(257) } }
    expect((await call('POST', '/v1/jobs/sum/trigger', { payload: {} }, key)).status).toBe(400)
    expect((await call('POST', '/v1/jobs/sum/trigger', '{"payload": ')).body).toMatchObject({ code: 'bad_request' })
    expect((await call('POST', '/v1/jobs/sum/trigger', { payload: { a: 'x'.repeat(1024 * 1024) } })).status).toBe(413)
  })
})

test('a dry run is validated and creates nothing', async () => {
  const { call } = await straitYard()
  const { body: job } = await call('POST', '/v1/jobs', JOB)
  const tried = await call('POST', `/v1/jobs/${job.id}/trigger`, { payload: 1, dry_run: true })
  expect([tried.status, tried.body]).toEqual([
    200,
    {
      dry_run: true,
      job: {
        id: job.id,
        name: job.name,
        slug: job.slug,
        execution_mode: 'worker',
        queue: 'default',
        timeout_secs: 300,
        max_attempts: 3,
        version: 1,
        version_id: job.version_id,
      },
      payload: 1,
      payload_hash: sha256('1'),
      idempotency_hit: false,
    },
  ])
  expect((await call('GET', `/v1/jobs/${job.id}/health`)).body.total_runs).toBe(0)
})

test('a bulk trigger is a recorded batch, with a result for each item', async () => {
  const { call, native, stranger } = await straitYard()
  const { body: job } = await call('POST', '/v1/jobs', JOB)
  await call('POST', '/v1/jobs/sum/trigger', { payload: 'taken' }, { headers: { 'idempotency-key': 'c' } })
  const made = await call('POST', '/v1/jobs/sum/trigger/bulk', {
    items: [
      { payload: 1, priority: 3, idempotency_key: 'a' },
      { payload: 1, idempotency_key: 'a' },
      { payload: 2, scheduled_at: new Date(Date.now() + 60_000).toISOString() },
      { payload: 'other', idempotency_key: 'c' },
    ],
  })
  const [first] = made.body.results
  expect([made.status, made.body]).toEqual([
    201,
    {
      batch_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      results: [
        { id: expect.any(String), status: 'queued', idempotency_hit: false },
        { id: first.id, status: 'queued', idempotency_hit: true },
        { id: expect.any(String), status: 'delayed', idempotency_hit: false },
        { status: 'failed', idempotency_hit: false, error: expect.stringContaining('key c') },
      ],
      total: 4,
      created: 2,
    },
  ])
  const { batch_id } = made.body
  const batch = await call('GET', `/v1/batch-operations/${batch_id}`)
  expect(batch.body).toEqual({
    id: batch_id,
    project_id: 'default',
    job_id: job.id,
    item_count: 4,
    created_count: 2,
    created_by: expect.any(String),
    created_at: expect.any(String),
    finished_at: expect.any(String),
  })
  expect((await native('GET', `/v1/runs?batch_id=${batch_id}`)).body.data).toHaveLength(2)
  const second = await native('POST', '/v1/jobs/sum/runs/batch', { items: [{ payload: 3 }, { priority: 99 }] })
  expect((await native('GET', `/v1/batches/${second.body.batch_id}`)).body).toMatchObject({
    item_count: 2,
    created_count: 1,
    job_id: job.id,
    finished_at: expect.any(String),
  })
  const listed = await call('GET', '/v1/batch-operations?limit=1')
  expect(listed.body).toMatchObject([{ id: second.body.batch_id }])
  expect((await call('GET', `/v1/batch-operations?cursor=${listed.headers.get('x-next-cursor')}`)).body).toEqual([
    batch.body,
  ])
  expect((await native('GET', '/v1/batches?job=sum')).body.data).toHaveLength(2)
  // Another project, and nobody at all, has no such batch.
  expect((await stranger('GET', `/v1/batch-operations/${batch_id}`)).status).toBe(404)
  expect((await stranger('GET', '/v1/batch-operations')).body).toEqual([])
  expect((await call('GET', '/v1/batch-operations/nonsense')).body).toMatchObject({ code: 'not_found' })
})

test('a batch may be larger than a single run, and each of its payloads as large as that of one', async () => {
  const { call } = await straitYard()
  await call('POST', '/v1/jobs', JOB)
  const payload = 'x'.repeat(600_000)
  const trigger = (items: object[]) => call('POST', '/v1/jobs/sum/trigger/bulk', { items })
  expect((await trigger([{ payload }, { payload }])).body).toMatchObject({ total: 2, created: 2 })
  const over = await trigger([{ payload }, { payload: payload + payload }])
  expect([over.status, over.body.details]).toEqual([
    400,
    ['items[1].payload: must not be larger than 1048576 bytes of JSON'],
  ])
})
