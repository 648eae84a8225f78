import { expect, test } from 'vitest'
import { addApp, background, claim, dynamiqYard, executing, UUID, WHOLE_SECONDS } from '../../support/dynamiq-yard.ts'
import { KEY, until, untilState } from '../../support/http-yard.ts'
import { httpServer } from '../../support/local-servers.ts'

const error = (code: string, message: string, details?: object) => ({
  error: { code, message, ...(details && { details }) },
})

test('a run returns its outcome; a real endpoint gets input, user and session', async () => {
  const { call, native } = await dynamiqYard()
  const seen: unknown[] = []
  const { url } = await httpServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    seen.push(JSON.parse(Buffer.concat(chunks).toString()))
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"answer":42}')
  })
  const job = await native('POST', '/v1/jobs', { slug: 'agent', execution: 'http', endpoint_url: url })
  const session_id = '4f0d4d0e-8c8c-4f4e-9f4f-6e1a52f0a001'
  const done = await call('POST', '/v1/runs', { input: { question: 'why?' }, user_id: 'ada', session_id })
  expect(done).toMatchObject({
    status: 200,
    body: {
      data: {
        id: expect.stringMatching(UUID),
        app_id: job.body.id,
        status: 'completed',
        started_at: expect.stringMatching(WHOLE_SECONDS),
        ended_at: expect.stringMatching(WHOLE_SECONDS),
        input: { question: 'why?' },
        output: { answer: 42 },
        user_id: 'ada',
        session_id,
      },
    },
  })
  expect(Object.keys(done.body.data).sort()).toEqual([
    'app_id',
    'ended_at',
    'id',
    'input',
    'output',
    'session_id',
    'started_at',
    'status',
    'user_id',
  ])
  expect(JSON.stringify(seen)).toContain('"input":{"question":"why?"}')
  expect(await call('GET', `/v1/runs/${done.body.data.id}`)).toMatchObject({ status: 200, body: done.body })
})

test('a run in the background is created and answered immediately with 202', async () => {
  const { call, native } = await dynamiqYard()
  const app_id = await addApp(native)
  const made = await call('POST', '/v1/runs', { input: [1, 'two', null], background: true })
  expect(made).toMatchObject({ status: 202, body: { data: { app_id, status: 'created', input: [1, 'two', null] } } })
  expect(made.body.data).not.toHaveProperty('output')
  expect(made.body.data).not.toHaveProperty('ended_at')
  const path = `/v1/runs/${made.body.data.id}`
  const statusNow = async () => (await call('GET', path)).body.data.status
  const { write } = await claim(native)
  expect(await statusNow()).toBe('started')
  await write('/complete', { result: null })
  expect((await call('GET', path)).body.data).toMatchObject({ status: 'completed', output: null })
})

test('a waiting call also returns when the run fails, is canceled, or awaits input', async () => {
  const { call, native } = await dynamiqYard()
  await addApp(native)
  const failing = call('POST', '/v1/runs', { input: 1 })
  await (await claim(native)).write('/fail', { error: 'no luck', error_code: 'luck' })
  expect(await failing).toMatchObject({
    status: 200,
    body: { data: { status: 'failed', error: { code: 'luck', message: 'no luck' } } },
  })
  const canceling = call('POST', '/v1/runs', { input: 1 })
  await call('POST', `/v1/runs/${(await claim(native)).id}/cancel`)
  expect((await canceling).body.data).toMatchObject({ status: 'canceled', ended_at: expect.any(String) })
  const asking = call('POST', '/v1/runs', { input: 1 })
  await (await claim(native)).write('/input-requests', { kind: 'feedback', prompt: 'Which one?' })
  expect((await asking).body.data).toMatchObject({
    status: 'awaiting_input',
    input_requests: [{ type: 'human_feedback', prompt: 'Which one?', params: {}, editable_params: [] }],
  })
})

