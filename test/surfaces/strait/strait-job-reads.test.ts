import { expect, test } from 'vitest'
import { straitYard } from '../../support/strait-yard.ts'

const JOB = { project_id: 'default', name: 'Sum', slug: 'sum', execution_mode: 'worker' }

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
