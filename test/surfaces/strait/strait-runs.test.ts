import { expect, test } from 'vitest'
import type { Call } from '../../support/http-yard.ts'
import { addWorkerJob, claimOne, executing, settle } from '../../support/strait-attempts.ts'
import { straitYard } from '../../support/strait-yard.ts'

const RFC3339 = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
const MICROS = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(?:\d{3}){1,2}Z$/)
const UUID = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
const NOBODY = '019a6b3e-8f10-7c52-9a41-3f6f2d9f5f01'

const trigger = async (native: Call, job: string, input: object = {}) =>
  (await native('POST', `/v1/jobs/${job}/runs`, input)).body

/** A run that ended as a dead letter, or failed for good. */
async function failed(native: Call, call: Call, job: string, { forGood = false, input = {} } = {}): Promise<string> {
  const attempt = await executing(native, call, job, input)
  if (forGood) await attempt.sdk('POST', '/fail', { error: 'no luck' })
  else await settle(native, attempt, { outcome: 'failed', error: 'no luck' })
  return attempt.runId
}

test('a run shows every documented field that it has, and omits empty ones', async () => {
  const { call, native } = await straitYard()
  const jobId = await addWorkerJob(native, 'j')
  const parent = await executing(native, call, 'j')
  const run = await trigger(native, 'j', {
    payload: { month: '2026-01' },
    metadata: { team: 'finance' },
    tags: { env: 'test' },
    priority: 7,
    parent_run_id: parent.runId,
    idempotency_key: 'once',
    concurrency_key: 'one-by-one',
    ttl_secs: 600,
    max_attempts: 4,
    timeout_secs: 90,
    retry_strategy: 'linear',
    retry_initial_delay_secs: 2,
    retry_max_delay_secs: 30,
    debug_mode: true,
  })
  const waiting = (await call('GET', `/v1/runs/${run.id}`)).body
  const asked = {
    id: run.id,
    job_id: jobId,
    project_id: 'default',
    attempt: 1,
    payload: { month: '2026-01' },
    metadata: { team: 'finance' },
    tags: { env: 'test' },
    triggered_by: 'spawn',
    expires_at: RFC3339,
    parent_run_id: parent.runId,
    priority: 7,
    idempotency_key: 'once',
    job_version: 1,
    job_version_id: UUID,
    max_attempts_override: 4,
    timeout_secs_override: 90,
    retry_backoff: 'linear',
    retry_initial_delay_secs: 2,
    retry_max_delay_secs: 30,
    debug_mode: true,
    lineage_depth: expect.any(Number),
    created_by: UUID,
    concurrency_key: 'one-by-one',
    created_at: MICROS,
  }
  expect(waiting).toEqual({ ...asked, status: 'queued' })
  const attempt = await claimOne(native, call, 'j')
  expect((await call('GET', `/v1/runs/${run.id}`)).body).toEqual({
    ...asked,
    status: 'executing',
    started_at: RFC3339,
    heartbeat_at: RFC3339,
    execution_trace: { queue_wait_ms: expect.any(Number) },
  })
  await settle(native, attempt, { outcome: 'completed', result: { sum: 3 } })
  const { heartbeat_at: _, ...rest } = (await call('GET', `/v1/runs/${run.id}`)).body
  expect(rest).toEqual({
    ...asked,
    status: 'completed',
    result: { sum: 3 },
    started_at: RFC3339,
    finished_at: RFC3339,
    execution_trace: { queue_wait_ms: expect.any(Number), total_ms: expect.any(Number) },
  })
  expect(Object.values(rest.execution_trace).every(Number.isInteger)).toBe(true)
})

test('a plain run has exactly the fields that are always present', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  const run = await trigger(native, 'j')
  expect(Object.keys((await call('GET', `/v1/runs/${run.id}`)).body).sort()).toEqual(
    [
      'id',
      'job_id',
      'project_id',
      'status',
      'attempt',
      'triggered_by',
      'priority',
      'job_version',
      'debug_mode',
      'lineage_depth',
      'created_at',
      // Known of every run here.
      'job_version_id',
      'created_by',
    ].sort(),
  )
})

