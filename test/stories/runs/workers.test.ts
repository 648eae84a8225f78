import { request } from 'node:http'
import { expect, test } from 'vitest'
import { httpYard, KEY, until, untilState } from '../../support/http-yard.ts'

test('a worker claims into a buffer, starts, renews, is asked to pause, settles as paused, and continues from its checkpoint', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  const run = (await call('POST', '/v1/jobs/j/runs', {})).body
  const [claimed] = (await call('POST', '/v1/workers/claim', { worker_id: 'w', buffer: true })).body.runs
  const lease = { run_id: run.id, lease_token: claimed.lease_token }
  expect((await call('GET', `/v1/runs/${run.id}`)).body.status).toBe('dequeued')
  expect((await call('POST', '/v1/workers/start', { leases: [lease] })).body.results).toEqual([
    { run_id: run.id, status: 'executing' },
  ])
  const beat = () => call('POST', '/v1/workers/heartbeat', { worker_id: 'w', leases: [lease] })
  expect((await beat()).body.leases).toMatchObject([{ told: 'continue' }])
  await call('POST', `/v1/runs/${run.id}/pause`)
  expect((await beat()).body.leases).toMatchObject([{ told: 'pause' }])
  const token = { key: claimed.run_token }
  expect((await call('POST', `/v1/runs/${run.id}/checkpoint`, { state: { page: 3 } }, token)).status).toBe(201)
  expect(
    (await call('POST', '/v1/workers/settle', { settlements: [{ ...lease, outcome: 'paused' }] })).body.results,
  ).toEqual([{ run_id: run.id, status: 'paused' }])
  await call('POST', `/v1/runs/${run.id}/resume`)
  const [again] = (await call('POST', '/v1/workers/claim', { worker_id: 'w2' })).body.runs
  expect(again).toMatchObject({ run: { id: run.id, attempt: 1 }, checkpoint: { number: 1, state: { page: 3 } } })
  // The old lease is of no use any more, for nothing.
  expect((await beat()).body.leases).toMatchObject([{ told: 'stop' }])
  expect(
    (await call('POST', '/v1/workers/settle', { settlements: [{ ...lease, outcome: 'completed' }] })).body.results,
  ).toMatchObject([{ status: null, error: { code: 'stale_lease' } }])
  expect((await call('POST', `/v1/runs/${run.id}/log`, { message: 'late' }, token)).status).toBe(409)
})

test('a settlement names its worker in the log, and an invalid one does not affect the others', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker', max_attempts: 1 })
  await call('POST', '/v1/jobs/j/runs/batch', { items: [{}, {}, {}] })
  const { runs } = (await call('POST', '/v1/workers/claim', { worker_id: 'ada', limit: 3 })).body
  const [a, b, c] = runs.map((it: { run: { id: string }; lease_token: string }) => ({
    run_id: it.run.id,
    lease_token: it.lease_token,
  }))
  const settlements = [
    { ...a, outcome: 'completed', result: { n: 1 } },
    { ...b, outcome: 'exploded' },
    { ...c, outcome: 'failed', error: { message: 'no luck', stack: '…' }, error_code: 'luck' },
    { run_id: a.run_id, lease_token: b.lease_token, outcome: 'completed' },
  ]
  const reply = await call('POST', '/v1/workers/settle', { settlements })
  expect(
    reply.body.results.map((it: { status: string | null; error?: { code: string } }) => it.status ?? it.error?.code),
  ).toEqual(['completed', 'invalid', 'dead_letter', expect.stringMatching(/^(stale_lease|run_over)$/)])
  expect((await call('GET', `/v1/runs/${c.run_id}`)).body).toMatchObject({ error: 'no luck', error_code: 'luck' })
  const ended = (await call('GET', `/v1/events?type=run.completed&run_id=${a.run_id}`)).body.data
  expect(ended).toMatchObject([{ actor_type: 'worker', actor_id: 'ada' }])
})

test('runs claimed for a client that hung up return to the queue without using up an attempt', async () => {
  const { call, address } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  for (let round = 0; round < 5; round++) {
    const waiting = request(`${address}/v1/workers/claim`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    })
    waiting.on('error', () => {})
    waiting.end(JSON.stringify({ worker_id: 'ghost', wait_secs: 30 }))
    await new Promise((resolve) => setTimeout(resolve, 50))
    waiting.destroy()
    const run = (await call('POST', '/v1/jobs/j/runs', {})).body
    const taken = await until(
      () => call('POST', '/v1/workers/claim', { worker_id: 'w' }),
      (reply) => reply.body.runs.length === 1,
      5_000,
    )
    expect(taken.body.runs[0].run).toMatchObject({ id: run.id, attempt: 1 })
    const { lease_token } = taken.body.runs[0]
    await call('POST', '/v1/workers/settle', { settlements: [{ run_id: run.id, lease_token, outcome: 'completed' }] })
    await untilState(call, run.id, ['completed'])
  }
})

test('an expired lease is reported as such, and one that a restart replaced too', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', {
    slug: 'j',
    execution: 'worker',
    retry_strategy: 'fixed',
    retry_initial_delay_secs: 0,
  })
  const { body: run } = await call('POST', '/v1/jobs/j/runs', {})
  const claim = async (lease_secs: number) => {
    const [claimed] = (await call('POST', '/v1/workers/claim', { worker_id: 'w', lease_secs, wait_secs: 20 })).body.runs
    return { run_id: run.id, lease_token: claimed.lease_token, outcome: 'completed' }
  }
  const settle = async (late: object) =>
    (await call('POST', '/v1/workers/settle', { settlements: [late] })).body.results[0].error
  const slept = await claim(5)
  await untilState(call, run.id, ['queued', 'delayed'], 20_000)
  const ranOut = {
    code: 'stale_lease',
    message: `The lease on run ${run.id} expired before it was renewed or settled; the run goes on without that attempt.`,
    details: { run_id: run.id, lost: 'expired', latest_attempt: 2 },
  }
  expect(await settle(slept)).toEqual(ranOut)
  const second = await claim(60)
  expect(await settle(slept)).toEqual(ranOut)
  await call('POST', `/v1/runs/${run.id}/restart`, {})
  expect(await settle(second)).toMatchObject({
    message: expect.stringContaining('another attempt or a stop replaced it'),
    details: { lost: 'replaced' },
  })
})

test('a long poll ends after 50 s, however long it asked to wait, because proxies give up after 60', {
  timeout: 90_000,
}, async () => {
  const { call } = await httpYard()
  const beganMs = performance.now()
  const { status, body } = await call('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 60 })
  const tookMs = performance.now() - beganMs
  expect([status, body]).toEqual([200, { runs: [] }])
  expect(tookMs).toBeGreaterThan(49_000)
  expect(tookMs).toBeLessThan(57_000)
})

test('two settlements of one run in a call are answered separately', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  const run = (await call('POST', '/v1/jobs/j/runs', {})).body
  const [claimed] = (await call('POST', '/v1/workers/claim', { worker_id: 'w' })).body.runs
  const lease = { run_id: run.id, lease_token: claimed.lease_token }
  const settlements = [
    { ...lease, outcome: 'completed' },
    { ...lease, outcome: 'failed', error: 'no' },
  ]
  const { results } = (await call('POST', '/v1/workers/settle', { settlements })).body
  expect(results.filter((it: { status: string | null }) => it.status !== null)).toHaveLength(1)
  expect(results.filter((it: { error?: object }) => it.error)).toHaveLength(1)
})
