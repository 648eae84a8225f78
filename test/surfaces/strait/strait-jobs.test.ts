import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { straitYard } from '../../support/strait-yard.ts'

const JOB = { project_id: 'default', name: 'Sum', slug: 'sum', execution_mode: 'worker' }
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

test('a job is created as the command line does it, and shows what it was given and the defaults', async () => {
  const { call } = await straitYard()
  const sent = {
    project_id: 'default',
    name: 'Nightly sum',
    slug: 'nightly-sum',
    description: 'Adds up.',
    cron: '0 3 * * *',
    endpoint_url: 'http://127.0.0.1:9000/sum',
    max_attempts: 5,
    timeout_secs: 30,
    run_ttl_secs: 3600,
    payload_schema: { type: 'object' },
  }
  const made = await call('POST', '/v1/jobs', sent, { headers: { 'x-idempotency-key': 'once' } })
  expect(made.status).toBe(201)
  expect(made.body).toEqual({
    ...sent,
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    version: 1,
    version_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    execution_mode: 'http',
    queue_name: 'default',
    timezone: 'UTC',
    cron_overlap_policy: 'allow',
    tags: {},
    default_run_metadata: {},
    max_concurrency: 0,
    max_concurrency_per_key: 0,
    retry_strategy: 'exponential',
    retry_delays_secs: [],
    enabled: true,
    version_policy: 'pin',
    paused: false,
    next_run_at: expect.any(String),
    created_at: expect.any(String),
    updated_at: expect.any(String),
  })
  const again = await call('POST', '/v1/jobs', sent, { headers: { 'x-idempotency-key': 'once' } })
  expect([again.status, again.body.id, again.headers.get('idempotency-replayed')]).toEqual([201, made.body.id, 'true'])
  expect((await call('GET', `/v1/jobs/${made.body.id}`)).body).toEqual(made.body)
})

test('a second job with the same slug is 409, and one for another project is 403', async () => {
  const { call } = await straitYard()
  expect((await call('POST', '/v1/jobs', JOB)).body).toMatchObject({ max_attempts: 3, timeout_secs: 300 })
  const twice = await call('POST', '/v1/jobs', JOB)
  expect([twice.status, twice.body]).toEqual([
    409,
    { error: expect.stringContaining('sum'), code: 'conflict', request_id: twice.headers.get('x-request-id') },
  ])
  const elsewhere = await call('POST', '/v1/jobs', { ...JOB, slug: 'b', project_id: 'other' })
  expect([elsewhere.status, elsewhere.body]).toEqual([
    403,
    {
      error: 'project_id is not the project of this key',
      code: 'forbidden',
      request_id: elsewhere.headers.get('x-request-id'),
    },
  ])
})

test('a secret is never shown, wherever the job is read', async () => {
  const { call, native } = await straitYard()
  const secret = 'a secret of sixteen or more'
  const made = await call('POST', '/v1/jobs', { ...JOB, endpoint_signing_secret: secret })
  const changed = await call('PATCH', '/v1/jobs/sum', { webhook_secret: `${secret}!` })
  const copy = await call('POST', '/v1/jobs/sum/clone')
  const replies = [
    made,
    changed,
    copy,
    await call('GET', '/v1/jobs'),
    await call('GET', '/v1/jobs/sum/versions'),
    await native('GET', '/v1/jobs/sum'),
  ]
  for (const reply of replies) expect(JSON.stringify(reply.body)).not.toContain(secret)
  expect((await native('GET', '/v1/events?type=job.updated')).body.data[0].data.fields).toContain('signingSecret')
})

