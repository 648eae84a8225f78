import { expect, test } from 'vitest'
import { debuggedRun, echoing, runOf, zipOf } from '../../support/builders/debugged-run.ts'
import { httpYard, until, untilState } from '../../support/http-yard.ts'
import { httpServer } from '../../support/local-servers.ts'

test('in debug mode every dispatch is recorded: request, response, and where the time went', async () => {
  const { call, id, seen } = await debuggedRun()
  const { body } = await call('GET', `/v1/runs/${id}/attempts`)
  expect(body).toMatchObject({ next_cursor: null, has_more: false })
  expect(body.data).toMatchObject([
    {
      attempt: 1,
      outcome: 'run.retry_scheduled',
      status: 'queued',
      error: 'the endpoint answered 503: not yet',
      error_code: 'http_503',
      dispatch: { attempt: 1, status: 503, response_bytes: 7, request_bytes: 7, error: null },
    },
    { attempt: 2, outcome: 'run.completed', status: 'completed', error: null, dispatch: { attempt: 2, status: 200 } },
  ])
  for (const [index, attempt] of body.data.entries()) {
    const { dispatch, ...it } = attempt
    // Without those that belong to the connection.
    const recorded = Object.keys(dispatch.request_headers).map((name) => name.toLowerCase())
    expect(recorded.sort()).toEqual(
      Object.keys(seen[index]!)
        .filter((name) => !['host', 'connection', 'content-length', 'accept-encoding'].includes(name))
        .sort(),
    )
    expect(dispatch.request_headers).toMatchObject({ 'X-Plain': 'plain', 'x-run-id': id, 'x-run-token': '********' })
    expect(dispatch.response_headers['set-cookie']).toBe('********')
    expect(dispatch.response_headers['x-echo']).toBe('you are ******** with ********')
    expect(dispatch.url).toMatch(/\/hook\?plain=1&api_key=\*{8}$/)
    expect(it.owner).toBe(dispatch.owner)
    expect(it.execution_trace).toEqual(dispatch.execution_trace)
    for (const [part, ms] of Object.entries(it.execution_trace)) expect(ms, part).toBeGreaterThanOrEqual(0)
    expect(Date.parse(dispatch.started_at)).toBeGreaterThanOrEqual(Date.parse(it.started_at))
    expect(Date.parse(dispatch.started_at)).toBeLessThanOrEqual(Date.parse(it.ended_at))
  }
})

test('debug lines of a run in debug mode are events; those of any other run are deltas', async () => {
  const { call, id, address } = await debuggedRun()
  const lines = (await call('GET', `/v1/runs/${id}/events?level=debug`)).body.data
  expect(lines).toMatchObject([{ type: 'log', message: 'a debug line', level: 'debug', position: expect.any(Number) }])

  const { url } = await echoing(() => address)
  const plain = await runOf(call, { slug: 'plain', endpoint_url: url }, false)
  await untilState(call, plain, ['completed'])
  expect((await call('GET', `/v1/runs/${plain}/events?level=debug`)).body.data).toEqual([])
  const { body: bundle } = await call('GET', `/v1/runs/${plain}/debug-bundle`)
  expect(bundle).toMatchObject({
    debug_mode: false,
    dispatches: [],
    deltas: [{ message: 'a debug line', level: 'debug', position: null }],
  })
  const { data } = (await call('GET', `/v1/runs/${plain}/attempts`)).body
  expect(data).toMatchObject([
    { attempt: 1, error_code: 'http_503', execution_trace: null },
    // The run keeps the trace of its latest dispatch.
    { attempt: 2, outcome: 'run.completed', execution_trace: { ttfb_ms: expect.any(Number) } },
  ])
  expect(data.some((it: object) => 'dispatch' in it)).toBe(false)
  expect((await zipOf(address, plain))['README.txt']).toContain('Debug mode was off')
})

test('a call that broke off is recorded with its fault, and so is one whose run was canceled', async () => {
  const { call } = await httpYard()
  const broken = await httpServer((_, response) => response.destroy())
  const id = await runOf(call, { slug: 'broken', endpoint_url: broken.url, max_attempts: 1 }, true)
  await untilState(call, id, ['dead_letter'])
  const { dispatches } = (await call('GET', `/v1/runs/${id}/debug-bundle`)).body
  expect(dispatches).toMatchObject([
    { status: null, response_headers: null, response_bytes: null, error: expect.any(String), error_code: 'reset' },
  ])

  let begun = false
  const endless = await httpServer(() => {
    begun = true
  })
  const slow = await runOf(call, { slug: 'slow', endpoint_url: endless.url }, true)
  await until(async () => begun, Boolean)
  await call('DELETE', `/v1/runs/${slow}`)
  const attempts = await until(
    () => call('GET', `/v1/runs/${slow}/attempts`),
    ({ body }) => body.data[0]?.dispatch !== undefined,
  )
  expect(attempts.body.data).toMatchObject([{ outcome: 'run.canceled', dispatch: { error_code: 'aborted' } }])
})

test('a handed-over call ends when the handler says so, and has its trace with or without debug mode', async () => {
  const { call } = await httpYard()
  for (const debugMode of [true, false]) {
    let token = ''
    const { url } = await httpServer((request, response) => {
      token = request.headers['x-run-token'] as string
      response.writeHead(202).end()
    })
    const id = await runOf(call, { slug: `later-${debugMode}`, endpoint_url: url }, debugMode)
    await until(
      () => call('GET', `/v1/runs/${id}/events`),
      ({ body }) => body.data.some((it: { type: string }) => it.type === 'run.handed_over'),
    )
    await call('POST', `/v1/runs/${id}/complete`, { result: 1 }, { key: token })
    const [attempt] = (await call('GET', `/v1/runs/${id}/attempts`)).body.data
    expect(attempt).toMatchObject({ outcome: 'run.completed', execution_trace: { ttfb_ms: expect.any(Number) } })
    expect(attempt.dispatch?.status).toBe(debugMode ? 202 : undefined)
  }
})

test('the attempts of a worker are listed from the log alone, in pages', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', {
    slug: 'work',
    execution: 'worker',
    max_attempts: 3,
    retry_strategy: 'fixed',
    retry_initial_delay_secs: 0,
  })
  const { body: run } = await call('POST', '/v1/jobs/work/runs', {})
  for (const outcome of ['failed', 'failed', 'completed']) {
    const claimed = await until(
      () => call('POST', '/v1/workers/claim', { worker_id: 'w-1' }),
      ({ body }) => body.runs.length === 1,
    )
    const { lease_token } = claimed.body.runs[0]
    const failure = outcome === 'failed' ? { error: 'oh', error_code: 'mine', retryable: true } : {}
    await call('POST', '/v1/workers/settle', { settlements: [{ run_id: run.id, lease_token, outcome, ...failure }] })
  }
  const first = (await call('GET', `/v1/runs/${run.id}/attempts?limit=2`)).body
  expect(first.data).toMatchObject([
    { attempt: 1, owner: 'w-1', outcome: 'run.retry_scheduled', error: 'oh', error_code: 'mine' },
    { attempt: 2, owner: 'w-1' },
  ])
  const rest = (await call('GET', `/v1/runs/${run.id}/attempts?limit=2&cursor=${first.next_cursor}`)).body
  expect(rest).toMatchObject({ data: [{ attempt: 3, outcome: 'run.completed', status: 'completed' }], has_more: false })
})
