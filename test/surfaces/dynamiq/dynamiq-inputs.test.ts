import { expect, test } from 'vitest'
import { addApp, background, claim, dynamiqYard, executing, follow } from '../../support/dynamiq-yard.ts'
import { type Call, KEY, type Reply, until } from '../../support/http-yard.ts'

const answer = (call: Call, id: string, type: string, data: object) =>
  call('POST', `/v1/runs/${id}/input`, { type, data })
const runOf = async (call: Call, id: string) => (await call('GET', `/v1/runs/${id}`)).body.data
const fieldsOf = ({ status, body }: Reply) => [status, body.error?.code, Object.keys(body.error?.details ?? {})]

test('a run asks, awaits input, and continues with the answer; its request has the same id everywhere', async () => {
  const { call, native } = await dynamiqYard()
  await addApp(native)
  const { id, write } = await executing(call, native)
  await write('/checkpoint', { state: { step: 4 } })
  await write('/input-requests', { kind: 'feedback', prompt: 'Which one?', params: { of: ['a', 'b'] } })
  const asking = await runOf(call, id)
  const [request] = asking.input_requests
  expect(asking).toMatchObject({
    status: 'awaiting_input',
    input_requests: [
      {
        id: expect.any(String),
        type: 'human_feedback',
        prompt: 'Which one?',
        params: { of: ['a', 'b'] },
        editable_params: [],
      },
    ],
  })
  const { data: events } = (await call('GET', `/v1/runs/${id}/events`)).body
  expect(events.at(-1)).toMatchObject({ type: 'agent.human_feedback.requested', data: { id: request.id } })
  for (const feedback of ['', ' \n'])
    expect(fieldsOf(await answer(call, id, 'human_feedback', { request_id: request.id, feedback }))).toEqual([
      400,
      'bad_request',
      ['data.feedback'],
    ])
  const said = await answer(call, id, 'human_feedback', { request_id: request.id, feedback: 'a' })
  expect(said).toMatchObject({ status: 200, body: { message: 'ok' } })
  const now = await runOf(call, id)
  expect(now).not.toHaveProperty('input_requests')
  expect(now.status).not.toBe('awaiting_input')
  const again = await claim(native)
  expect(again.id).toBe(id)
  expect((await again.read(`/state/input:${request.id}`)).body.value).toMatchObject({ feedback: 'a' })
  await again.write('/complete', { result: 'ok' })
  expect(fieldsOf(await answer(call, id, 'human_feedback', { request_id: request.id, feedback: 'b' }))).toEqual([
    400,
    'bad_request',
    ['status'],
  ])
})

test('an approval can change the editable params, and no others', async () => {
  const { call, native } = await dynamiqYard()
  await addApp(native)
  const { id, write } = await executing(call, native)
  const asked = await write('/input-requests', {
    kind: 'approval',
    prompt: 'Send?',
    params: { to: 'a@x', copies: 1 },
    editable_params: ['copies'],
  })
  const request_id = asked.body.id
  const bad = async (type: string, data: object) => fieldsOf(await answer(call, id, type, data))
  const refused = (field: string) => [400, 'bad_request', [field]]
  expect(await bad('approval_request', { request_id, is_approved: true, params: { to: 'b@x' } })).toEqual(
    refused('data.params.to'),
  )
  expect(await bad('approval_request', { request_id, feedback: 'hm' })).toEqual(refused('data.is_approved'))
  expect(await bad('approval_request', { request_id, is_approved: 'yes' })).toEqual(refused('data.is_approved'))
  expect(await bad('approval', { request_id, is_approved: true, approved: false })).toEqual(refused('data.approved'))
  expect(await bad('human_feedback', { request_id, feedback: 'yes' })).toEqual(refused('type'))
  expect(await bad('question', { request_id, feedback: 'yes' })).toEqual(refused('type'))
  expect(await bad('approval_request', { is_approved: true })).toEqual(refused('data.request_id'))
  for (const other of ['none', '4f0d4d0e-8c8c-4f4e-9f4f-6e1a52f0a001', id])
    expect(await bad('approval_request', { request_id: other, is_approved: true })).toEqual(refused('data.request_id'))
  expect((await runOf(call, id)).status).toBe('awaiting_input')
  const data = { request_id, approved: true, feedback: 'twice', params: { copies: 2 } }
  expect((await answer(call, id, 'approval', data)).status).toBe(200)
  const kept = await native('GET', `/v1/input-requests/${request_id}`)
  expect(kept.body.answer).toEqual({ approved: true, feedback: 'twice', params: { to: 'a@x', copies: 2 } })
})

