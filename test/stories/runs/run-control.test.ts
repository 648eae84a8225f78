import { expect, test } from 'vitest'
import { connect, type Sql } from '#postgres/sql.ts'
import { until } from '../../support/http-yard.ts'
import { httpServer } from '../../support/local-servers.ts'
import { addWorkerJob, claimOne, executing, settle } from '../../support/strait-attempts.ts'
import { straitYard } from '../../support/strait-yard.ts'

test('a restart with a preset that sets no queue, timeout or attempts uses those of the job', async () => {
  const { native, call } = await straitYard()
  await addWorkerJob(native, 'w', { timeout_secs: 100, max_attempts: 2 })
  await native('PUT', '/v1/presets/big', { queue: 'big', timeout_secs: 900, max_attempts: 7 })
  await native('PUT', '/v1/presets/plain', { environment: { A: '1' } })
  const { body: run } = await native('POST', '/v1/jobs/w/runs', { preset: 'big' })
  await claimOne(native, call, 'big')
  const r = await native('POST', `/v1/runs/${run.id}/restart`, { preset: 'plain' })
  expect(r.body).toMatchObject({ preset: 'plain', queue: 'w', timeout_secs: 100, max_attempts: 2 })
})

test('a replay of a run that was restarted with a preset has the settings of that preset', async () => {
  const { native, call } = await straitYard()
  await addWorkerJob(native, 'w', { timeout_secs: 100 })
  await native('PUT', '/v1/presets/big', { queue: 'big', timeout_secs: 900 })
  const { body: run } = await native('POST', '/v1/jobs/w/runs', { timeout_secs: 50 })
  await claimOne(native, call, 'w')
  await native('POST', `/v1/runs/${run.id}/restart`, { preset: 'big' })
  const a = await claimOne(native, call, 'big')
  await settle(native, a, { outcome: 'failed', error: 'x', retryable: false })
  const shown = (await call('GET', `/v1/runs/${run.id}`)).body
  const replay = await native('POST', `/v1/runs/${run.id}/replay`)
  expect.soft(shown.timeout_secs_override).toBe(900)
  expect(replay.body.timeout_secs).toBe(900)
})

test('no run of a deleted job can be queued again: redrive and resume are refused', async () => {
  const { native, call, url } = await straitYard()
  await addWorkerJob(native, 'w')
  const a = await executing(native, call, 'w')
  await settle(native, a, { outcome: 'failed', error: 'x', retryable: true })
  expect((await native('GET', `/v1/runs/${a.runId}`)).body.status).toBe('dead_letter')
  await native('DELETE', '/v1/jobs/w')
  const sql = connect(url, { name: 'look' }) as unknown as Sql
  await sql`update jobs set deleted_at = now() - interval '2 days'`
  const redriven = await call('POST', `/v1/runs/${a.runId}/dlq-replay`)
  await native('POST', '/v1/workers/claim', { worker_id: 'z', queues: ['w'], wait_secs: 1 })
  await (sql as unknown as { end: () => Promise<void> }).end()
  expect(redriven.status).toBeGreaterThanOrEqual(400)
})

test('a redriven run has its idempotency key again: the key creates no second run beside it', async () => {
  const { native, call } = await straitYard()
  await addWorkerJob(native, 'w')
  const a = await executing(native, call, 'w', { idempotency_key: 'k' })
  await settle(native, a, { outcome: 'failed', error: 'x', retryable: true })
  await native('POST', `/v1/runs/${a.runId}/dlq-replay`)
  const again = await native('POST', '/v1/jobs/w/runs', { idempotency_key: 'k' })
  expect(again.body.id).toBe(a.runId)
})

test('an awaited spawn whose wait is refused leaves no child behind', async () => {
  const { native, call } = await straitYard()
  await addWorkerJob(native, 'w')
  await addWorkerJob(native, 'c')
  const a = await executing(native, call, 'w')
  await a.sdk('POST', '/wait-for-event', { event_key: 'k' })
  const r = await a.sdk('POST', '/spawn', { job_slug: 'c', project_id: 'default', await_completion: true })
  const kids = await native('GET', `/v1/runs/${a.runId}/children`)
  expect([r.status, kids.body.data.length]).toEqual([409, 0])
})

