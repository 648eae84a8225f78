import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { callerOf, httpYard, openNode, until, untilState } from '../../support/http-yard.ts'
import { httpServer } from '../../support/local-servers.ts'

type Seen = { headers: Record<string, string>; body: string; closed: boolean }

/** An endpoint whose answers are given one after the other; the last one stays. */
async function endpoint(
  ...answers: ((
    respond: (status: number, body?: string, headers?: Record<string, string>) => void,
    seen: Seen,
  ) => void)[]
) {
  const seen: Seen[] = []
  const server = await httpServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const one: Seen = {
      headers: request.headers as Record<string, string>,
      body: Buffer.concat(chunks).toString(),
      closed: false,
    }
    seen.push(one)
    response.on('close', () => {
      one.closed = !response.writableFinished
    })
    const answer = answers[Math.min(seen.length, answers.length) - 1]!
    answer((status, body = '', headers = {}) => response.writeHead(status, headers).end(body), one)
  })
  return { url: server.url, seen }
}

const job = (slug: string, url: string, more: object = {}) => ({
  slug,
  execution: 'http',
  endpoint_url: url,
  retry_strategy: 'fixed',
  retry_initial_delay_secs: 0,
  ...more,
})

test('a 2xx completes the run with the body as its result, and the time of each phase is measured', async () => {
  const { call } = await httpYard()
  const { url, seen } = await endpoint((respond) => respond(200, '{"sum":3}', { 'content-type': 'application/json' }))
  const made = await call('POST', '/v1/jobs', job('sum', url))
  const run = await call('POST', '/v1/jobs/sum/runs', { payload: { a: 1, b: 2 } })
  const done = await untilState(call, run.body.id, ['completed'])
  expect(done.body).toMatchObject({ result: { sum: 3 }, attempt: 1, error: null })
  const { execution_trace: trace } = done.body
  for (const part of ['queue_wait_ms', 'dequeue_ms', 'connect_ms', 'ttfb_ms', 'transfer_ms', 'dispatch_ms', 'total_ms'])
    expect(trace[part], part).toBeGreaterThanOrEqual(0)
  const [request] = seen
  expect(JSON.parse(request!.body)).toEqual({ a: 1, b: 2 })
  expect(request!.headers).toMatchObject({
    'x-run-id': run.body.id,
    'x-job-id': made.body.id,
    'x-attempt': '1',
    traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/),
  })
  // The receiver verifies with the secret that the job's creation showed.
  expect(() => new Webhook(made.body.signing_secret).verify(request!.body, request!.headers)).not.toThrow()
})

test('500, 408 and 429 are retried; a 404 is a dead letter immediately', async () => {
  const { call } = await httpYard()
  const flaky = await endpoint(
    (r) => r(500),
    (r) => r(408),
    (r) => r(429),
    (r) => r(200, 'fine'),
  )
  await call('POST', '/v1/jobs', job('flaky', flaky.url, { max_attempts: 5 }))
  const run = await call('POST', '/v1/jobs/flaky/runs', {})
  expect((await untilState(call, run.body.id, ['completed'])).body).toMatchObject({ attempt: 4, result: 'fine' })
  expect(flaky.seen.map((it) => it.headers['x-attempt'])).toEqual(['1', '2', '3', '4'])
  expect(flaky.seen[1]!.headers['x-previous-error']).toContain('500')
  const gone = await endpoint((r) => r(404, 'no such thing'))
  await call('POST', '/v1/jobs', job('gone', gone.url))
  const lost = await call('POST', '/v1/jobs/gone/runs', {})
  expect((await untilState(call, lost.body.id, ['dead_letter'])).body).toMatchObject({
    attempt: 1,
    error_code: 'http_404',
  })
})

test('Retry-After is honoured', async () => {
  const { call } = await httpYard()
  const { url } = await endpoint((r) => r(503, '', { 'retry-after': '120' }))
  await call('POST', '/v1/jobs', job('busy', url))
  const run = await call('POST', '/v1/jobs/busy/runs', {})
  const waiting = await untilState(call, run.body.id, ['delayed'])
  expect(Date.parse(waiting.body.next_retry_at) - Date.now()).toBeGreaterThan(100_000)
  expect((await call('GET', `/v1/runs/${run.body.id}/why`)).body).toMatchObject({ reason: 'retry' })
})