describe('unsupported fields of a job', () => {
  const refused: [string, unknown][] = [
    ['webhook_url', 'https://example.com/hook'],
    ['fallback_endpoint_url', 'https://example.com/other'],
    ['execution_window_cron', '0 9 * * *'],
    ['rate_limit_max', 5],
    ['rate_limit_window_secs', 60],
    ['dedup_window_secs', 60],
    ['debounce_window_secs', 60],
    ['batch_window_secs', 60],
    ['batch_max_size', 10],
    ['poison_pill_threshold', 3],
    ['on_complete_trigger_job', 'other'],
    ['on_failure_trigger_job', 'other'],
    ['group_id', 'g'],
    ['environment_id', 'e'],
    ['retry_priority_boost', 2],
    ['version_policy', 'latest'],
    ['version_policy', 'minor'],
  ]
  test('an unsupported field is refused by name in a create and an update, unless it has no effect', async () => {
    const { call } = await straitYard()
    await call('POST', '/v1/jobs', JOB)
    for (const [field, value] of refused) {
      for (const reply of [
        await call('POST', '/v1/jobs', { ...JOB, slug: 'new', [field]: value }),
        await call('PATCH', '/v1/jobs/sum', { [field]: value }),
      ]) {
        const sentence = 'is not supported by this installation; leave it out'
        expect([reply.status, reply.body], field).toEqual([
          400,
          {
            error: `${field} ${sentence}`,
            code: 'validation_error',
            details: [`${field}: ${sentence}`],
            request_id: reply.headers.get('x-request-id'),
          },
        ])
      }
    }
    const nothing = Object.fromEntries(refused.map(([field]) => [field, null]))
    const plain = { ...nothing, rate_limit_max: 0, webhook_url: '', retry_priority_boost: 1, version_policy: 'pin' }
    expect((await call('POST', '/v1/jobs', { ...JOB, slug: 'new', ...plain })).status).toBe(201)
  })
})

describe('an invalid job', () => {
  const cases: [string, object, string[]][] = [
    ['nothing', {}, ['name', 'slug']],
    ['a slug with spaces', { ...JOB, slug: 'a b' }, ['slug']],
    ['no endpoint', { ...JOB, execution_mode: 'http' }, ['endpoint_url']],
    ['no URL', { ...JOB, execution_mode: 'http', endpoint_url: 'not a url' }, ['endpoint_url']],
    [
      'attempts and a timeout out of bounds',
      { ...JOB, max_attempts: 101, timeout_secs: 86_401 },
      ['max_attempts', 'timeout_secs'],
    ],
    ['a number as text', { ...JOB, max_attempts: '3' }, ['max_attempts']],
    ['no cron', { ...JOB, cron: 'every day' }, ['cron']],
    ['no time zone', { ...JOB, cron: '0 3 * * *', timezone: 'Mars/Olympus' }, ['timezone']],
    ['a short secret', { ...JOB, endpoint_signing_secret: 'short' }, ['endpoint_signing_secret']],
    [
      'two secrets',
      { ...JOB, endpoint_signing_secret: 'x'.repeat(16), webhook_secret: 'y'.repeat(16) },
      ['webhook_secret'],
    ],
    ['custom without delays', { ...JOB, retry_strategy: 'custom' }, ['retry_delays_secs']],
    ['a field that nobody knows', { ...JOB, retry_budget: 1 }, ['retry_budget']],
    ['a mode that nobody knows', { ...JOB, execution_mode: 'pigeon' }, ['execution_mode']],
    ['a queue with spaces', { ...JOB, queue_name: 'a b' }, ['queue_name']],
    ['a schema that is none', { ...JOB, payload_schema: { type: 'nothing' } }, ['payload_schema']],
  ]
  test('an invalid job is refused field by field, and nothing is created', async () => {
    const { call } = await straitYard()
    for (const [name, body, fields] of cases) {
      const { status, body: problem } = await call('POST', '/v1/jobs', body)
      expect([status, problem.code, problem.error], name).toEqual([400, 'validation_error', expect.any(String)])
      expect(problem.details.map((detail: string) => detail.split(':')[0]).sort(), name).toEqual(fields)
    }
    expect((await call('GET', '/v1/jobs')).body).toEqual([])
  })
})