test('runs are a bare array, newest first, with their bodies, by every documented filter', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  const batch = await native('POST', '/v1/jobs/j/runs/batch', { items: [{ payload: { n: 1, tags: ['a', 'b'] } }] })
  const second = await trigger(native, 'j', { payload: { n: 2 }, metadata: { team: 'x' }, tags: { env: 'test' } })
  const later = await trigger(native, 'j', { delay_secs: 3600, metadata: { team: 'y' } })
  const first = batch.body.results[0].run
  const ids = async (search: string) =>
    (await call('GET', `/v1/runs?project_id=default${search}`)).body.map((run: { id: string }) => run.id)
  expect(await ids('')).toEqual([later.id, second.id, first.id])
  expect((await call('GET', '/v1/runs?project_id=default')).body[1].payload).toEqual({ n: 2 })
  expect(await ids('&status=delayed')).toEqual([later.id])
  expect(await ids('&status=paused')).toEqual([])
  expect(await ids('&metadata_key=team')).toEqual([later.id, second.id])
  expect(await ids('&metadata_key=team&metadata_value=x')).toEqual([second.id])
  expect(await ids('&tag_key=env&tag_value=test')).toEqual([second.id])
  expect(await ids('&tags[env]=test')).toEqual([second.id])
  expect(await ids('&tags%5Benv%5D=none')).toEqual([])
  expect(await ids('&triggered_by=manual')).toEqual([later.id, second.id, first.id])
  expect(await ids('&triggered_by=cron')).toEqual([])
  expect(await ids(`&batch_id=${batch.body.batch_id}`)).toEqual([first.id])
  expect(await ids(`&payload_contains=${encodeURIComponent('{"tags":["b"]}')}`)).toEqual([first.id])
  expect(await ids('&statuses=delayed&statuses=queued')).toEqual([later.id, second.id, first.id])
  expect(await ids('&statuses=delayed,paused')).toEqual([later.id])
  expect(await ids('&statuses[]=delayed')).toEqual([later.id])
  expect(await ids('&execution_mode=worker')).toHaveLength(3)
  expect(await ids('&execution_mode=http')).toEqual([])
})

test.each([
  ['status=unknown', 'status is invalid'],
  ['limit=0', 'limit must be a positive integer'],
  ['limit=-3', 'limit must be a positive integer'],
  ['limit=many', 'limit must be a positive integer'],
  ['cursor=nonsense', 'invalid cursor format'],
  ['cursor=2026-13-01T00:00:00Z', 'invalid cursor format'],
  ['metadata_value=x', 'metadata_value requires metadata_key'],
  ['tag_value=x', 'tag_value requires tag_key'],
  ['tags[a]=%00', 'tags[a] contains a NUL character'],
  ['payload_contains=%7Bnot', 'payload_contains is not JSON'],
  ['payload_contains=%5B1%5D', 'payload_contains must be a JSON object'],
  ['triggered_by=nobody', expect.stringContaining('triggered_by must be one of')],
  ['batch_id=nonsense', expect.stringContaining('batch_id must be')],
  ['statuses=delayed,unknown', expect.stringContaining('statuses[1] must be one of')],
  ['status=delayed&statuses=queued', 'status and statuses cannot be combined'],
  ['execution_mode=managed', expect.stringContaining('execution_mode must be one of')],
  ['error_class=timeout', 'error_class is not a known parameter'],
  ['unknown=1', 'unknown is not a known parameter'],
])('a list with %s is refused', async (search, sentence) => {
  const { call } = await straitYard()
  const refused = await call('GET', `/v1/runs?project_id=default&${search}`)
  expect([refused.status, refused.body]).toEqual([
    400,
    expect.objectContaining({ error: sentence, code: 'validation_error', request_id: expect.any(String) }),
  ])
})

test("a list belongs to the key's project, named or not, and another one is not found", async () => {
  const { call, stranger } = await straitYard()
  for (const path of ['/v1/runs', '/v1/runs/dlq']) {
    for (const query of ['', '?project_id=', '?project_id=default'])
      expect((await call('GET', `${path}${query}`)).status, path + query).toBe(200)
    const elsewhere = await call('GET', `${path}?project_id=other`)
    expect([elsewhere.status, elsewhere.body.error]).toEqual([404, 'project not found'])
    expect((await stranger('GET', `${path}?project_id=other`)).body).toEqual([])
  }
})

