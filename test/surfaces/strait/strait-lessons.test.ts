// Where the product that this dialect speaks for was known to fail: each of these must hold here.
import { expect, test } from 'vitest'
import { KEY, until } from '../../support/http-yard.ts'
import { closed, httpServer } from '../../support/local-servers.ts'
import { watch } from '../../support/sse-client.ts'
import { addWorkerJob, claimOne, executing, settle } from '../../support/strait-attempts.ts'
import { straitYard } from '../../support/strait-yard.ts'

test('a cancel aborts the request in flight', async () => {
  const { call } = await straitYard()
  const aborted = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const endpoint = await httpServer((request) => {
    begun.resolve()
    void closed(request.socket).then(aborted.resolve)
  })
  const job = (
    await call('POST', '/v1/jobs', { project_id: 'default', name: 'J', slug: 'j', endpoint_url: endpoint.url })
  ).body
  const run = (await call('POST', `/v1/jobs/${job.id}/trigger`, { payload: 1 })).body
  await begun.promise
  expect((await call('DELETE', `/v1/runs/${run.id}`)).status).toBe(204)
  await aborted.promise
  expect((await call('GET', `/v1/runs/${run.id}`)).body.status).toBe('canceled')
})

test('a dispatched run shows where its time went, in whole milliseconds', async () => {
  const { call } = await straitYard()
  const endpoint = await httpServer((_, response) => void response.end('{"ok":true}'))
  const job = (
    await call('POST', '/v1/jobs', { project_id: 'default', name: 'J', slug: 'j', endpoint_url: endpoint.url })
  ).body
  const { id } = (await call('POST', `/v1/jobs/${job.id}/trigger`, { payload: 1 })).body
  const { body } = await until(
    () => call('GET', `/v1/runs/${id}`),
    (reply) => reply.body.status === 'completed',
  )
  expect(body.result).toEqual({ ok: true })
  for (const part of ['queue_wait_ms', 'dequeue_ms', 'connect_ms', 'ttfb_ms', 'transfer_ms', 'dispatch_ms', 'total_ms'])
    expect(Number.isInteger(body.execution_trace[part]), part).toBe(true)
})

test('a cancel reaches more than a hundred children, and theirs', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  await addWorkerJob(native, 'child')
  const parent = await executing(native, call, 'j')
  await Promise.all(Array.from({ length: 120 }, () => parent.sdk('POST', '/spawn', { job_slug: 'child' })))
  const child = await claimOne(native, call, 'child')
  const grandchild = (await child.sdk('POST', '/spawn', { job_slug: 'child' })).body
  expect((await call('DELETE', `/v1/runs/${parent.runId}`)).status).toBe(204)
  const children = [
    ...(await call('GET', `/v1/runs/${parent.runId}/children?limit=100`)).body,
    (await call('GET', `/v1/runs/${grandchild.id}`)).body,
  ]
  expect(new Set(children.map((run) => run.status))).toEqual(new Set(['canceled']))
  expect((await call('GET', '/v1/stats')).body).toMatchObject({ queued: 0, executing: 0 })
})

test('children are listed with their current state', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  await addWorkerJob(native, 'child')
  const parent = await executing(native, call, 'j')
  await parent.sdk('POST', '/spawn', { job_slug: 'child' })
  const status = async () => (await call('GET', `/v1/runs/${parent.runId}/children`)).body[0].status
  expect(await status()).toBe('queued')
  const child = await claimOne(native, call, 'child')
  expect(await status()).toBe('executing')
  await child.sdk('POST', '/complete')
  expect(await status()).toBe('completed')
})

test('a continuation has the version and the time to live of its job', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j', { run_ttl_secs: 600 })
  const attempt = await executing(native, call, 'j')
  expect((await attempt.sdk('POST', '/continue')).body).toMatchObject({
    job_version: 1,
    expires_at: expect.any(String),
  })
})

test('checkpoints saved at the same time are numbered without gaps', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  const attempt = await executing(native, call, 'j')
  const written = await Promise.all(
    Array.from({ length: 20 }, (_, n) => attempt.sdk('POST', '/checkpoint', { state: n })),
  )
  expect(written.map((reply) => reply.body.sequence).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 20 }, (_, n) => n + 1),
  )
})