test('each of our states has one Dynamiq status', async () => {
  const { call, native } = await dynamiqYard()
  await addApp(native, 'app', { pause_grace_secs: 0 })
  const statusOf = async (id: string) => (await call('GET', `/v1/runs/${id}`)).body.data
  const { body: delayed } = await native('POST', '/v1/jobs/app/runs', { delay_secs: 1000, payload: { any: 'thing' } })
  expect(await statusOf(delayed.id)).toMatchObject({ status: 'created', input: { any: 'thing' } })
  const waiting = await executing(call, native)
  await waiting.write('/wait-for-event', { event_key: 'k' })
  const dead = await executing(call, native)
  await dead.write('/fail', { error: { message: 'again' }, retryable: true })
  await untilState(native, dead.id, ['dead_letter'])
  expect(await statusOf(dead.id)).toMatchObject({ status: 'failed', error: { message: expect.any(String) } })
  const paused = await executing(call, native)
  await native('POST', `/v1/runs/${paused.id}/pause`, {})
  await until(
    () => statusOf(paused.id),
    (run) => run.status === 'paused',
    15_000,
  )
})

test('the app of a run is named by header, parameter, default job or only job, or the request is refused', async () => {
  const { call, native } = await dynamiqYard()
  const none = await call('POST', '/v1/runs', { input: 1, background: true })
  expect([none.status, none.body.error.details['X-App-Id']]).toEqual([400, expect.stringContaining('has none')])
  const first = await addApp(native, 'first')
  const appOf = async (more?: object, path = '/v1/runs') =>
    (await call('POST', path, { input: 1, background: true }, more)).body.data?.app_id
  expect(await appOf()).toBe(first)
  const second = await addApp(native, 'second')
  const several = await call('POST', '/v1/runs', { input: 1, background: true })
  expect([several.status, several.body.error.details['X-App-Id']]).toEqual([400, expect.stringContaining('several')])
  expect(await appOf({ headers: { 'x-app-id': 'second' } })).toBe(second)
  expect(await appOf({ headers: { 'x-app-id': first } })).toBe(first)
  expect(await appOf({}, '/v1/runs?app=second')).toBe(second)
  const differ = await call('POST', '/v1/runs?app=second', { input: 1 }, { headers: { 'x-app-id': 'first' } })
  expect(differ).toMatchObject({ status: 400, body: { error: { details: { app: expect.any(String) } } } })
  const unknown = await call('POST', '/v1/runs', { input: 1 }, { headers: { 'x-app-id': 'nobody' } })
  expect(unknown).toMatchObject({ status: 404, body: error('not_found', 'Not Found') })
  const byDefault = await addApp(native, 'default')
  expect(await appOf()).toBe(byDefault)
  const listed = await call('GET', '/v1/runs', undefined, { headers: { 'x-app-id': 'second' } })
  expect(listed.body).toMatchObject({ data: [{ app_id: second }, { app_id: second }], pagination: { total_count: 2 } })
})

test('a filter of the list that is empty is refused: it would be passed over and show every run', async () => {
  const { call, native } = await dynamiqYard()
  await addApp(native)
  await call('POST', '/v1/runs', { input: 1, user_id: 'ada', session_id: 's', background: true })
  for (const field of ['user_id', 'session_id', 'status', 'app']) {
    const { status, body } = await call('GET', `/v1/runs?${field}=`)
    expect([field, status, Object.keys(body.error?.details ?? {})]).toEqual([
      field,
      400,
      [expect.stringContaining(field)],
    ])
  }
  expect((await call('GET', '/v1/runs?user_id=ada&session_id=s')).body.pagination.total_count).toBe(1)
  expect((await call('GET', '/v1/runs?user_id=eve')).body.pagination.total_count).toBe(0)
})