test('an unfollowed redirect, an endless body and garbage are each a failed attempt', async () => {
  const { call } = await httpYard()
  const target = await endpoint((r) => r(200, 'never'))
  const cases = {
    redirect: await endpoint((r) => r(302, '', { location: target.url })),
    large: await endpoint((r) => r(200, 'x'.repeat(2 * 1024 * 1024))),
  }
  for (const [slug, { url }] of Object.entries(cases)) {
    await call('POST', '/v1/jobs', job(slug, url, { max_attempts: 1 }))
    const run = await call('POST', `/v1/jobs/${slug}/runs`, {})
    expect((await untilState(call, run.body.id, ['dead_letter'])).body.error).toBeTruthy()
  }
  expect(target.seen).toEqual([])
})

test('an attempt that takes longer than its timeout is aborted on the wire', async () => {
  const { call } = await httpYard()
  const { url, seen } = await endpoint(() => {})
  await call('POST', '/v1/jobs', job('slow', url, { timeout_secs: 1, max_attempts: 1 }))
  const run = await call('POST', '/v1/jobs/slow/runs', {})
  expect((await untilState(call, run.body.id, ['timed_out'])).body.error).toBe('timed out after 1 s')
  await until(async () => seen[0]?.closed, Boolean)
})

test('a cancel aborts the request in flight', async () => {
  const { call } = await httpYard()
  const { url, seen } = await endpoint(() => {})
  await call('POST', '/v1/jobs', job('hang', url))
  const run = await call('POST', '/v1/jobs/hang/runs', {})
  await until(
    async () => seen.length,
    (n) => n === 1,
  )
  expect((await call('DELETE', `/v1/runs/${run.body.id}`)).body.status).toBe('canceled')
  await until(async () => seen[0]!.closed, Boolean, 3_000)
})

test('a 202 hands the run over: the handler reports, saves a checkpoint, spawns a child and completes with its token', async () => {
  const { call, address } = await httpYard()
  const { url, seen } = await endpoint((r) => r(202))
  await call('POST', '/v1/jobs', job('long', url))
  await call('POST', '/v1/jobs', { slug: 'child', execution: 'worker' })
  const run = await call('POST', '/v1/jobs/long/runs', { payload: { n: 1 } })
  await until(
    async () => (await call('GET', `/v1/runs/${run.body.id}/events`)).body.data.map((it: { type: string }) => it.type),
    (types) => types.includes('run.handed_over'),
  )
  const own = callerOf(address, seen[0]!.headers['x-run-token'])
  const at = `/v1/runs/${run.body.id}`
  expect((await own('GET', `${at}/payload`)).body).toEqual({ n: 1 })
  expect((await own('POST', `${at}/progress`, { percent: 50, message: 'half' })).status).toBe(201)
  expect((await own('POST', `${at}/log`, { message: 'hello', data: { x: 1 } })).status).toBe(201)
  expect((await own('POST', `${at}/log`, { message: 'small', level: 'debug' })).body).toMatchObject({
    id: null,
    position: null,
  })
  expect((await own('POST', `${at}/checkpoint`, { state: { step: 2 } })).body).toMatchObject({
    number: 1,
    source: 'sdk',
  })
  expect(
    (await own('POST', `${at}/usage`, { provider: 'p', model: 'm', prompt_tokens: 3, completion_tokens: 4 })).body
      .total_tokens,
  ).toBe(7)
  expect(
    (await own('POST', `${at}/tool-call`, { tool_name: 't', input: { i: 1 }, output: [2], duration_ms: 12.5 })).status,
  ).toBe(201)
  expect((await own('POST', `${at}/output`, { key: 'report', value: '# Hi' })).body.output_key).toBe('report')
  expect((await own('POST', `${at}/output`, { output_key: 'n', value: 'x', schema: { type: 'number' } })).status).toBe(
    422,
  )
  expect((await own('POST', `${at}/state`, { key: 'cursor', value: 9 })).status).toBe(201)
  expect((await own('GET', `${at}/state/cursor`)).body.value).toBe(9)
  expect((await own('DELETE', `${at}/state/cursor`)).status).toBe(204)
  expect((await own('POST', `${at}/annotate`, { annotations: { phase: 'two' } })).body.metadata).toEqual({
    phase: 'two',
  })
  expect((await own('POST', `${at}/stream`, { chunk: 'wo' })).status).toBe(200)
  expect((await own('POST', `${at}/heartbeat`)).body).toMatchObject({ status: 'ok', told: null })
  const child = await own('POST', `${at}/spawn`, { job: 'child', payload: 1 })
  expect(child.body).toMatchObject({
    parent_run_id: run.body.id,
    triggered_by: 'spawn',
    correlation_id: run.body.correlation_id,
  })
  expect((await call('GET', `${at}/children`)).body.data).toMatchObject([{ id: child.body.id }])
  expect((await own('POST', `${at}/complete`, { result: { done: true } })).body).toMatchObject({ status: 'completed' })
  // What comes after the end is refused, and changes nothing.
  expect((await own('POST', `${at}/log`, { message: 'late' })).status).toBe(409)
  expect((await own('POST', `${at}/complete`, { result: 2 })).status).toBe(409)
  expect((await call('GET', at)).body.result).toEqual({ done: true })
  expect((await call('GET', `${at}/tool-calls`)).body.data).toMatchObject([
    { tool_name: 't', output: [2], duration_ms: 12.5 },
  ])
  expect((await call('GET', `${at}/checkpoints/1`)).body.state).toEqual({ step: 2 })
})

