import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { asAttempt, type Claimed, claimOne, settleOne, typesOf, workerJob } from '../../support/builders/attempts.ts'
import { type Call, codeOf, httpYard, openNode, trigger, untilState } from '../../support/http-yard.ts'
import { expectTrueStories } from '../../support/story.ts'

const POLICY = { approval_tools: ['refund'], prices_microusd: { refund: 5 } }

/** A run of an agent that may refund only what a person approves. */
async function claimedAgent(call: Call, more: object = {}): Promise<Claimed> {
  await call('PUT', '/v1/agents/support/policy', { policy: POLICY })
  await call('POST', '/v1/jobs', workerJob('support', { max_attempts: 3, retry_initial_delay_secs: 0, ...more }))
  await trigger(call, 'support')
  return claimOne(call)
}

const ARGS = { order: 7, amount: 300 }
const REFUND = { tool: 'refund', args: ARGS, key: 'refund/7', wait: true, editable_params: ['amount'] }

const pendingOf = async (call: Call) => (await call('GET', '/v1/input-requests?status=pending')).body.data

const answered = async (call: Call, answer: object) => {
  const [pending] = await pendingOf(call)
  return call('POST', `/v1/input-requests/${pending.id}/answer`, answer)
}

test('a call that a person must approve rests its run, and comes back with the arguments as they were approved', async () => {
  const { call, node, url } = await httpYard()
  const it = await claimedAgent(call)
  const asked = await asAttempt(call, it, 'authorize', { ...REFUND, assignee: 'ada@example.com' })
  expect(asked.body).toMatchObject({ decision: 'asked', state: 'asked', resting: true, params: null })
  expect((await call('GET', `/v1/runs/${it.run.id}/why`)).body).toMatchObject({
    sentence: 'It is waiting for ada@example.com to answer: May support call refund?',
    details: { for: 'input', assignees: ['ada@example.com'] },
  })
  // Its token may still read the decision, and no slot of a worker is taken.
  const path = `authorizations/${asked.body.authorization_id}`
  expect((await asAttempt(call, it, path)).body).toMatchObject({ decision: 'asked' })
  await node.close()
  const { address } = await openNode(url)
  const later = ((method, what, body, more) =>
    fetch(address + what, {
      method,
      headers: {
        authorization: `Bearer ${more?.key ?? 'test-key-of-the-operator'}`,
        'content-type': 'application/json',
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }).then(async (reply) => ({ status: reply.status, body: await reply.json(), headers: reply.headers }))) as Call
  await answered(later, { approved: true, params: { amount: 250 } })
  const again = await claimOne(later)
  expect(again.run).toMatchObject({ id: it.run.id, attempt: 1 })
  const decided = await asAttempt(later, again, 'authorize', REFUND)
  expect(decided.body).toMatchObject({
    authorization_id: asked.body.authorization_id,
    decision: 'allowed',
    state: 'reserved',
    resting: false,
    params: { order: 7, amount: 250 },
  })
  expect((await asAttempt(later, again, path)).body).toMatchObject({ decision: 'allowed', params: { amount: 250 } })
  await asAttempt(later, again, 'settle', { authorization_id: decided.body.authorization_id, outcome: 'succeeded' })
  expect((await asAttempt(later, again, 'authorize', REFUND)).body).toMatchObject({
    decision: 'allowed',
    state: 'settled',
  })
  await settleOne(later, again)
  const sql = connect(url, { max: 1 })
  expect((await sql`select * from authorizations`).length).toBe(1)
  await expectTrueStories(sql)
  await sql.end()
})

test('a refusal wakes the run too, and so does the end of the time for an answer', async () => {
  const { call } = await httpYard()
  const it = await claimedAgent(call)
  await asAttempt(call, it, 'authorize', REFUND)
  await answered(call, { approved: false })
  const again = await claimOne(call)
  expect((await asAttempt(call, again, 'authorize', REFUND)).body).toMatchObject({
    decision: 'blocked',
    state: 'denied',
    reason: 'approval_denied',
    params: null,
  })
  const short = { ...REFUND, key: 'refund/8', expires_in_secs: 1 }
  expect((await asAttempt(call, again, 'authorize', short)).body.resting).toBe(true)
  const third = await claimOne(call)
  expect((await asAttempt(call, third, 'authorize', short)).body).toMatchObject({
    decision: 'blocked',
    state: 'denied',
  })
})

test('a key is one call: it is reserved once, and never for other arguments', async () => {
  const { call } = await httpYard()
  const it = await claimedAgent(call)
  const search = { tool: 'search', args: { q: 'x' }, key: 'search', cost_microusd: 9 }
  const both = await Promise.all([asAttempt(call, it, 'authorize', search), asAttempt(call, it, 'authorize', search)])
  expect(new Set(both.map(({ body }) => body.authorization_id)).size).toBe(1)
  expect(both[0]!.body).toMatchObject({ decision: 'allowed', state: 'reserved' })
  expect((await call('GET', '/v1/agents/support/metrics?period=day')).body).toMatchObject({
    allowed: 1,
    tools_microusd: 9,
  })
  for (const other of [
    { ...search, args: { q: 'y' } },
    { ...search, tool: 'other' },
  ]) {
    const refused = await asAttempt(call, it, 'authorize', other)
    expect(refused.body.error.details.fields).toMatchObject([{ field: 'key' }])
  }
  for (const [field, body] of [
    ['key', { tool: 'refund', wait: true }],
    ['args', { ...REFUND, args: 3 }],
    ['args', { ...REFUND, args: { amount: 'x'.repeat(70_000) } }],
    ['editable_params', { ...REFUND, editable_params: ['nothing'] }],
    ['expires_in_secs', { ...REFUND, expires_in_secs: 0 }],
  ] as const) {
    const refused = await asAttempt(call, it, 'authorize', body)
    expect([refused.status, refused.body.error?.details.fields[0].field], field).toEqual([422, field])
  }
  const { body } = await call('POST', '/v1/projects', { id: 'other', name: 'Other' })
  const path = `/v1/runs/${it.run.id}/authorizations/${both[0]!.body.authorization_id}`
  expect(codeOf(await call('GET', path, undefined, { key: body.key }))).toBe('run_not_found')
})

test('a question with a key outlives its attempt, and is answered at once when it is asked again', async () => {
  const { call } = await httpYard()
  const it = await claimedAgent(call)
  const question = { kind: 'feedback', prompt: 'Which one?', key: 'which', wait: false, assignee: 'Ada' }
  const first = await asAttempt(call, it, 'input-requests', question)
  expect(first).toMatchObject({ status: 201, body: { key: 'which', assignee: 'Ada', status: 'pending' } })
  // The attempt fails: one without a key would be canceled.
  await settleOne(call, it, { outcome: 'failed', error: 'crash', retryable: true })
  const second = await claimOne(call)
  const repeated = await asAttempt(call, second, 'input-requests', { ...question, wait: true })
  expect(repeated).toMatchObject({ status: 200, body: { id: first.body.id, status: 'pending' } })
  expect((await untilState(call, it.run.id, ['waiting'])).body.attempt).toBe(2)
  await answered(call, { feedback: 'the red one' })
  const third = await claimOne(call)
  const now = await asAttempt(call, third, 'input-requests', { ...question, wait: true })
  expect(now).toMatchObject({ status: 200, body: { status: 'answered', answer: { feedback: 'the red one' } } })
  expect((await call('GET', `/v1/runs/${it.run.id}`)).body.status).toBe('executing')
  const other = await asAttempt(call, third, 'input-requests', { ...question, kind: 'approval' })
  expect(other.body.error.details.fields).toMatchObject([{ field: 'key' }])
  expect((await typesOf(call, it.run.id)).filter((type) => type === 'input.requested')).toHaveLength(1)
})

test('an answer that comes while its run goes to rest is not missed', async () => {
  const { call } = await httpYard()
  const it = await claimedAgent(call)
  let attempt = it
  for (let round = 0; round < 10; round++) {
    // The question is asked without resting; then somebody answers at the moment in which the run goes to rest.
    const asked = { ...REFUND, key: `refund/${round}`, wait: false }
    await asAttempt(call, attempt, 'authorize', asked)
    const [rested] = await Promise.all([
      asAttempt(call, attempt, 'authorize', { ...asked, wait: true }),
      answered(call, { approved: true }),
    ])
    expect(rested.status).toBe(200)
    if (rested.body.resting) attempt = await claimOne(call)
    expect((await asAttempt(call, attempt, 'authorize', asked)).body.decision).toBe('allowed')
  }
})

test('a dead letter that is redriven asks again what nobody had answered, and keeps what was answered', async () => {
  const { call } = await httpYard()
  const it = await claimedAgent(call, { max_attempts: 1 })
  const question = (key: string) => ({ kind: 'feedback', prompt: 'Which one?', key, wait: false })
  await asAttempt(call, it, 'input-requests', question('answered'))
  await answered(call, { feedback: 'the red one' })
  await asAttempt(call, it, 'authorize', { ...REFUND, wait: false })
  await asAttempt(call, it, 'input-requests', question('open'))
  await settleOne(call, it, { outcome: 'failed', error: 'crash' })
  await untilState(call, it.run.id, ['dead_letter'])
  expect(await pendingOf(call)).toEqual([])
  expect((await call('POST', `/v1/runs/${it.run.id}/dlq-replay`, {})).status).toBe(200)
  const again = await claimOne(call)
  const refund = await asAttempt(call, again, 'authorize', { ...REFUND, wait: false })
  expect(refund.body).toMatchObject({ decision: 'asked', state: 'asked' })
  const asked = await asAttempt(call, again, 'input-requests', question('open'))
  expect(asked).toMatchObject({ status: 201, body: { status: 'pending' } })
  const known = await asAttempt(call, again, 'input-requests', question('answered'))
  expect(known).toMatchObject({ status: 200, body: { answer: { feedback: 'the red one' } } })
  expect(await pendingOf(call)).toHaveLength(2)
})