test('an invalid run is a 400 with a sentence for each field', async () => {
  const { call, native } = await dynamiqYard()
  await addApp(native)
  for (const [body, field] of [
    [{}, 'input'],
    [{ input: 1, stream: true, background: true }, 'background'],
    [{ input: 1, user_id: 7 }, 'user_id'],
    [{ input: 1, background: 'yes' }, 'background'],
    [{ input: 1, file_ids: ['nothing'] }, 'file_ids'],
    [{ input: 1, file_ids: ['4f0d4d0e-8c8c-4f4e-9f4f-6e1a52f0a001'] }, 'file_ids'],
    [[], ''],
  ] as const) {
    const refused = await call('POST', '/v1/runs', body)
    expect(refused).toMatchObject({ status: 400, body: { error: { code: 'bad_request', message: 'Bad Request' } } })
    const fields = Object.keys(refused.body.error.details)
    expect(field === '' ? fields.length : fields).toEqual(field === '' ? 1 : [field])
  }
  const broken = await call('POST', '/v1/runs', '{"input":')
  expect(broken).toMatchObject({
    status: 400,
    body: error('bad_request', 'Bad Request', { request: expect.any(String) }),
  })
  const lines = await call('POST', '/v1/runs', '{}', { headers: { 'content-type': 'application/x-ndjson' } })
  expect(lines.status).toBe(415)
  expect((await call('GET', '/v1/runs')).body.pagination.total_count).toBe(0)
})

test('a blank input counts as missing, as JSON and in a form', async () => {
  const { call, native, address } = await dynamiqYard()
  await addApp(native)
  for (const input of ['', ' \t\n', null])
    expect(await call('POST', '/v1/runs', { input, background: true })).toMatchObject({
      status: 400,
      body: { error: { code: 'bad_request', details: { input: 'must not be blank' } } },
    })
  const form = new FormData()
  form.set('input', ' ')
  form.set('background', 'true')
  const sent = await fetch(`${address}/dynamiq/v1/runs`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}` },
    body: form,
  })
  expect(sent.status).toBe(400)
  for (const input of [0, false, {}, []])
    expect((await call('POST', '/v1/runs', { input, background: true })).status).toBe(202)
})

test('the same idempotency key returns the same run', async () => {
  const { call, native } = await dynamiqYard()
  await addApp(native)
  const again = (input: unknown) =>
    call('POST', '/v1/runs', { input, background: true }, { headers: { 'idempotency-key': 'k' } })
  const first = await again(1)
  expect((await again(1)).body.data.id).toBe(first.body.data.id)
  expect(await again(2)).toMatchObject({ status: 409, body: { error: { code: 'conflict' } } })
})

test('a cancel is answered the same way before and after the end', async () => {
  const { call, native } = await dynamiqYard()
  await addApp(native)
  const id = await background(call)
  const cancel = (which: string) => call('POST', `/v1/runs/${which}/cancel`)
  const canceled = { status: 200, body: { message: 'canceled' } }
  expect(await cancel(id)).toMatchObject(canceled)
  expect(await cancel(id)).toMatchObject(canceled)
  const done = await executing(call, native)
  await done.write('/complete')
  expect(await cancel(done.id)).toMatchObject(canceled)
  expect((await call('GET', `/v1/runs/${done.id}`)).body.data.status).toBe('completed')
  expect((await call('GET', `/v1/runs/${id}`)).body.data.status).toBe('canceled')
})

test('the OpenAPI document of /dynamiq has its routes', async () => {
  const { call } = await dynamiqYard()
  const { body } = await call('GET', '/openapi.json')
  expect(Object.keys(body.paths)).toEqual(
    expect.arrayContaining(['/v1/files', '/v1/runs', '/v1/runs/{run_id}/events', '/v1/runs/{run_id}/stream']),
  )
})

test('a node that stops answers waiting callers with the run as it is', async () => {
  const { call, native, node } = await dynamiqYard()
  await addApp(native)
  const waiting = call('POST', '/v1/runs', { input: 1 })
  const { id } = await claim(native)
  await node.close()
  expect(await waiting).toMatchObject({ status: 200, body: { data: { id, status: 'started' } } })
})