test('many simultaneous replays of one dead letter queue it once', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  const attempt = await executing(native, call, 'j')
  await settle(native, attempt, { outcome: 'failed', error: 'x' })
  const replies = await Promise.all(
    Array.from({ length: 10 }, (_, n) =>
      n % 2
        ? call('POST', `/v1/runs/${attempt.runId}/dlq-replay`)
        : call('POST', '/v1/runs/bulk-dlq-replay', { run_ids: [attempt.runId] }),
    ),
  )
  expect(replies.some((reply) => reply.status === 202 || reply.status === 200)).toBe(true)
  expect(replies.every((reply) => [200, 202, 409].includes(reply.status))).toBe(true)
  const events = (await call('GET', `/v1/runs/${attempt.runId}/events?type=run.redriven`)).body
  expect(events).toMatchObject([{ data: { from: 'dead_letter', to: 'queued' } }])
})

test('many simultaneous cancels of one run cancel it once', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  const { runId } = await executing(native, call, 'j')
  const replies = await Promise.all(Array.from({ length: 10 }, () => call('DELETE', `/v1/runs/${runId}`)))
  expect(new Set(replies.map((reply) => reply.status)).has(204)).toBe(true)
  expect(replies.every((reply) => [204, 400].includes(reply.status))).toBe(true)
  expect((await call('GET', `/v1/runs/${runId}/events?type=run.canceled`)).body).toHaveLength(1)
})

test('a call with an idempotency key is executed once, and its repeat says so', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  const attempt = await executing(native, call, 'j')
  await attempt.sdk('POST', '/fail', { error: 'x' })
  const replay = () =>
    call('POST', `/v1/runs/${attempt.runId}/replay`, undefined, { headers: { 'idempotency-key': 'k' } })
  const [first, second] = [await replay(), await replay()]
  expect([second.status, second.body.id]).toEqual([202, first.body.id])
  expect([first, second].map((reply) => reply.headers.get('idempotency-replayed'))).toEqual([null, 'true'])
  const other = await call(
    'POST',
    '/v1/runs/bulk-replay',
    { run_ids: [attempt.runId] },
    {
      headers: { 'idempotency-key': 'k' },
    },
  )
  expect([other.status, other.body.code]).toEqual([409, 'conflict'])
})

test('values that cannot be stored are refused by field, and malformed JSON by position', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  const { sdk } = await executing(native, call, 'j')
  const nul = await sdk('POST', '/checkpoint', { state: { note: 'a\u0000b' } })
  expect([nul.status, nul.body.details]).toEqual([400, [expect.stringContaining('state.note')]])
  const broken = await sdk('POST', '/checkpoint', '{"state": ')
  expect([broken.status, broken.body.code]).toEqual([400, 'bad_request'])
  const text = await sdk('POST', '/checkpoint', 'state=1', { headers: { 'content-type': 'text/plain' } })
  expect([text.status, text.body.code]).toEqual([415, 'unsupported_media_type'])
})

test('an external run is shown under the id that its client chose', async () => {
  const { call, native } = await straitYard()
  await native('POST', '/v1/events', { type: 'agent.step.completed', run_id: 'run/42', message: 'first' })
  const path = `/v1/runs/${encodeURIComponent('run/42')}`
  expect((await call('GET', path)).body).toMatchObject({
    id: 'run/42',
    job_id: '',
    job_version: 0,
    status: 'executing',
  })
  expect((await call('GET', '/v1/runs?project_id=default')).body).toMatchObject([{ id: 'run/42' }])
  expect((await call('GET', `${path}/events`)).body.at(-1)).toMatchObject({ run_id: 'run/42', message: 'first' })
  expect((await call('POST', `${path}/pause`)).body.error).toBe('run is not executing')
  expect((await call('GET', `${path}/dependency-status`)).body).toMatchObject({ job_id: '', dependencies: [] })
  expect((await call('DELETE', path)).status).toBe(204)
  const replay = await call('POST', `${path}/replay`)
  expect([replay.status, replay.body.error]).toEqual([400, 'run is not replayable'])
})

