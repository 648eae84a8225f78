import { strFromU8, unzipSync } from 'fflate'
import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { type Call, httpYard, until, untilState } from '../../support/http-yard.ts'
import { httpServer } from '../../support/local-servers.ts'

const PASSWORD = 'hunter2-of-the-endpoint'
const IN_URL = 'key-within-the-address'

type Seen = Record<string, string>

/** An endpoint that fails once, repeats what it was sent in its headers, and then writes what an agent would. */
async function echoing(address: () => string) {
  const seen: Seen[] = []
  const server = await httpServer(async (request, response) => {
    for await (const _ of request);
    const headers = request.headers as Seen
    seen.push(headers)
    response.setHeader('set-cookie', 'session=a-session-of-the-endpoint')
    response.setHeader('x-echo', `you are ${headers['x-run-token']} with ${headers['x-secret-door']}`)
    response.setHeader('location', `http://me:${PASSWORD}@example.com/?access_token=${IN_URL}`)
    if (seen.length === 1) return response.writeHead(503).end('not yet')
    const say = (path: string, body: object) =>
      fetch(`${address()}/v1/runs/${headers['x-run-id']}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${headers['x-run-token']}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    await say('/log', { level: 'debug', message: 'a debug line' })
    await say('/checkpoint', { source: 'test', state: { step: 1 } })
    await say('/tool-call', { tool_name: 'search', input: { q: 'x' }, output: [1], status: 'completed' })
    await say('/usage', { provider: 'p', model: 'm', prompt_tokens: 3, completion_tokens: 4, cost_microusd: 5 })
    await say('/output', { output_key: 'report', value: 'done' })
    await say('/state', { key: 'k', value: { v: 1 } })
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"fine":true}')
  })
  return { url: `${server.url}hook?plain=1&api_key=${IN_URL}`, seen }
}

/** A run whose dispatches are held back until its debug mode is as wanted. */
async function runOf(
  call: Call,
  job: { slug: string; endpoint_url: string; [more: string]: unknown },
  debugMode: boolean,
): Promise<string> {
  const made = await call('POST', '/v1/jobs', {
    execution: 'http',
    retry_strategy: 'fixed',
    retry_initial_delay_secs: 0,
    ...job,
  })
  expect(made.status).toBe(201)
  await call('POST', `/v1/jobs/${job.slug}/pause`)
  const run = await call('POST', `/v1/jobs/${job.slug}/runs`, { payload: { a: 1 } })
  if (debugMode) await call('POST', `/v1/runs/${run.body.id}/debug`, { debug_mode: true })
  await call('POST', `/v1/jobs/${job.slug}/resume`)
  return run.body.id
}

async function debuggedRun() {
  const { call, address, url: database } = await httpYard()
  const { url, seen } = await echoing(() => address)
  const endpoint_headers = { Authorization: `Basic ${PASSWORD}`, 'X-Secret-Door': PASSWORD, 'X-Plain': 'plain' }
  const id = await runOf(call, { slug: 'echo', endpoint_url: url, endpoint_headers }, true)
  await untilState(call, id, ['completed'])
  return { call, address, id, seen, database }
}

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

test('no secret is in the bundle, its files, the attempts, the log or the records', async () => {
  const { call, address, id, seen, database } = await debuggedRun()
  const sql = connect(database)
  const [job] = await sql`select signing_secret from jobs`
  const kept = await sql`select * from run_dispatches`
  const logged = await sql`select * from events`
  await sql.end()
  const zip = await zipOf(address, id)
  const everything = [
    ...Object.entries(zip).flat(),
    JSON.stringify([
      kept,
      logged,
      (await call('GET', `/v1/runs/${id}/debug-bundle`)).body,
      (await call('GET', `/v1/runs/${id}/attempts`)).body,
      (await call('GET', '/v1/events?limit=500')).body,
    ]),
  ]
  expect(kept).toHaveLength(2)
  const secrets = [
    PASSWORD,
    IN_URL,
    'a-session-of-the-endpoint',
    job!.signing_secret,
    ...seen.flatMap((headers) => [headers['x-run-token']!, headers['webhook-signature']!]),
  ]
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(8)
    expect(everything.filter((text) => text.includes(secret))).toEqual([])
  }
})

const zipOf = async (address: string, id: string, query = '?format=zip', accept = '*/*') => {
  const reply = await fetch(`${address}/v1/runs/${id}/debug-bundle${query}`, {
    headers: { authorization: 'Bearer test-key-of-the-operator', accept },
  })
  expect(reply.status).toBe(200)
  expect(reply.headers.get('content-type')).toBe('application/zip')
  expect(reply.headers.get('content-disposition')).toMatch(/^attachment; filename="runyard-run-[A-Za-z0-9_-]+\.zip"$/)
  const files = unzipSync(new Uint8Array(await reply.arrayBuffer()))
  return Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, strFromU8(bytes)])) as Record<
    string,
    string
  >
}

test('the debug bundle has everything about a run, as JSON and as files', async () => {
  const { call, address, id } = await debuggedRun()
  const { body: bundle } = await call('GET', `/v1/runs/${id}/debug-bundle`)
  expect(bundle).toMatchObject({
    debug_mode: true,
    truncated: [],
    run: { id, status: 'completed', payload: { a: 1 }, result: { fine: true } },
    why: { reason: 'over' },
    job_version: { definition: { slug: 'echo', endpoint_headers: { Authorization: '********', 'X-Plain': 'plain' } } },
    checkpoints: [{ run_id: id, number: 1, state: { step: 1 } }],
    tool_calls: [{ tool_name: 'search', input: { q: 'x' }, output: [1] }],
    usage: [{ total_tokens: 7 }],
    usage_totals: { calls: 1, total_tokens: 7, cost_microusd: 5 },
    outputs: [{ output_key: 'report', value: 'done' }],
    state: [{ key: 'k', value: { v: 1 } }],
    children: [],
    lineage: [{ id, status: 'completed' }],
    deltas: [],
  })
  expect(bundle.attempts.map((it: { dispatch_id: string }) => it.dispatch_id)).toEqual(
    bundle.dispatches.map((it: { id: string }) => it.id),
  )
  const { body: log } = await call('GET', `/v1/runs/${id}/events?limit=500`)
  expect(bundle.events).toEqual(log.data)
  const files = await zipOf(address, id, '', 'application/zip')
  const read = (name: string) => JSON.parse(files[name]!)
  for (const part of [
    'run',
    'why',
    'job_version',
    'attempts',
    'dispatches',
    'checkpoints',
    'tool_calls',
    'usage',
    'usage_totals',
    'outputs',
    'state',
    'children',
    'lineage',
  ])
    expect(read(`${part}.json`), part).toEqual(bundle[part])
  expect(
    files['events.ndjson']!.trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual(bundle.events)
  expect(files['deltas.ndjson']).toBe('')
  expect(files['README.txt']).toContain('Debug mode was on')
  expect(files['README.txt']).toContain(id)
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

test("another project's run has neither attempts nor a bundle, and a strange id makes a plain file name", async () => {
  const { call, address } = await httpYard()
  for (const path of ['attempts', 'debug-bundle', 'debug-bundle?format=zip'])
    expect(await call('GET', `/v1/runs/nobodys/${path}`)).toMatchObject({
      status: 404,
      body: { error: { code: 'run_not_found' } },
    })
  const strange = '../../"run"; x: ü'
  expect((await call('POST', '/v1/events', { type: 'step.done', run_id: strange })).status).toBe(201)
  const files = await zipOf(address, encodeURIComponent(strange))
  expect(JSON.parse(files['run.json']!)).toMatchObject({ id: strange, execution: 'external' })
  expect(Object.keys(files).every((name) => /^[A-Za-z_]+\.(json|ndjson|txt)$/.test(name))).toBe(true)
})