test('a request of another run cannot be answered through this one', async () => {
  const { call, native } = await dynamiqYard()
  await addApp(native)
  const one = await executing(call, native)
  const { id } = (await one.write('/input-requests', { kind: 'feedback', prompt: '?', wait: false })).body
  const two = await executing(call, native)
  await two.write('/input-requests', { kind: 'feedback', prompt: '?', wait: false })
  expect(fieldsOf(await answer(call, two.id, 'human_feedback', { request_id: id, feedback: 1 }))).toEqual([
    400,
    'bad_request',
    ['data.request_id'],
  ])
})

test('of several simultaneous answers one is accepted; the next request is answered separately', async () => {
  const { call, native } = await dynamiqYard()
  await addApp(native)
  const { id, write } = await executing(call, native)
  await write('/input-requests', { kind: 'feedback', prompt: 'one?', wait: false })
  await write('/input-requests', { kind: 'feedback', prompt: 'two?' })
  const [one, two] = (await runOf(call, id)).input_requests
  const answers = await Promise.all(
    ['a', 'b', 'c'].map((feedback) => answer(call, id, 'human_feedback', { request_id: one.id, feedback })),
  )
  expect(answers.map((reply) => reply.status).sort()).toEqual([200, 400, 400])
  for (const reply of answers.filter((it) => it.status === 400)) expect(fieldsOf(reply)[2]).toEqual(['data.request_id'])
  expect(await runOf(call, id)).toMatchObject({ status: 'awaiting_input', input_requests: [{ id: two.id }] })
  await answer(call, id, 'human_feedback', { request_id: two.id, feedback: 'd' })
  expect((await claim(native)).id).toBe(id)
})

test('an accepted answer resumes a paused run, a refused one does not, and a run that has not started takes none', async () => {
  const { call, native } = await dynamiqYard()
  await addApp(native, 'app', { pause_grace_secs: 0 })
  const { id, write } = await executing(call, native)
  const asked = await write('/input-requests', { kind: 'approval', prompt: 'Yes?', wait: false })
  await native('POST', `/v1/runs/${id}/pause`, {})
  await until(
    () => native('GET', `/v1/runs/${id}`),
    (reply) => reply.body.status === 'paused',
  )
  expect((await runOf(call, id)).status).toBe('awaiting_input')
  const request_id = asked.body.id
  await answer(call, id, 'approval_request', { request_id, is_approved: true, params: { x: 1 } })
  expect((await native('GET', `/v1/runs/${id}`)).body.status).toBe('paused')
  expect((await answer(call, id, 'approval_request', { request_id, is_approved: true })).status).toBe(200)
  const again = await claim(native)
  expect(again.id).toBe(id)
  const { data } = (await call('GET', `/v1/runs/${id}/events`)).body
  expect(data.map((event: { type: string }) => event.type)).toEqual([
    'run.started',
    'approval_request.created',
    'run.paused',
    'run.resumed',
  ])
  const queued = await background(call)
  expect(fieldsOf(await answer(call, queued, 'approval_request', { request_id, is_approved: true }))[2]).toEqual([
    'status',
  ])
})

