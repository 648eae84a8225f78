import { expect, test } from 'vitest'
import { addWorkerJob, claimOne, executing, sdkYard, settle } from '../../support/strait-attempts.ts'
import { NOBODY, RFC3339, UUID } from '../../support/strait-yard.ts'

test('complete and fail end the run permanently, and return it', async () => {
  const { sdk, runId, native, call } = await sdkYard({}, { max_attempts: 5 })
  const done = await sdk('POST', '/complete', { result: { sum: 3 } })
  expect([done.status, done.body]).toEqual([
    200,
    expect.objectContaining({ id: runId, status: 'completed', result: { sum: 3 } }),
  ])
  const failing = await executing(native, call, 'j')
  const failed = await failing.sdk('POST', '/fail', { error: { message: 'no luck' } })
  expect([failed.status, failed.body]).toEqual([
    200,
    expect.objectContaining({ status: 'failed', error: 'no luck', attempt: 1 }),
  ])
  const huge = await executing(native, call, 'j')
  const tooMuch = await huge.sdk('POST', '/complete', { result: 'x'.repeat(1_100_000) })
  expect([tooMuch.status, tooMuch.body.code]).toEqual([413, 'payload_too_large'])
})

test("a result that does not match the job's schema is refused, and the run continues", async () => {
  const { sdk, call, runId } = await sdkYard({}, { result_schema: { type: 'object', required: ['sum'] } })
  const refused = await sdk('POST', '/complete', { result: {} })
  expect([refused.status, refused.body.code, refused.body.details]).toEqual([
    400,
    'validation_error',
    [expect.stringContaining('sum')],
  ])
  expect((await call('GET', `/v1/runs/${runId}`)).body.status).toBe('executing')
})

test('a child is spawned under both names of its job, and has a version and a time to live like any run', async () => {
  const { sdk, call, native, runId } = await sdkYard()
  const jobId = await addWorkerJob(native, 'child', { run_ttl_secs: 600 })
  const spawned = await sdk('POST', '/spawn', {
    job_slug: 'child',
    project_id: 'default',
    payload: { n: 1 },
    priority: 4,
  })
  expect([spawned.status, spawned.body]).toEqual([
    201,
    {
      id: UUID,
      job_id: jobId,
      project_id: 'default',
      status: 'queued',
      parent_run_id: runId,
      triggered_by: 'spawn',
    },
  ])
  expect((await call('GET', `/v1/runs/${spawned.body.id}`)).body).toMatchObject({
    job_version: 1,
    expires_at: RFC3339,
    payload: { n: 1 },
    priority: 4,
  })
  expect((await sdk('POST', '/spawn', { job_id: jobId })).body.job_id).toBe(jobId)
  const answers = await Promise.all(
    [{}, { job_slug: 'no-such' }, { job_slug: 'child', project_id: 'other' }, { job_slug: 'child', priority: 11 }].map(
      async (body) => {
        const { status, body: said } = await sdk('POST', '/spawn', body)
        return [status, said.error]
      },
    ),
  )
  expect(answers).toEqual([
    [400, 'job_slug is required'],
    [404, 'job not found'],
    [403, 'project_id is not the project of this run'],
    [400, expect.stringContaining('priority')],
  ])
})

test('a parent that awaits its child is suspended, and continues when the child ends', async () => {
  const { sdk, call, native, runId } = await sdkYard()
  await addWorkerJob(native, 'child')
  const spawned = await sdk('POST', '/spawn', { job_slug: 'child', await_completion: true, await_timeout_secs: 60 })
  expect(spawned.body).toMatchObject({
    await_completion: true,
    await_event_key: `spawn-await:${spawned.body.id}`,
  })
  expect((await call('GET', `/v1/runs/${runId}`)).body.status).toBe('waiting')
  await settle(native, await claimOne(native, call, 'child'), { outcome: 'completed', result: 7 })
  const again = await claimOne(native, call, 'j')
  expect(again.runId).toBe(runId)
  expect((await again.sdk('GET', `/state/${spawned.body.await_event_key}`)).status).toBe(200)
})

test('a continuation is a new run of one more depth, and there are at most ten of them', async () => {
  const { sdk, native, call, runId } = await sdkYard({ payload: { n: 0 }, priority: 6 })
  const next = await sdk('POST', '/continue')
  expect([next.status, next.body]).toEqual([
    201,
    expect.objectContaining({
      continuation_of: runId,
      lineage_depth: 1,
      payload: { n: 0 },
      priority: 6,
      triggered_by: 'manual',
      job_version: 1,
    }),
  ])
  await sdk('POST', '/complete')
  for (let depth = 2; depth <= 10; depth++) {
    const at = await claimOne(native, call, 'j')
    const { status, body } = await at.sdk('POST', '/continue', { payload: { n: depth } })
    expect([status, body.lineage_depth, body.payload]).toEqual([201, depth, { n: depth }])
    await at.sdk('POST', '/complete')
  }
  const tooDeep = await (await claimOne(native, call, 'j')).sdk('POST', '/continue')
  expect([tooDeep.status, tooDeep.body.code]).toEqual([400, 'bad_request'])
})