test('pages continue where the previous one ended, by the header, by the link, and by a plain time', async () => {
  const { call, native, address } = await straitYard()
  await addWorkerJob(native, 'j')
  // One statement: all of them share their moment, or nearly so, and a cursor of times alone would lose some.
  await native('POST', '/v1/jobs/j/runs/batch', { items: Array.from({ length: 7 }, () => ({})) })
  const all = (await call('GET', '/v1/runs?project_id=default')).body as { id: string; created_at: string }[]
  const seen: string[] = []
  let next: string | undefined = '/strait/v1/runs?project_id=default&limit=3'
  while (next) {
    const page: Awaited<ReturnType<Call>> = await native('GET', next)
    seen.push(...page.body.map((run: { id: string }) => run.id))
    const link = page.headers.get('link')?.match(/^<(.*)>; rel="next"$/)?.[1]
    expect(new URL(link ?? '/', address).searchParams.get('cursor')).toBe(page.headers.get('x-next-cursor'))
    next = link
  }
  expect(seen).toEqual(all.map((run) => run.id))
  const older = await call('GET', `/v1/runs?project_id=default&cursor=${encodeURIComponent(all.at(-1)!.created_at)}`)
  expect(older.body).toEqual([])
  const others = all.filter((run) => run.created_at < all[0]!.created_at).map((run) => run.id)
  const behind = await call('GET', `/v1/runs?project_id=default&cursor=${encodeURIComponent(all[0]!.created_at)}`)
  expect(behind.body.map((run: { id: string }) => run.id)).toEqual(others)
  expect((await call('GET', '/v1/runs?project_id=default&limit=5000')).body).toHaveLength(7)
})

test('huge bodies make the page shorter, and none is lost', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  const payload = 'x'.repeat(900_000)
  await Promise.all(Array.from({ length: 24 }, () => trigger(native, 'j', { payload })))
  const first = await call('GET', '/v1/runs?project_id=default&limit=24')
  expect(first.body.length).toBeLessThan(24)
  const rest = await call('GET', `/v1/runs?project_id=default&limit=24&cursor=${first.headers.get('x-next-cursor')}`)
  const both = [...first.body, ...rest.body]
  expect(new Set(both.map((run) => run.id)).size).toBe(24)
  expect(both.every((run) => run.payload.length === 900_000)).toBe(true)
})

test('a cancel is 204 and ends the children, and a second one is refused', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  const parent = await executing(native, call, 'j')
  const child = (await parent.sdk('POST', '/spawn', { job_slug: 'j' })).body
  const done = await call('DELETE', `/v1/runs/${parent.runId}`)
  expect([done.status, done.body]).toEqual([204, undefined])
  expect((await call('GET', `/v1/runs/${parent.runId}`)).body).toMatchObject({
    status: 'canceled',
    error: 'canceled by user',
    finished_at: RFC3339,
  })
  expect((await call('GET', `/v1/runs/${child.id}`)).body).toMatchObject({
    status: 'canceled',
    error: 'parent run canceled',
  })
  const again = await call('DELETE', `/v1/runs/${parent.runId}`)
  expect([again.status, again.body]).toEqual([
    400,
    { error: 'run already in terminal state', code: 'bad_request', request_id: expect.any(String) },
  ])
})

test('bulk-cancel reports on each id once, failures first, under both names of the list', async () => {
  const { call, native, stranger } = await straitYard()
  await addWorkerJob(native, 'j')
  const [a, b] = [await trigger(native, 'j'), await trigger(native, 'j')]
  const dead = await failed(native, call, 'j').catch(() => '')
  expect((await stranger('POST', '/v1/runs/bulk-cancel', { run_ids: [b.id] })).body).toEqual({
    results: [{ id: b.id, status: 'failed', error: 'run not found' }],
    total: 1,
    canceled: 0,
    failed: 1,
  })
  const live = dead === a.id ? b.id : a.id
  const reply = await call('POST', '/v1/runs/bulk-cancel', { run_ids: [live, NOBODY, live, dead, 'no-such'] })
  expect([reply.status, reply.body]).toEqual([
    200,
    {
      results: [
        { id: NOBODY, status: 'failed', error: 'run not found' },
        { id: dead, status: 'dead_letter', error: 'run already in terminal state' },
        { id: 'no-such', status: 'failed', error: 'run not found' },
        { id: live, status: 'canceled' },
      ],
      total: 4,
      canceled: 1,
      failed: 3,
    },
  ])
  const more = await trigger(native, 'j')
  expect((await call('POST', '/v1/runs/bulk-cancel', { ids: [more.id] })).body).toMatchObject({ total: 1, canceled: 1 })
})

