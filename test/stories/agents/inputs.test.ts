import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { type Call, codeOf, httpYard, until, untilState } from '../../support/http-yard.ts'
import { expectTrueStories } from '../../support/story.ts'

async function running(call: Call, slug = 'j') {
  await call('POST', '/v1/jobs', { slug, execution: 'worker' })
  const run = (await call('POST', `/v1/jobs/${slug}/runs`, { agent_id: 'bot' })).body
  return { run, ...(await claim(call)) }
}

async function claim(call: Call) {
  const [claimed] = (await call('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 10 })).body.runs
  return { claimed, token: { key: claimed.run_token as string } }
}

const answer = (call: Call, id: string, body: object) => call('POST', `/v1/input-requests/${id}/answer`, body)

test('a run asks, is suspended, and continues with the answer from its latest checkpoint; who answered is in the log', async () => {
  const { call, url } = await httpYard()
  const { run, token } = await running(call)
  await call('POST', `/v1/runs/${run.id}/checkpoint`, { state: { step: 4 } }, token)
  const asked = await call(
    'POST',
    `/v1/runs/${run.id}/input-requests`,
    { kind: 'approval', prompt: 'Send the report?', params: { to: 'a@x', copies: 1 }, editable_params: ['copies'] },
    token,
  )
  expect(asked).toMatchObject({
    status: 201,
    body: { status: 'pending', run_id: run.id, agent_id: 'bot', params: { to: 'a@x', copies: 1 } },
  })
  expect((await call('GET', `/v1/runs/${run.id}/why`)).body).toMatchObject({
    reason: 'wait',
    sentence: 'It is waiting for somebody to answer: Send the report?',
  })
  for (const [bad, field] of [
    [{}, 'approved'],
    [{ approved: true, params: { to: 'b@x' } }, 'params.to'],
    [{ approved: 'yes' }, 'approved'],
    [{ agreed: true }, 'agreed'],
  ] as const) {
    const refused = await answer(call, asked.body.id, bad)
    expect([codeOf(refused), refused.body.error.details.fields[0].field]).toEqual(['invalid', field])
  }
  const answered = await answer(call, asked.body.id, { approved: true, params: { copies: 2 } })
  expect(answered.body).toMatchObject({
    status: 'answered',
    answer: { approved: true, params: { to: 'a@x', copies: 2 } },
  })
  expect(codeOf(await answer(call, asked.body.id, { approved: false }))).toBe('input_over')
  const again = await claim(call)
  expect(again.claimed).toMatchObject({ run: { id: run.id, attempt: 1 }, checkpoint: { state: { step: 4 } } })
  const value = await call('GET', `/v1/runs/${run.id}/state/input:${asked.body.id}`, undefined, again.token)
  expect(value.body.value).toMatchObject({ approved: true, status: 'answered', params: { copies: 2 } })
  const events = (await call('GET', `/v1/runs/${run.id}/events?limit=50`)).body.data
  expect(events.map((it: { type: string }) => it.type)).toEqual(
    'run.created run.started checkpoint.saved input.requested run.waiting input.answered run.woken run.started'.split(
      ' ',
    ),
  )
  expect(events[5]).toMatchObject({ actor_type: 'api_key', resource_type: 'input_request', resource_id: asked.body.id })
  expect(events[6].causation_id).toBe(events[5].id)
  const sql = connect(url, { max: 1 })
  await expectTrueStories(sql)
  await sql.end()
})

test('a run that asks several questions continues when all of them are answered', async () => {
  const { call } = await httpYard()
  const { run, token } = await running(call)
  const ask = (body: object) => call('POST', `/v1/runs/${run.id}/input-requests`, { prompt: '?', ...body }, token)
  const schema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] }
  const first = (await ask({ kind: 'feedback', schema, wait: false })).body
  const second = (await ask({ kind: 'approval' })).body
  expect((await call('GET', `/v1/runs/${run.id}/input-requests`)).body.data).toHaveLength(2)
  expect(codeOf(await answer(call, first.id, { feedback: { n: 'x' } }))).toBe('invalid')
  await answer(call, first.id, { feedback: { n: 1 } })
  expect((await call('GET', `/v1/runs/${run.id}`)).body.status).toBe('waiting')
  await answer(call, second.id, { approved: false })
  await untilState(call, run.id, ['queued'])
})