test('a run waits for an event and continues with its payload as a checkpoint', async () => {
  const { sdk, call, native, runId, list } = await sdkYard()
  const wait = await sdk('POST', '/wait-for-event', { event_key: 'approved', timeout_secs: 60, notify_url: 'http://x' })
  expect([wait.status, wait.body]).toEqual([
    200,
    { status: 'waiting', event_key: 'approved', expires_at: RFC3339, trigger_id: UUID },
  ])
  expect((await call('GET', `/v1/runs/${runId}`)).body.status).toBe('waiting')
  const twice = await sdk('POST', '/wait-for-event', { event_key: 'another' })
  expect([twice.status, twice.body.error]).toEqual([409, 'run is not executing'])
  const rival = await executing(native, call, 'j')
  const taken = await rival.sdk('POST', '/wait-for-event', { event_key: 'approved' })
  expect([taken.status, taken.body.error]).toEqual([409, 'event_key is already in use'])
  await rival.sdk('POST', '/complete')
  expect((await call('POST', '/v1/events/approved/send', { payload: { by: 'Ada' } })).status).toBe(200)
  expect((await call('POST', '/v1/events/approved/send', {})).status).toBe(404)
  const again = await claimOne(native, call, 'j')
  expect(again.runId).toBe(runId)
  expect((await list('checkpoints'))[0]).toMatchObject({ source: 'event_trigger', state: { by: 'Ada' } })
  for (const bad of [{}, { event_key: '' }, { event_key: 'x'.repeat(513) }, { event_key: 'k', timeout_secs: 0 }])
    expect((await again.sdk('POST', '/wait-for-event', bad)).status).toBe(400)
})

/** Every call of the plane, with the least that it takes. */
const CALLS = [
  ['GET', '/payload'],
  ['POST', '/log', { message: 'x' }],
  ['POST', '/progress', { percent: 1 }],
  ['POST', '/annotate', { annotations: { a: 'b' } }],
  ['POST', '/heartbeat'],
  ['POST', '/checkpoint', { state: 1 }],
  ['POST', '/usage', { provider: 'p', model: 'm' }],
  ['POST', '/tool-call', { tool_name: 't' }],
  ['POST', '/output', { output_key: 'k', value: 1 }],
  ['POST', '/spawn', { job_slug: 'j' }],
  ['POST', '/continue'],
  ['POST', '/wait-for-event', { event_key: 'k' }],
  ['POST', '/state', { key: 'k', value: 1 }],
  ['GET', '/state'],
  ['GET', '/state/k'],
  ['DELETE', '/state/k'],
  ['POST', '/stream', { chunk: 'x' }],
  ['POST', '/resources', { cpu_percent: 1 }],
  ['POST', '/complete'],
  ['POST', '/fail', { error: 'x' }],
] as const

const said = async (reply: Promise<{ status: number; body: { error: string } }>) => {
  const { status, body } = await reply
  return [status, body?.error]
}

test('a call without a token, with a key, or with the token of another run is refused', async () => {
  const { sdk, call, native, runId } = await sdkYard()
  const other = await executing(native, call, 'j')
  for (const [method, path, body] of CALLS) {
    const at = `${method} ${path}`
    expect((await sdk(method, path, body, { key: '' })).status, at).toBe(401)
    expect((await sdk(method, path, body, { key: 'eyJhbGciOiJIUzI1NiJ9.e30.nonsense' })).status, at).toBe(401)
    expect(await said(call(method, `/sdk/v1/runs/${runId}${path}`, body)), at).toEqual([401, 'a run token is required'])
    for (const run of [runId, NOBODY])
      expect(await said(call(method, `/sdk/v1/runs/${run}${path}`, body, { key: other.token })), at).toEqual([
        403,
        'run token does not belong to this run',
      ])
  }
  expect((await call('GET', `/v1/runs/${runId}`)).body).toMatchObject({ status: 'executing' })
  expect((await call('GET', `/v1/runs/${runId}/events`)).body).toHaveLength(2)
})

test('a token is useless once its run has ended, another attempt runs, or its lease is lost', async () => {
  const { sdk, call, native, runId, attempt } = await sdkYard(
    {},
    { max_attempts: 3, retry_strategy: 'fixed', retry_initial_delay_secs: 0 },
  )
  await settle(native, attempt, { outcome: 'failed', error: 'x' })
  for (const [method, path, body] of CALLS)
    expect(await said(sdk(method, path, body)), path).toEqual([401, 'run token is of an earlier attempt'])

  const second = await claimOne(native, call, 'j')
  await settle(native, second, { outcome: 'returned' })
  const third = await claimOne(native, call, 'j')
  for (const [method, path, body] of CALLS.filter(([method]) => method !== 'GET'))
    expect(await said(second.sdk(method, path, body)), path).toEqual([409, 'run lease is no longer held'])

  const before = (await call('GET', `/v1/runs/${runId}/events`)).body
  await third.sdk('POST', '/complete')
  for (const [method, path, body] of CALLS)
    expect(await said(third.sdk(method, path, body)), path).toEqual([410, 'run already in terminal state'])
  expect((await call('GET', `/v1/runs/${runId}/events`)).body).toHaveLength(before.length + 1)
})