test.each([
  [{}, 400, 'validation_error', expect.stringContaining('run_ids')],
  [{ run_ids: [] }, 400, 'validation_error', expect.stringContaining('run_ids')],
  [{ run_ids: 'x' }, 400, 'validation_error', expect.stringContaining('run_ids')],
  [{ run_ids: [7] }, 400, 'validation_error', expect.stringContaining('run_ids[0]')],
  [
    { run_ids: Array.from({ length: 101 }, () => NOBODY) },
    400,
    'bad_request',
    'maximum 100 run IDs per bulk cancel request',
  ],
])('bulk-cancel of %j is refused', async (body, status, code, sentence) => {
  const { call } = await straitYard()
  const refused = await call('POST', '/v1/runs/bulk-cancel', body)
  expect([refused.status, refused.body]).toEqual([status, expect.objectContaining({ code, error: sentence })])
})

test("bulk-cancel-all cancels matching runs that have not ended, and needs a filter and the key's project", async () => {
  const { call, native } = await straitYard()
  const jobId = await addWorkerJob(native, 'j')
  await addWorkerJob(native, 'other-job')
  const kept = await trigger(native, 'other-job')
  const [a, b] = [await trigger(native, 'j'), await trigger(native, 'j', { delay_secs: 60 })]
  const all = (search: string, body: object = {}) => call('POST', `/v1/runs/bulk-cancel-all${search}`, body)
  expect((await all('?project_id=default')).body).toMatchObject({ error: 'at least one filter is required' })
  expect((await all('')).status).toBe(400)
  expect((await all('?project_id=other', { job_id: jobId })).status).toBe(403)
  expect((await all('?project_id=default', { status: 'unknown' })).body.code).toBe('validation_error')
  expect((await all('?project_id=default', { job_id: NOBODY })).body).toEqual({
    results: [],
    total: 0,
    canceled: 0,
    failed: 0,
  })
  expect((await all('?project_id=default', { job_id: jobId, status: 'completed' })).body.total).toBe(0)
  const done = await all('?project_id=default', { job_id: jobId })
  expect(done.body).toMatchObject({ total: 2, canceled: 2, failed: 0 })
  expect(done.body.results).toEqual(
    expect.arrayContaining([
      { id: a.id, status: 'canceled' },
      { id: b.id, status: 'canceled' },
    ]),
  )
  expect((await call('GET', `/v1/runs/${kept.id}`)).body.status).toBe('queued')
})

test('a replay is 202 with a new run, which is manual for Strait and names the original', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  const input = { payload: { n: 1 }, tags: { a: 'b' }, metadata: { c: 'd' }, concurrency_key: 'k', priority: 3 }
  const old = await failed(native, call, 'j', { forGood: true, input })
  const replay = await call('POST', `/v1/runs/${old}/replay`)
  expect([replay.status, replay.body]).toEqual([
    202,
    expect.objectContaining({ ...input, status: 'queued', attempt: 1, triggered_by: 'manual' }),
  ])
  expect(replay.body.id).not.toBe(old)
  expect((await native('GET', `/v1/runs/${replay.body.id}`)).body.replayed_from).toBe(old)
  const manual = (await call('GET', '/v1/runs?project_id=default&triggered_by=manual')).body
  expect(manual.map((run: { id: string }) => run.id)).toContain(replay.body.id)
})

test('a replay may start from a checkpoint of that run', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  const attempt = await executing(native, call, 'j', { payload: { from: 'the start' } })
  await attempt.sdk('POST', '/checkpoint', { state: { page: 1 } })
  await attempt.sdk('POST', '/checkpoint', { state: { page: 2 } })
  await attempt.sdk('POST', '/fail', { error: 'x' })
  const other = await failed(native, call, 'j', { forGood: true })
  const at = (run: string, number: number | string) => call('POST', `/v1/runs/${run}/replay?from_checkpoint=${number}`)
  expect((await at(attempt.runId, 1)).body).toMatchObject({ payload: { page: 1 }, debug_mode: true })
  for (const [run, number] of [
    [attempt.runId, 3],
    [other, 1],
  ] as const) {
    const missing = await at(run, number)
    expect([missing.status, missing.body.error]).toEqual([404, 'checkpoint not found'])
  }
  for (const bad of ['0', '-1', 'x', '1.5']) expect((await at(attempt.runId, bad)).status).toBe(400)
})