test('when nobody answers, the default is taken as the answer or the run fails, as the question says', {
  timeout: 30_000,
}, async () => {
  const { call } = await httpYard()
  const one = await running(call, 'a')
  const ask = (run: { id: string }, body: object, token: object) =>
    call(
      'POST',
      `/v1/runs/${run.id}/input-requests`,
      { kind: 'approval', prompt: '?', expires_in_secs: 1, ...body },
      token,
    )
  const withDefault = (await ask(one.run, { on_expiry: 'default', default: { approved: false } }, one.token)).body
  const two = await running(call, 'b')
  await ask(two.run, { on_expiry: 'fail' }, two.token)
  await untilState(call, one.run.id, ['queued'])
  const failed = await untilState(call, two.run.id, ['failed'])
  expect(failed.body).toMatchObject({ error: 'nobody answered in time', error_code: 'input_expired' })
  expect((await call('GET', `/v1/input-requests/${withDefault.id}`)).body).toMatchObject({
    status: 'expired',
    answer: { approved: false },
    answered_by: { type: 'system', id: null },
  })
  expect(codeOf(await answer(call, withDefault.id, { approved: true }))).toBe('input_over')
})

test('an invalid question is refused by field', async () => {
  const { call } = await httpYard()
  const { run, token } = await running(call)
  const ask = (body: object) => call('POST', `/v1/runs/${run.id}/input-requests`, body, token)
  for (const bad of [
    { kind: 'approval' },
    { kind: 'poll', prompt: '?' },
    { kind: 'approval', prompt: '?', editable_params: ['x'] },
    { kind: 'approval', prompt: '?', schema: {} },
    { kind: 'feedback', prompt: '?', schema: { type: 'nonsense' } },
    { kind: 'approval', prompt: '?', expires_in_secs: 5, on_expiry: 'default' },
    { kind: 'approval', prompt: '?', expires_in_secs: 5, on_expiry: 'default', default: { feedback: 'x' } },
  ])
    expect(codeOf(await ask(bad)), JSON.stringify(bad)).toBe('invalid')
  expect((await call('GET', `/v1/runs/${run.id}`)).body.status).toBe('executing')
  expect((await call('GET', '/v1/input-requests')).body.data).toEqual([])
})

test('a question of an ended run cannot be answered, and of two simultaneous answers one is taken', async () => {
  const { call } = await httpYard()
  const one = await running(call, 'a')
  const asked = (
    await call('POST', `/v1/runs/${one.run.id}/input-requests`, { kind: 'approval', prompt: '?' }, one.token)
  ).body
  await call('DELETE', `/v1/runs/${one.run.id}`)
  expect((await call('GET', `/v1/input-requests/${asked.id}`)).body.status).toBe('canceled')
  expect(codeOf(await answer(call, asked.id, { approved: true }))).toBe('input_over')
  const two = await running(call, 'b')
  const other = (
    await call('POST', `/v1/runs/${two.run.id}/input-requests`, { kind: 'approval', prompt: '?' }, two.token)
  ).body
  const both = await Promise.all([true, false, true, false].map((approved) => answer(call, other.id, { approved })))
  expect(both.map((it) => it.status).sort()).toEqual([200, 409, 409, 409])
  const woken = await until(
    () => call('GET', `/v1/runs/${two.run.id}/events?limit=50`),
    (reply) => reply.body.data.some((it: { type: string }) => it.type === 'run.woken'),
  )
  expect(woken.body.data.filter((it: { type: string }) => it.type === 'input.answered')).toHaveLength(1)
})