test('a retry is sent the last checkpoint', async () => {
  const { call, address } = await httpYard()
  const { url, seen } = await endpoint(
    async (respond, { headers }) => {
      await callerOf(address, headers['x-run-token'])('POST', `/v1/runs/${headers['x-run-id']}/checkpoint`, {
        state: { höhe: 7 },
      })
      respond(500)
    },
    (respond) => respond(200),
  )
  await call('POST', '/v1/jobs', job('resumes', url))
  const run = await call('POST', '/v1/jobs/resumes/runs', {})
  await untilState(call, run.body.id, ['completed'])
  expect(JSON.parse(seen[1]!.headers['x-last-checkpoint']!)).toEqual({ höhe: 7 })
  expect(seen[1]!.headers['x-checkpoint-number']).toBe('1')
})

test('a result that does not match the schema of the job is a failed attempt', async () => {
  const { call } = await httpYard()
  const { url } = await endpoint((r) => r(200, '"text"', { 'content-type': 'application/json' }))
  await call('POST', '/v1/jobs', job('strict', url, { max_attempts: 1, result_schema: { type: 'object' } }))
  const run = await call('POST', '/v1/jobs/strict/runs', {})
  expect((await untilState(call, run.body.id, ['dead_letter'])).body.error_code).toBe('result_invalid')
})

test('a pause that the handler ignores revokes the lease after the grace period, and a resume continues', async () => {
  const { call } = await httpYard()
  const { url, seen } = await endpoint(
    () => {},
    (respond) => respond(200, 'done'),
  )
  await call('POST', '/v1/jobs', job('pausing', url, { pause_grace_secs: 1 }))
  const run = await call('POST', '/v1/jobs/pausing/runs', {})
  await until(
    async () => seen.length,
    (n) => n === 1,
  )
  expect((await call('POST', `/v1/runs/${run.body.id}/pause`, { reason: 'night' })).status).toBe(200)
  await untilState(call, run.body.id, ['paused'])
  await until(async () => seen[0]!.closed, Boolean, 6_000)
  expect((await call('POST', `/v1/runs/${run.body.id}/resume`)).body.status).toMatch(/queued|executing|completed/)
  expect((await untilState(call, run.body.id, ['completed'])).body).toMatchObject({ attempt: 1, result: 'done' })
})

test('a stopping node lets its calls end, and returns those that do not end in time', async () => {
  const { call, node, url: database } = await httpYard()
  const { url, seen } = await endpoint(
    () => {},
    (respond) => respond(200, 'second node'),
  )
  await call('POST', '/v1/jobs', job('handed-back', url))
  const run = await call('POST', '/v1/jobs/handed-back/runs', {})
  await until(
    async () => seen.length,
    (n) => n === 1,
  )
  await node.close()
  const next = callerOf((await openNode(database)).address)
  expect((await untilState(next, run.body.id, ['completed'])).body).toMatchObject({ attempt: 1, result: 'second node' })
})