test('a replay of a run whose job is deleted, disabled or paused is refused', async () => {
  const { call, native } = await straitYard()
  for (const slug of ['gone', 'disabled', 'paused']) await addWorkerJob(native, slug)
  const [gone, disabled, paused] = [
    await failed(native, call, 'gone', { forGood: true }),
    await failed(native, call, 'disabled', { forGood: true }),
    await failed(native, call, 'paused', { forGood: true }),
  ]
  await native('DELETE', '/v1/jobs/gone')
  await native('PATCH', '/v1/jobs/disabled', { enabled: false })
  await native('PATCH', '/v1/jobs/paused', { when_paused: 'refuse' })
  await native('POST', '/v1/jobs/paused/pause')
  const replay = async (run: string) => {
    const { status, body } = await call('POST', `/v1/runs/${run}/replay`)
    return [status, body.error]
  }
  expect(await replay(gone)).toEqual([400, 'job not found for run'])
  expect(await replay(disabled)).toEqual([400, 'job is disabled'])
  expect(await replay(paused)).toEqual([409, 'job is paused'])
})

test('bulk-replay returns an array of the new runs, and omits runs that cannot be replayed', async () => {
  const { call, native, stranger } = await straitYard()
  await addWorkerJob(native, 'j')
  const a = await failed(native, call, 'j', { forGood: true, input: { payload: 'a' } })
  const b = await failed(native, call, 'j', { forGood: true, input: { payload: 'b' } })
  const dead = await failed(native, call, 'j')
  const reply = await call('POST', '/v1/runs/bulk-replay', { run_ids: [b, dead, NOBODY, a, b] })
  expect(reply.status).toBe(200)
  expect(reply.body.map((run: { payload: string; status: string }) => [run.payload, run.status])).toEqual([
    ['b', 'queued'],
    ['a', 'queued'],
  ])
  expect((await stranger('POST', '/v1/runs/bulk-replay', { run_ids: [a] })).body).toEqual([])
  expect((await call('POST', '/v1/runs/bulk-replay', {})).body.code).toBe('validation_error')
  expect((await call('POST', '/v1/runs/bulk-replay', { run_ids: [] })).status).toBe(400)
  expect((await call('POST', '/v1/runs/bulk-replay', { run_ids: Array(101).fill(a) })).status).toBe(400)
})

test('a dead letter is listed, and redriven as the same run with a renewed time to live', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j', { max_attempts: 2, retry_strategy: 'fixed', retry_initial_delay_secs: 0 })
  const { id } = await trigger(native, 'j', { ttl_secs: 600, payload: 1 })
  const before = (await call('GET', `/v1/runs/${id}`)).body
  for (let attempt = 0; attempt < 2; attempt++)
    await settle(native, await claimOne(native, call, 'j'), { outcome: 'failed', error: 'no luck' })
  const listed = (await call('GET', '/v1/runs/dlq?project_id=default')).body
  expect(listed).toMatchObject([{ id, status: 'dead_letter', attempt: 2, error: 'no luck', payload: 1 }])
  const again = await call('POST', `/v1/runs/${id}/dlq-replay`)
  expect([again.status, again.body]).toEqual([202, expect.objectContaining({ id, status: 'queued', attempt: 1 })])
  for (const gone of ['error', 'started_at', 'finished_at', 'heartbeat_at', 'next_retry_at'])
    expect(again.body).not.toHaveProperty(gone)
  expect(again.body.expires_at > before.expires_at).toBe(true)
  const twice = await call('POST', `/v1/runs/${id}/dlq-replay`)
  expect([twice.status, twice.body]).toEqual([
    409,
    { error: 'run is not in dead_letter status', code: 'conflict', request_id: expect.any(String) },
  ])
})

test('bulk-dlq-replay takes ids or the project, and nothing moves when one id is unknown', async () => {
  const { call, native, stranger } = await straitYard()
  await addWorkerJob(native, 'j')
  const dead = [await failed(native, call, 'j'), await failed(native, call, 'j'), await failed(native, call, 'j')]
  const ended = await failed(native, call, 'j', { forGood: true })
  const bulk = (body: object) => call('POST', '/v1/runs/bulk-dlq-replay', body)
  for (const body of [{}, { run_ids: dead, project_id: 'default' }]) {
    const refused = await bulk(body)
    expect([refused.status, refused.body.error]).toEqual([400, 'provide either run_ids or project_id'])
  }
  expect((await bulk({ project_id: 'other' })).status).toBe(403)
  expect((await bulk({ run_ids: Array(501).fill(NOBODY) })).status).toBe(400)
  expect((await bulk({ project_id: 'default', limit: 501 })).body.details).toEqual([expect.stringContaining('limit')])
  const strange = await stranger('POST', '/v1/runs/bulk-dlq-replay', { run_ids: [dead[0]] })
  expect([strange.status, strange.body.error]).toEqual([404, 'run not found'])
  expect((await bulk({ run_ids: [dead[0], NOBODY] })).status).toBe(404)
  expect((await call('GET', `/v1/runs/${dead[0]}`)).body.status).toBe('dead_letter')
  const named = await bulk({ run_ids: [dead[2], ended, dead[2]] })
  expect(named.body).toEqual({ replayed: [expect.objectContaining({ id: dead[2], status: 'queued' })], count: 1 })
  const oldest = await bulk({ project_id: 'default', limit: 1 })
  expect(oldest.body).toMatchObject({ replayed: [{ id: dead[0] }], count: 1 })
  expect((await bulk({ project_id: 'default' })).body).toMatchObject({ replayed: [{ id: dead[1] }], count: 1 })
  const none = await bulk({ project_id: 'default' })
  expect([none.status, none.body]).toEqual([
    409,
    { error: 'no dead_letter runs available for replay', code: 'conflict', request_id: expect.any(String) },
  ])
})

