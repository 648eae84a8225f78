import { expect, test } from 'vitest'
import { trigger } from '../../support/http-yard.ts'
import { addWorkerJob, claimOne, executing, failed } from '../../support/strait-attempts.ts'
import { NOBODY, RFC3339, straitYard } from '../../support/strait-yard.ts'

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