test('a continuation with an explicit null payload has null', async () => {
  const { native, call } = await straitYard()
  await addWorkerJob(native, 'w')
  const a = await executing(native, call, 'w', { payload: { old: 1 } })
  const next = await a.sdk('POST', '/continue', { payload: null })
  expect(next.body.payload ?? null).toBe(null)
})

test('a continuation runs where the original did: with its preset, queue and overrides', async () => {
  const { native, call } = await straitYard()
  await addWorkerJob(native, 'w')
  const { body: run } = await native('POST', '/v1/jobs/w/runs', { preset: 'large-1x', timeout_secs: 1234 })
  const a = await claimOne(native, call, 'large-1x')
  expect(a.runId).toBe(run.id)
  const next = await a.sdk('POST', '/continue', {})
  const shown = (await native('GET', `/v1/runs/${next.body.id}`)).body
  expect(shown).toMatchObject({ preset: 'large-1x', queue: 'large-1x', timeout_secs: 1234 })
})

test('a worker that was asked to pause and fails retryably leaves the run paused', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'w', { max_attempts: 3, retry_initial_delay_secs: 0, retry_strategy: 'fixed' })
  const a = await executing(native, call, 'w')
  await native('POST', `/v1/runs/${a.runId}/pause`)
  await settle(native, a, { outcome: 'failed', error: 'interrupted', retryable: true })
  const now = await native('GET', `/v1/runs/${a.runId}`)
  expect(now.body.status).toBe('paused')
})

test('a worker that was asked to pause and returns the run unfinished leaves it paused', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'w', { max_attempts: 3 })
  const a = await executing(native, call, 'w')
  await native('POST', `/v1/runs/${a.runId}/pause`)
  await settle(native, a, { outcome: 'returned' })
  const now = await native('GET', `/v1/runs/${a.runId}`)
  expect(now.body.status).toBe('paused')
})

test('a run that was asked to pause is not paused again after it has waited and woken', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'w', { max_attempts: 3, pause_grace_secs: 2 })
  const a = await executing(native, call, 'w')
  await native('POST', `/v1/runs/${a.runId}/pause`)
  await a.sdk('POST', '/wait-for-event', { event_key: 'k' })
  const now = await until(
    () => native('GET', `/v1/runs/${a.runId}`),
    (reply) => reply.body.status !== 'executing',
  )
  expect(now.body.status).toBe('paused')
})

test('a handler that was asked to pause saves a checkpoint and yields: its run is paused, and continues from there', async () => {
  const { native, call, address } = await straitYard()
  const seen: (string | undefined)[] = []
  const server = await httpServer(async (request, response) => {
    seen.push(request.headers['x-last-checkpoint'] as string | undefined)
    if (seen.length > 1) return void response.writeHead(200).end('"done"')
    const ask = async (path: string, body: object) => {
      const reply = await fetch(`${address}/v1/runs/${request.headers['x-run-id']}/${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${request.headers['x-run-token']}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      return (await reply.json()) as { told?: string }
    }
    await until(
      () => ask('heartbeat', {}),
      (reply) => reply.told === 'pause',
    )
    await ask('checkpoint', { state: { at: 7 } })
    await ask('yield', {})
    response.writeHead(200).end('{"stopped":true}')
  })
  await native('POST', '/v1/jobs', { slug: 'h', execution: 'http', endpoint_url: server.url, pause_grace_secs: 5 })
  const { body: run } = await native('POST', '/v1/jobs/h/runs', {})
  await until(
    async () => seen.length,
    (n) => n === 1,
  )
  const paused = await call('POST', `/v1/runs/${run.id}/pause`)
  expect(paused.body).toMatchObject({ status: 'paused' })
  await native('POST', `/v1/runs/${run.id}/resume`)
  await until(
    () => native('GET', `/v1/runs/${run.id}`),
    (reply) => reply.body.status === 'completed',
  )
  expect(JSON.parse(seen[1]!)).toEqual({ at: 7 })
})