test('children come oldest first over all pages, and lineage comes root first', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  const root = await executing(native, call, 'j', { payload: 0 })
  const children: string[] = []
  for (let n = 0; n < 3; n++) children.push((await root.sdk('POST', '/spawn', { job_id: 'j', payload: n })).body.id)
  const first = await call('GET', `/v1/runs/${root.runId}/children?limit=2`)
  const second = await call(
    'GET',
    `/v1/runs/${root.runId}/children?limit=2&cursor=${first.headers.get('x-next-cursor')}`,
  )
  expect([...first.body, ...second.body].map((run) => [run.id, run.parent_run_id, run.payload])).toEqual(
    children.map((id, n) => [id, root.runId, n]),
  )
  const next = (await root.sdk('POST', '/continue', { payload: 1 })).body
  for (const run of [root.runId, next.id]) {
    const lineage = (await call('GET', `/v1/runs/${run}/lineage`)).body
    expect(lineage.map((it: { id: string; lineage_depth: number }) => [it.id, it.lineage_depth])).toEqual([
      [root.runId, 0],
      [next.id, 1],
    ])
  }
})

test('a reschedule moves a run to another time, or to now when that has passed, and renews its time to live', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  const { id } = await trigger(native, 'j', { payload: 1, ttl_secs: 60 })
  const at = (scheduled_at: unknown, more: object = {}) =>
    call('POST', `/v1/runs/${id}/reschedule`, { scheduled_at, ...more })
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString()
  const later = await at(tomorrow, { payload: 2 })
  expect([later.status, later.body]).toEqual([
    200,
    expect.objectContaining({ status: 'delayed', scheduled_at: tomorrow, payload: 2 }),
  ])
  expect(Date.parse(later.body.expires_at)).toBeGreaterThan(Date.parse(tomorrow))
  expect((await at('2019-08-24T14:15:22Z')).body).toMatchObject({ id, status: 'queued' })
  for (const bad of [undefined, 'tomorrow', 7, null, '2026-02-30T00:00:00Z']) {
    const refused = await at(bad)
    expect([refused.status, refused.body.code, refused.body.details]).toEqual([
      400,
      'validation_error',
      [expect.stringContaining('scheduled_at')],
    ])
  }
  await claimOne(native, call, 'j')
  const begun = await at(tomorrow)
  expect([begun.status, begun.body.error]).toEqual([404, 'run not found or not eligible for rescheduling'])
})

test("a rescheduled payload must match the job's schema, and its time must be within a year", async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j', { payload_schema: { type: 'number' } })
  const { id } = await trigger(native, 'j', { payload: 1 })
  const at = (body: object) => call('POST', `/v1/runs/${id}/reschedule`, body)
  const now = new Date().toISOString()
  expect((await at({ scheduled_at: now, payload: 'text' })).body).toMatchObject({
    code: 'validation_error',
    details: [expect.stringContaining('payload')],
  })
  expect((await at({ scheduled_at: '2999-01-01T00:00:00Z' })).body).toMatchObject({
    code: 'validation_error',
    details: [expect.stringContaining('scheduled_at')],
  })
  expect((await call('GET', `/v1/runs/${id}`)).body).toMatchObject({ status: 'queued', payload: 1 })
})