test('a response without news for long is kept alive: a stream by a comment, a waiting call by spaces', {
  timeout: 60_000,
}, async () => {
  const { call, native, address } = await dynamiqYard()
  await addApp(native)
  const answering = call('POST', '/v1/runs', { input: 'slow' })
  const { id, write } = await claim(native)
  const stream = await fetch(`${address}/dynamiq/v1/runs/${id}/stream`, {
    headers: { authorization: `Bearer ${KEY}` },
  })
  let text = ''
  let wasSilent = true
  for await (const chunk of stream.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    if (!wasSilent || !text.includes(': heartbeat\n\n')) continue
    wasSilent = false
    // By now the sync answer has begun as well.
    await until(
      async () => stream.status,
      (status) => status === 200,
    )
    await write('/complete', { result: 1 })
  }
  expect(text).toMatch(/event: run.started\n.*\n\n: heartbeat\n\nid: .*\nevent: run.completed\n.*\n\n$/)
  expect(await answering).toMatchObject({ status: 200, body: { data: { status: 'completed', output: 1 } } })
  const { frames, ended } = follow(address, `/v1/runs/${id}/stream`)
  expect([await ended, frames.length]).toEqual(['ended', 2])
})

test('each of several requests of a paused run can be answered, and until then it awaits input', async () => {
  const { call, native } = await dynamiqYard()
  await addApp(native, 'app', { pause_grace_secs: 0 })
  const { id, write } = await executing(call, native)
  await write('/checkpoint', { state: {} })
  const ask = async (prompt: string) =>
    (await write('/input-requests', { kind: 'feedback', prompt, wait: false })).body.id as string
  const [one, two] = [await ask('1?'), await ask('2?')]
  await native('POST', `/v1/runs/${id}/pause`, {})
  await until(
    () => native('GET', `/v1/runs/${id}`),
    (reply) => reply.body.status === 'paused',
  )
  expect((await answer(call, id, 'human_feedback', { request_id: one, feedback: 'a' })).status).toBe(200)
  expect(await runOf(call, id)).toMatchObject({ status: 'awaiting_input', input_requests: [{ id: two }] })
  expect((await call('GET', '/v1/runs?status=awaiting_input')).body.data).toHaveLength(1)
  expect((await call('GET', '/v1/runs?status=created')).body.data).toHaveLength(0)
  expect((await answer(call, id, 'human_feedback', { request_id: two, feedback: 'b' })).status).toBe(200)
  const now = await runOf(call, id)
  expect([now.status, now.input_requests]).toEqual(['created', undefined])
})

test('a form may send back everything that it was shown, and null for what it omits', async () => {
  const { call, native } = await dynamiqYard()
  await addApp(native)
  const { id, write } = await executing(call, native)
  const params = { to: 'a@x', many: { deep: [1, { a: 1, b: 2 }] } }
  const ask = { kind: 'approval', prompt: 'Send?', params, editable_params: [], wait: false }
  const [one, two] = [(await write('/input-requests', ask)).body.id, (await write('/input-requests', ask)).body.id]
  const changed = { ...params, many: { deep: [1, { a: 1, b: 3 }] } }
  const said = { request_id: one, is_approved: true, approved: null, feedback: null }
  expect(fieldsOf(await answer(call, id, 'approval_request', { ...said, params: changed }))).toEqual([
    400,
    'bad_request',
    ['data.params.many'],
  ])
  const same = { many: { deep: [1, { b: 2, a: 1 }] }, to: 'a@x' }
  expect((await answer(call, id, 'approval_request', { ...said, params: same })).status).toBe(200)
  const nulls = { request_id: two, is_approved: false, params: null }
  expect((await answer(call, id, 'approval_request', nulls)).status).toBe(200)
  const created = await call('POST', '/v1/runs', {
    input: 1,
    user_id: null,
    session_id: '',
    file_ids: null,
    stream: null,
    background: true,
  })
  expect([created.status, created.body.data.user_id, created.body.data.session_id]).toEqual([202, undefined, undefined])
})
