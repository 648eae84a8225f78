// What a client of Strait finds in small: defaults, order, words and rights.
import { expect, test } from 'vitest'
import { KEY, until } from '../../support/http-yard.ts'
import { watch } from '../../support/sse-client.ts'
import { addWorkerJob, claimOne, executing } from '../../support/strait-attempts.ts'
import { straitYard } from '../../support/strait-yard.ts'

const levelsOf = (events: { level: string; data: unknown }[]) =>
  events.map(({ level, data }) => [level, typeof data, data === null])

test('every event has a level and data, in lists, bundles and responses; a level filter finds defaults', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  const { runId, sdk } = await executing(native, call, 'j')
  const line = await sdk('POST', '/log', { message: 'hi' })
  expect(line).toMatchObject({ status: 201, body: { level: 'info', data: {} } })
  await sdk('POST', '/log', { level: 'debug', message: 'in detail' })
  await sdk('POST', '/progress', { percent: 10 })
  const events = (await call('GET', `/v1/runs/${runId}/events`)).body
  expect(levelsOf(events).every(([level, type, isNull]) => level && type === 'object' && !isNull)).toBe(true)
  expect((await call('GET', `/v1/runs/${runId}/events?type=progress&level=info`)).body).toHaveLength(1)
  expect((await call('GET', `/v1/runs/${runId}/events?level=debug`)).body).toHaveLength(1)
  const bundle = (await call('GET', `/v1/runs/${runId}/debug-bundle`)).body
  expect(bundle.events).toEqual(events)
})

test('the usage in a bundle is in the order of its list, newest first', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  const { runId, sdk } = await executing(native, call, 'j')
  for (const model of ['a', 'b']) await sdk('POST', '/usage', { provider: 'p', model, total_tokens: 1 })
  const { usage } = (await call('GET', `/v1/runs/${runId}/debug-bundle`)).body
  expect(usage.map((row: { model: string }) => row.model)).toEqual(['b', 'a'])
  expect((await call('GET', `/v1/runs/${runId}/usage`)).body).toEqual(usage)
})

test('of items with one key the first creates the run, whatever the others contain, and a repeat says so', async () => {
  const { call, native } = await straitYard()
  const job = await addWorkerJob(native, 'j')
  for (let round = 0; round < 5; round++) {
    const item = (n: number) => ({ payload: { n }, idempotency_key: `k${round}` })
    const same = { payload: { n: 1 }, idempotency_key: `k${round}` }
    const { body } = await call('POST', `/v1/jobs/${job}/trigger/bulk`, { items: [item(1), item(2), same] })
    const [first, second, third] = body.results
    expect(first.idempotency_hit).toBe(false)
    expect(second).toMatchObject({ status: 'failed', error: expect.any(String) })
    expect(second).not.toHaveProperty('id')
    expect(third).toMatchObject({ id: first.id, idempotency_hit: true })
    expect((await call('GET', `/v1/runs/${first.id}`)).body.payload).toEqual({ n: 1 })
  }
  const headers = { 'idempotency-key': 'one' }
  const made = await call('POST', `/v1/jobs/${job}/trigger`, {}, { headers })
  expect([made.status, made.headers.get('idempotency-replayed')]).toEqual([201, null])
  const again = await call('POST', `/v1/jobs/${job}/trigger`, {}, { headers })
  expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([200, 'true'])
})

test('a released idempotency key is no longer shown, and creates another run', async () => {
  const { call, native } = await straitYard()
  const job = await addWorkerJob(native, 'j')
  const trigger = async () =>
    (await call('POST', `/v1/jobs/${job}/trigger`, {}, { headers: { 'idempotency-key': 'k' } })).body
  const { id } = await trigger()
  expect((await call('GET', `/v1/runs/${id}`)).body.idempotency_key).toBe('k')
  expect((await call('DELETE', `/v1/runs/${id}/idempotency-key`)).status).toBe(200)
  expect((await call('GET', `/v1/runs/${id}`)).body).not.toHaveProperty('idempotency_key')
  const other = await trigger()
  expect(other).toMatchObject({ idempotency_hit: false })
  expect(other.id).not.toBe(id)
})

test('a run that has started cannot be rescheduled, even between two attempts', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j', { max_attempts: 2, retry_initial_delay_secs: 600, retry_strategy: 'fixed' })
  const { runId, lease } = await executing(native, call, 'j')
  await native('POST', '/v1/workers/settle', { settlements: [{ ...lease, outcome: 'failed', error: 'no' }] })
  const between = (await call('GET', `/v1/runs/${runId}`)).body
  expect(between).toMatchObject({ attempt: 2, next_retry_at: expect.any(String) })
  const scheduled_at = new Date(Date.now() + 60_000).toISOString()
  const refused = await call('POST', `/v1/runs/${runId}/reschedule`, { scheduled_at })
  expect(refused).toMatchObject({
    status: 404,
    body: { error: 'run not found or not eligible for rescheduling' },
  })
  expect((await call('GET', `/v1/runs/${runId}`)).body).toEqual(between)
})