test('a pause returns when the run is paused; resume and restart queue it again', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j', { pause_grace_secs: 0 })
  const { runId } = await executing(native, call, 'j')
  const paused = await call('POST', `/v1/runs/${runId}/pause`)
  expect([paused.status, paused.body]).toEqual([200, expect.objectContaining({ id: runId, status: 'paused' })])
  expect((await call('POST', `/v1/runs/${runId}/pause`)).body.status).toBe('paused')
  const wrong = await call('POST', `/v1/runs/${runId}/restart`, { machine_preset: 'no-such' })
  expect([wrong.status, wrong.body.error]).toEqual([400, 'invalid machine_preset'])
  const resumed = await call('POST', `/v1/runs/${runId}/resume`)
  expect([resumed.status, resumed.body]).toEqual([200, expect.objectContaining({ status: 'queued', attempt: 1 })])
  expect((await call('POST', `/v1/runs/${runId}/resume`)).body.error).toBe('run is not paused')
  await claimOne(native, call, 'j')
  const restarted = await call('POST', `/v1/runs/${runId}/restart`)
  expect([restarted.status, restarted.body]).toEqual([200, expect.objectContaining({ status: 'queued', attempt: 1 })])
})

test('a restart begins again with the settings of the preset that it names', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  await native('PUT', '/v1/presets/large', { description: 'More of all', queue: 'big', timeout_secs: 900 })
  const attempt = await executing(native, call, 'j')
  await attempt.sdk('POST', '/checkpoint', { state: 1 })
  const restarted = await call('POST', `/v1/runs/${attempt.runId}/restart`, { machine_preset: 'large' })
  expect([restarted.status, restarted.body.status]).toEqual([200, 'queued'])
  expect((await native('GET', `/v1/runs/${attempt.runId}`)).body).toMatchObject({ preset: 'large', timeout_secs: 900 })
  expect((await attempt.sdk('POST', '/complete')).status).toBe(409)
  expect((await claimOne(native, call, 'big')).runId).toBe(attempt.runId)
})

test('a released idempotency key can be used again, and releasing a missing one succeeds', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  const run = await trigger(native, 'j', { idempotency_key: 'k' })
  const reset = await call('DELETE', `/v1/runs/${run.id}/idempotency-key`)
  expect([reset.status, reset.body]).toEqual([200, { status: 'reset', run_id: run.id }])
  expect((await trigger(native, 'j', { idempotency_key: 'k' })).id).not.toBe(run.id)
  expect((await call('DELETE', `/v1/runs/${run.id}/idempotency-key`)).status).toBe(200)
  const missing = await call('DELETE', `/v1/runs/${NOBODY}/idempotency-key`)
  expect([missing.status, missing.body.error]).toEqual([404, 'run not found or not eligible for idempotency reset'])
})

test('debug mode is set, and is visible', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  const run = await trigger(native, 'j')
  const marked = await call('POST', `/v1/runs/${run.id}/debug`, { debug_mode: true })
  expect([marked.status, marked.body]).toEqual([200, { status: 'ok' }])
  expect((await call('GET', `/v1/runs/${run.id}`)).body.debug_mode).toBe(true)
  await call('POST', `/v1/runs/${run.id}/debug`, {})
  expect((await call('GET', `/v1/runs/${run.id}`)).body.debug_mode).toBe(false)
  const wrong = await call('POST', `/v1/runs/${run.id}/debug`, { debug_mode: 'yes' })
  expect([wrong.status, wrong.body.details]).toEqual([400, ['debug_mode: must be boolean']])
})

test("dependency-status names the job's dependencies, and whether they are met", async () => {
  const { call, native } = await straitYard()
  const [a, b] = [await addWorkerJob(native, 'a'), await addWorkerJob(native, 'b')]
  const added = await call('POST', `/v1/jobs/${b}/dependencies`, { depends_on_job_id: a })
  expect(added.status).toBe(201)
  const run = await trigger(native, 'b')
  const status = async () => (await call('GET', `/v1/runs/${run.id}/dependency-status`)).body
  expect(await status()).toEqual({
    run_id: run.id,
    job_id: b,
    status: 'waiting',
    dependencies: [{ id: UUID, job_id: b, depends_on_job_id: a, condition: 'completed', created_at: RFC3339 }],
    dependencies_satisfied: false,
  })
  await settle(native, await executing(native, call, 'a'), { outcome: 'completed' })
  expect((await status()).dependencies_satisfied).toBe(true)
})

