import { expect, test } from 'vitest'
import { trigger } from '../../support/http-yard.ts'
import { addWorkerJob, claimOne, executing, failed, settle } from '../../support/strait-attempts.ts'
import { NOBODY, straitYard } from '../../support/strait-yard.ts'

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