test('an unknown path is refused in Strait’s format, and a wrong method names the right ones', async () => {
  const { call } = await straitYard()
  const unknown = await call('GET', '/v1/nothing')
  expect([unknown.status, unknown.body]).toEqual([
    404,
    { error: expect.any(String), code: 'not_found', request_id: unknown.headers.get('x-request-id') },
  ])
  const wrong = await call('PUT', '/v1/runs')
  expect([wrong.status, wrong.body.code, wrong.headers.get('allow')]).toEqual([
    405,
    'method_not_allowed',
    expect.stringContaining('GET'),
  ])
})

test('everything that the TypeScript client sends from inside a run is accepted as it sends it', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  const { sdk, runId } = await executing(native, call, 'j', { payload: { n: 1 } })
  const sent: [path: string, body: object, status: number][] = [
    ['/log', { level: 'info', message: 'm', data: { a: 1 } }, 201],
    ['/checkpoint', { state: { step: 1 }, source: 'sdk' }, 201],
    ['/progress', { percent: 10 }, 201],
    [
      '/usage',
      { provider: 'p', model: 'm', prompt_tokens: 1, completion_tokens: 1, total_tokens: 2, cost_microusd: 3 },
      201,
    ],
    ['/tool-call', { tool_name: 't', input: {}, output: {}, duration_ms: 5, status: 'completed' }, 201],
    ['/output', { key: 'k', value: { a: 1 }, schema: { type: 'object' } }, 201],
    ['/annotate', { annotations: { stage: 'two' } }, 200],
    ['/state', { key: 'k', value: 1 }, 201],
    ['/stream', { chunk: 'c', stream_id: 's', done: true }, 200],
    ['/spawn', { job_slug: 'j', project_id: 'default', payload: {}, priority: 1 }, 201],
    ['/continue', { payload: {} }, 201],
    ['/heartbeat', {}, 200],
  ]
  for (const [path, body, status] of sent) expect((await sdk('POST', path, body)).status, path).toBe(status)
  // Its list of values looks for `key` and `value` in each.
  expect((await sdk('GET', '/state')).body).toMatchObject([{ key: 'k', value: 1 }])
  expect((await sdk('POST', '/complete', { result: { ok: true } })).body.status).toBe('completed')
  // It sends the key of an API either way.
  const byHeader = await call('GET', `/v1/runs/${runId}`, undefined, { key: '', headers: { 'x-api-key': KEY } })
  expect(byHeader.body).toMatchObject({ id: runId, metadata: { stage: 'two' } })
})

test('a session of the command line works: list, follow, watch, cancel two, inspect one', async () => {
  const { call, native, address } = await straitYard()
  await addWorkerJob(native, 'j')
  const [a, b, c] = await Promise.all([1, 2, 3].map(async () => (await native('POST', '/v1/jobs/j/runs', {})).body.id))
  const listed = await call('GET', '/v1/runs?project_id=default&status=queued&limit=100')
  expect(listed.body).toHaveLength(3)
  const messages: string[] = []
  const attempt = await claimOne(native, call, 'j')
  const followed = watch({
    url: `${address}/strait/v1/runs/${attempt.runId}/stream`,
    key: KEY,
    onFrame: ({ data }) => {
      const { type, message, from, to } = JSON.parse(data)
      messages.push(type === 'status_change' ? `${from}>${to}` : message)
    },
  })
  await attempt.sdk('POST', '/log', { message: 'working' })
  await attempt.sdk('POST', '/complete')
  await followed.ended
  expect(messages.slice(-3)).toEqual(['queued>executing', 'working', 'executing>completed'])
  expect((await call('GET', `/v1/runs/${attempt.runId}`)).body).toMatchObject({ status: 'completed', attempt: 1 })
  const left = [a, b, c].filter((id) => id !== attempt.runId)
  expect((await call('POST', '/v1/runs/bulk-cancel', { ids: left })).body).toMatchObject({ total: 2, canceled: 2 })
  for (const what of ['children', 'lineage', 'state', 'events', 'usage', 'tool-calls', 'outputs', 'checkpoints'])
    expect((await call('GET', `/v1/runs/${attempt.runId}/${what}`)).body, what).toBeInstanceOf(Array)
})