/** The 28 operations of the page, as its curl lines call them. */
const OPERATIONS = [
  ['GET', '/v1/runs?project_id=default'],
  ['GET', '/v1/runs/dlq?project_id=default'],
  ['POST', '/v1/runs/bulk-cancel', {}],
  ['GET', '/v1/runs/:id'],
  ['DELETE', '/v1/runs/:id'],
  ['POST', '/v1/runs/:id/replay'],
  ['POST', '/v1/runs/:id/dlq-replay'],
  ['POST', '/v1/runs/bulk-dlq-replay', {}],
  ['POST', '/v1/runs/bulk-cancel-all?project_id=default', {}],
  ['POST', '/v1/runs/bulk-replay', { run_ids: ['string'] }],
  ['GET', '/v1/runs/:id/stream'],
  ['GET', '/v1/runs/:id/children'],
  ['GET', '/v1/runs/:id/events'],
  ['GET', '/v1/runs/:id/checkpoints'],
  ['GET', '/v1/runs/:id/usage'],
  ['GET', '/v1/runs/:id/tool-calls'],
  ['GET', '/v1/runs/:id/outputs'],
  ['GET', '/v1/runs/:id/debug-bundle'],
  ['POST', '/v1/runs/:id/debug', {}],
  ['GET', '/v1/runs/:id/lineage'],
  ['GET', '/v1/runs/:id/dependency-status'],
  ['DELETE', '/v1/runs/:id/idempotency-key'],
  ['POST', '/v1/runs/:id/reschedule', { scheduled_at: '2019-08-24T14:15:22Z' }],
  ['POST', '/v1/runs/:id/pause'],
  ['POST', '/v1/runs/:id/resume'],
  ['POST', '/v1/runs/:id/restart', {}],
  ['GET', '/v1/runs/:id/stream/chunks'],
  ['GET', '/v1/runs/:id/state'],
] as const

test('each of the 28 operations exists, is in the OpenAPI document, and sees nothing of another project', async () => {
  const { call, native, stranger } = await straitYard()
  await addWorkerJob(native, 'j')
  const attempt = await executing(native, call, 'j')
  await attempt.sdk('POST', '/complete')
  const { paths } = (await native('GET', '/strait/openapi.json')).body
  for (const [method, path, body] of OPERATIONS) {
    const [plain] = path.split('?')
    expect(paths[plain!.replace(':id', '{run_id}')], path).toHaveProperty(method.toLowerCase())
    const own = await call(method, path.replace(':id', attempt.runId), body)
    expect(own.status, `${method} ${path}`).not.toBe(405)
    expect(own.status, `${method} ${path}`).toBeLessThan(500)
    expect(own.headers.get('x-request-id')).toBeTruthy()
    if (!path.includes(':id')) continue
    const notMine = await stranger(method, path.replace(':id', attempt.runId), body)
    expect([notMine.status, notMine.body.code], `${method} ${path}`).toEqual([404, 'not_found'])
    const nobodys = await call(method, path.replace(':id', NOBODY), body)
    expect(nobodys.body.error, `${method} ${path}`).toBe(notMine.body.error)
    expect((await call(method, path.replace(':id', attempt.runId), body, { key: '' })).status).toBe(401)
  }
})

test("the OpenAPI document describes Strait's API and its errors as they are", async () => {
  const { native } = await straitYard()
  const document = (await native('GET', '/strait/openapi.json')).body
  expect(document.info.title).toBe('Strait on Runyard')
  expect(document.servers).toMatchObject([{ url: '/strait' }])
  expect(Object.keys(document.components.schemas.ErrorResponse.properties)).toEqual([
    'error',
    'code',
    'details',
    'request_id',
  ])
  expect(document.components.schemas.JobRun.required).toContain('lineage_depth')
  const { responses } = document.paths['/v1/runs/{run_id}/reschedule'].post
  expect(Object.keys(responses)).toContain('400')
  expect(Object.keys(responses)).not.toContain('422')
  const operations = Object.values(document.paths as Record<string, Record<string, { operationId: string }>>).flatMap(
    (path) => Object.values(path),
  )
  expect(new Set(operations.map((it) => it.operationId)).size).toBe(operations.length)
})

test('a read-only key changes nothing, and is told which scope it lacks', async () => {
  const { call, native, withKey } = await straitYard()
  await addWorkerJob(native, 'j')
  const run = await trigger(native, 'j')
  const made = await native('POST', '/v1/keys', { name: 'reader', scopes: ['runs:read'] })
  const reader = withKey(made.body.key)
  for (const [method, path, body] of OPERATIONS) {
    if (path.includes('/stream')) continue
    const reply = await reader(method, path.replace(':id', run.id), body)
    if (method === 'GET') expect(reply.status, path).toBe(200)
    else expect([reply.status, reply.body.error], path).toEqual([403, 'insufficient permissions: requires runs:write'])
  }
  expect((await call('GET', `/v1/runs/${run.id}`)).body.status).toBe('queued')
})