test('an update may have any subset of fields and creates a version; the old ones stay readable', async () => {
  const { call } = await straitYard()
  const { body: first } = await call('POST', '/v1/jobs', { ...JOB, run_ttl_secs: 60, tags: { team: 'a' } })
  const second = await call('PATCH', `/v1/jobs/${first.id}`, {
    slug: 'total',
    max_attempts: 7,
    run_ttl_secs: 0,
    default_run_metadata: { k: 'v' },
    max_concurrency: 2,
    queue_name: 'slow',
  })
  expect(second.status).toBe(200)
  const { run_ttl_secs: _, ...rest } = first
  expect(second.body).toEqual({
    ...rest,
    slug: 'total',
    max_attempts: 7,
    default_run_metadata: { k: 'v' },
    max_concurrency: 2,
    queue_name: 'slow',
    version: 2,
    version_id: expect.not.stringContaining(first.version_id),
    updated_at: expect.any(String),
  })
  const versions = await call('GET', `/v1/jobs/${first.id}/versions?limit=1`)
  expect(versions.body).toMatchObject([{ version: 2, max_attempts: 7, job_id: first.id }])
  const next = versions.headers.get('link')!.match(/^<(.*)>; rel="next"$/)![1]!
  expect(next).toMatch(/^\/strait\/v1\/jobs\//)
  const older = await call('GET', next.replace('/strait', ''))
  expect(older.body).toMatchObject([{ version: 1, max_attempts: 3, run_ttl_secs: 60, id: first.version_id }])
  expect(older.headers.get('link')).toBeNull()
  const since = `/v1/jobs/total/versions?cursor=${older.body[0].created_at}`
  expect((await call('GET', since)).body).toEqual([])
  expect((await call('GET', `/v1/jobs/${first.id}/versions/1`)).body.max_attempts).toBe(3)
  for (const none of ['3', '0', first.id, 'latest'])
    expect((await call('GET', `/v1/jobs/${first.id}/versions/${none}`)).body, none).toMatchObject({ code: 'not_found' })
  const byId = await call('GET', `/v1/jobs/${first.id}/versions/${first.version_id}`)
  expect(byId.body).toMatchObject({ id: first.version_id, version: 1, max_attempts: 3 })
  expect((await call('PATCH', '/v1/jobs/total', {})).status).toBe(400)
})

test('jobs are listed newest first as a bare array, by slug and by tag, in pages', async () => {
  const { call } = await straitYard()
  for (const n of [1, 2, 3]) {
    await call('POST', '/v1/jobs', { ...JOB, slug: `job-${n}`, tags: n === 2 ? { team: 'red' } : { team: 'blue' } })
  }
  const slugs = async (query: string) =>
    (await call('GET', `/v1/jobs?project_id=default&${query}`)).body.map((it: { slug: string }) => it.slug)
  expect(await slugs('')).toEqual(['job-3', 'job-2', 'job-1'])
  expect(await slugs('slug=job-2')).toEqual(['job-2'])
  expect(await slugs('slug=job-9')).toEqual([])
  expect(await slugs('tag_key=team&tag_value=blue')).toEqual(['job-3', 'job-1'])
  expect(await slugs('tag_key=team')).toHaveLength(3)
  expect(await slugs('tag_key=none')).toEqual([])
  const page = await call('GET', '/v1/jobs?limit=2')
  expect(page.body).toHaveLength(2)
  expect(await slugs(`limit=2&cursor=${page.headers.get('x-next-cursor')}`)).toEqual(['job-1'])
  expect(await slugs(`limit=2&cursor=${page.body[1].created_at}`)).toEqual(['job-1'])
  for (const [query, field] of [
    ['tag_value=red', 'tag_key'],
    ['limit=0', 'limit'],
    ['limit=x', 'limit'],
  ]) {
    const { status, body } = await call('GET', `/v1/jobs?${query}`)
    expect([status, body.code, body.details[0].split(':')[0]], query).toEqual([400, 'validation_error', field])
  }
  expect((await call('GET', '/v1/jobs?cursor=nonsense')).body.code).toBe('validation_error')
  expect((await call('GET', '/v1/jobs?project_id=other')).status).toBe(404)
})

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

test('the health of a job counts its runs, and the share that succeeded', async () => {
  const { call, native } = await straitYard()
  const { body: job } = await call('POST', '/v1/jobs', { ...JOB, max_attempts: 1 })
  expect((await call('GET', '/v1/jobs/sum/health')).body).toMatchObject({
    window: '7d',
    total_runs: 0,
    success_rate: 0,
    avg_duration_secs: 0,
    health_score: -1,
  })
  await call('POST', '/v1/jobs/sum/trigger/bulk', { items: Array(5).fill({}) })
  const claimed = await native('POST', '/v1/workers/claim', { worker_id: 'w', limit: 4 })
  await native('POST', '/v1/workers/settle', {
    settlements: claimed.body.runs.map((claim: { run: { id: string }; lease_token: string }, index: number) => ({
      run_id: claim.run.id,
      lease_token: claim.lease_token,
      ...(index === 0 ? { outcome: 'failed', error: 'no' } : { outcome: 'completed' }),
    })),
  })
  const { body } = await call('GET', `/v1/jobs/${job.id}/health?window=1h`)
  expect(body).toMatchObject({
    job_id: job.id,
    window: '1h',
    enabled: true,
    paused: false,
    total_runs: 4,
    completed_runs: 3,
    failed_runs: 1,
    timed_out_runs: 0,
    crashed_runs: 0,
    canceled_runs: 0,
    expired_runs: 0,
    success_rate: 75,
  })
  expect(Date.now() - Date.parse(body.since)).toBeLessThan(3_700_000)
  expect(body.p99_duration_secs).toBeGreaterThanOrEqual(body.p95_duration_secs)
  expect(body.health_score).toBeGreaterThanOrEqual(52.5)
  const odd = await call('GET', `/v1/jobs/${job.id}/health?window=2d`)
  expect([odd.status, odd.body.code]).toEqual([400, 'validation_error'])
  expect(body.counts).toMatchObject({ completed: 3, dead_letter: 1, queued: 1, executing: 0, paused: 0 })
})

test('a job with active runs is not deleted, and one without them is', async () => {
  const { call } = await straitYard()
  const { body: job } = await call('POST', '/v1/jobs', JOB)
  const { body: run } = await call('POST', `/v1/jobs/${job.id}/trigger`)
  const busy = await call('DELETE', `/v1/jobs/${job.id}`)
  expect([busy.status, busy.body.code]).toEqual([409, 'conflict'])
  await call('DELETE', `/v1/runs/${run.id}`)
  const gone = await call('DELETE', `/v1/jobs/${job.id}`)
  expect([gone.status, gone.body]).toEqual([204, undefined])
  expect((await call('GET', `/v1/jobs/${job.id}`)).body).toMatchObject({ error: 'job not found', code: 'not_found' })
})

test('a clone is a separate job with the same definition', async () => {
  const { call } = await straitYard()
  const { body: job } = await call('POST', '/v1/jobs', { ...JOB, max_attempts: 9, tags: { a: 'b' } })
  const copy = await call('POST', `/v1/jobs/${job.id}/clone`)
  expect([copy.status, copy.body]).toMatchObject([
    201,
    { slug: 'sum-copy', max_attempts: 9, tags: { a: 'b' }, version: 1 },
  ])
  expect(copy.body.id).not.toBe(job.id)
  expect((await call('POST', `/v1/jobs/${job.id}/clone`)).status).toBe(409)
  const named = await call('POST', `/v1/jobs/${job.id}/clone`, { slug: 'third', name: 'Third' })
  expect(named.body).toMatchObject({ slug: 'third', name: 'Third' })
})

test('dependencies are added, listed and deleted', async () => {
  const { call } = await straitYard()
  const { body: job } = await call('POST', '/v1/jobs', JOB)
  const { body: source } = await call('POST', '/v1/jobs', { ...JOB, slug: 'source' })
  const at = `/v1/jobs/${job.id}/dependencies`
  const added = await call('POST', at, { depends_on_job_id: source.id })
  expect([added.status, added.body]).toEqual([
    201,
    {
      id: expect.any(String),
      job_id: job.id,
      depends_on_job_id: source.id,
      condition: 'completed',
      created_at: expect.any(String),
    },
  ])
  expect((await call('GET', at)).body).toEqual([added.body])
  expect((await call('POST', at, { depends_on_job_id: source.id })).body).toMatchObject({ code: 'conflict' })
  const circle = await call('POST', `/v1/jobs/${source.id}/dependencies`, { depends_on_job_id: job.id })
  expect([circle.status, circle.body.code]).toEqual([409, 'conflict'])
  expect((await call('POST', at, { depends_on_job_id: source.id, condition: 'never' })).status).toBe(400)
  expect((await call('POST', at, {})).body).toMatchObject({ code: 'validation_error' })
  expect((await call('POST', at, { depends_on_job_id: 'none' })).body).toMatchObject({ error: 'job not found' })
  expect((await call('POST', `/v1/jobs/${job.id}/trigger`)).body.status).toBe('waiting')
  expect((await call('DELETE', `${at}/${added.body.id}`)).status).toBe(204)
  expect((await call('DELETE', `${at}/${added.body.id}`)).body).toMatchObject({ code: 'not_found' })
  expect((await call('GET', at)).body).toEqual([])
})

test("another project's job is not found by any call, and a key without the scope is told which", async () => {
  const { call, stranger, withKey } = await straitYard()
  const { body: job } = await call('POST', '/v1/jobs', JOB)
  const { body: own } = await stranger('POST', '/v1/jobs', { name: 'Own', slug: 'own', execution_mode: 'worker' })
  const calls: [string, string, object?][] = [
    ['GET', ''],
    ['PATCH', '', { max_attempts: 1 }],
    ['DELETE', ''],
    ['POST', '/pause'],
    ['POST', '/resume'],
    ['POST', '/clone'],
    ['GET', '/health'],
    ['GET', '/versions'],
    ['GET', '/versions/1'],
    ['GET', '/dependencies'],
    ['POST', '/dependencies', { depends_on_job_id: own.id }],
    ['POST', '/trigger', {}],
    ['POST', '/trigger', { dry_run: true }],
    ['POST', '/trigger/bulk', { items: [{}] }],
  ]
  for (const [method, path, body] of calls) {
    const reply = await stranger(method, `/v1/jobs/${job.id}${path}`, body)
    expect([reply.status, reply.body.error, reply.body.code], `${method} ${path}`).toEqual([
      404,
      'job not found',
      'not_found',
    ])
  }
  const across = await stranger('POST', '/v1/jobs/own/dependencies', { depends_on_job_id: job.id })
  expect(across.body).toMatchObject({ error: 'job not found' })
  expect((await stranger('GET', '/v1/jobs')).body).toMatchObject([{ id: own.id }])
  const { body: reader } = await call('POST', '/v1/api-keys', { name: 'reader', scopes: ['jobs:read'] })
  const reading = withKey(reader.key)
  expect((await reading('GET', `/v1/jobs/${job.id}`)).status).toBe(200)
  const lacking = await reading('PATCH', `/v1/jobs/${job.id}`, { max_attempts: 1 })
  expect([lacking.status, lacking.body]).toEqual([
    403,
    {
      error: 'insufficient permissions: requires jobs:write',
      code: 'forbidden',
      request_id: lacking.headers.get('x-request-id'),
    },
  ])
  expect((await call('GET', '/v1/jobs', undefined, { key: 'wrong' })).body).toMatchObject({ code: 'unauthorized' })
})