test('runs canceled together say so, a restart shows its preset, and a time zone must exist', async () => {
  const { call, native } = await straitYard()
  const job = await addWorkerJob(native, 'j')
  const trigger = async () => (await call('POST', `/v1/jobs/${job}/trigger`, {})).body.id
  const [one, two] = [await trigger(), await trigger()]
  await call('POST', '/v1/runs/bulk-cancel', { run_ids: [one] })
  await call('POST', '/v1/runs/bulk-cancel-all?project_id=default', { status: 'queued' })
  for (const id of [one, two])
    expect((await call('GET', `/v1/runs/${id}`)).body).toMatchObject({
      status: 'canceled',
      error: 'canceled by user (bulk)',
    })
  const { runId } = await executing(native, call, 'j')
  const restarted = await call('POST', `/v1/runs/${runId}/restart`, { machine_preset: 'small-2x' })
  expect(restarted).toMatchObject({ status: 200, body: { metadata: { _preset_override: 'small-2x' } } })
  const asked = { project_id: 'default', name: 'n', slug: 'n', execution_mode: 'worker', timezone: 'Mars/X' }
  expect((await call('POST', '/v1/jobs', asked)).status).toBe(400)
})

test('a key may do what its scopes say, and no more', async () => {
  const { call, native, withKey } = await straitYard()
  const job = await addWorkerJob(native, 'j')
  const run = (await call('POST', `/v1/jobs/${job}/trigger`, {})).body.id
  const keyOf = async (scope: string) =>
    withKey((await call('POST', '/v1/api-keys', { project_id: 'default', name: scope, scopes: [scope] })).body.key)
  const asked = async (scope: string) => {
    const mine = await keyOf(scope)
    return {
      trigger: (await mine('POST', `/v1/jobs/${job}/trigger`, {})).status,
      redrive: (await mine('POST', `/v1/runs/${run}/dlq-replay`)).status,
      cancel: (await mine('POST', '/v1/runs/bulk-cancel', { run_ids: ['nobody'] })).status,
      read: (await mine('GET', `/v1/runs/${run}`)).status,
      stats: (await mine('GET', '/v1/stats')).status,
    }
  }
  const none = { trigger: 403, redrive: 403, cancel: 403, read: 403, stats: 403 }
  expect(await asked('jobs:trigger')).toEqual({ ...none, trigger: 201 })
  expect(await asked('dlq:replay')).toEqual({ ...none, redrive: 409 })
  expect(await asked('stats:read')).toEqual({ ...none, stats: 200 })
  expect(await asked('runs:read')).toEqual({ ...none, read: 200, stats: 200 })
  expect(await asked('runs:write')).toEqual({ ...none, trigger: 201, redrive: 409, cancel: 200 })
})

test('a stream begins with a data frame, and a line separator within a text does not end its line', async () => {
  const { call, native, address } = await straitYard()
  await addWorkerJob(native, 'j')
  await native('POST', '/v1/jobs/j/runs', {})
  const { runId, sdk } = await claimOne(native, call, 'j')
  await sdk('POST', '/log', { message: 'one\u2028two\u0085three' })
  const response = await fetch(`${address}/strait/v1/runs/${runId}/stream`, {
    headers: { authorization: `Bearer ${KEY}` },
  })
  let text = ''
  const reading = (async () => {
    for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) text += piece
  })()
  await until(
    async () => text,
    (read) => read.includes('three'),
  )
  expect(text).toMatch(/^id: 1\ndata: \{/)
  expect(text).toContain('one\\u2028two\\u0085three')
  await sdk('POST', '/complete', {})
  await reading
})

test("a caller without an attempt's token is told which credential is needed", async () => {
  const { call, native, address } = await straitYard()
  await addWorkerJob(native, 'j')
  const { runId } = await executing(native, call, 'j')
  const response = await fetch(`${address}/strait/sdk/v1/runs/${runId}/heartbeat`, { method: 'POST' })
  expect([response.status, ((await response.json()) as { error: string }).error]).toEqual([
    401,
    expect.stringContaining('token'),
  ])
})

test('rescheduling a run to the time it already has changes no status in its stream', async () => {
  const { call, native, address } = await straitYard()
  const job = await addWorkerJob(native, 'j')
  const scheduled_at = new Date(Date.now() + 3_600_000).toISOString()
  const { id } = (await call('POST', `/v1/jobs/${job}/trigger`, { scheduled_at })).body
  await call('POST', `/v1/runs/${id}/reschedule`, { scheduled_at })
  await call('DELETE', `/v1/runs/${id}`)
  const moves: string[][] = []
  const { ended } = watch({
    url: `${address}/strait/v1/runs/${id}/stream?after_sequence=1`,
    key: KEY,
    onFrame: ({ data }) => {
      const { type, from, to } = JSON.parse(data)
      if (type === 'status_change') moves.push([from, to])
    },
  })
  await Promise.race([
    ended,
    until(
      async () => moves.length,
      (n) => n > 0,
    ),
  ])
  expect(moves).toEqual([['delayed', 'canceled']])
})
