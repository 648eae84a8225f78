import { describe, expect, test } from 'vitest'
import { straitYard } from '../../support/strait-yard.ts'

const JOB = { project_id: 'default', name: 'Sum', slug: 'sum', execution_mode: 'worker' }

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
