import { expect, test } from 'vitest'
import type { Call } from '../../support/http-yard.ts'
import { trigger } from '../../support/http-yard.ts'
import { addWorkerJob, claimOne, executing, settle } from '../../support/strait-attempts.ts'
import { MICROS, RFC3339, straitYard, UUID } from '../../support/strait-yard.ts'

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
