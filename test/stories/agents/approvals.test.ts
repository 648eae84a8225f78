import { expect, test } from 'vitest'
import { type Call, httpYard, type Reply, until, untilState } from '../../support/http-yard.ts'

const setPolicy = (call: Call, policy: object, mode = 'enforce') =>
  call('PUT', '/v1/agents/bot/policy', { mode, policy })
const authorize = (call: Call, body: object) => call('POST', '/v1/agents/bot/authorize', body)
const answer = (call: Call, { body }: Reply, approved = true) =>
  call('POST', `/v1/input-requests/${body.input_request_id}/answer`, { approved })
const decisionOf = async (call: Call, { body }: Reply) =>
  (await call('GET', `/v1/agents/bot/authorizations/${body.authorization_id}`)).body

/** A run of a worker's job, claimed. */
async function claimed(call: Call) {
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker', max_attempts: 3 })
  await call('POST', '/v1/jobs/j/runs', {})
  return claimAgain(call)
}

async function claimAgain(call: Call) {
  const { body } = await until(
    () => call('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 5, lease_secs: 300 }),
    ({ body }) => body.runs?.length > 0,
  )
  const { run, run_token: key } = body.runs[0]
  return {
    id: run.id as string,
    write: (path: string, body: object) => call('POST', `/v1/runs/${run.id}${path}`, body, { key }),
    ask: (question: object) =>
      call('POST', `/v1/runs/${run.id}/input-requests`, { kind: 'approval', prompt: 'May I?', ...question }, { key }),
  }
}

test('answers of approvals and calls of the same run never deadlock', async () => {
  const { call } = await httpYard()
  await setPolicy(call, { approval_tools: ['pay'] })
  const { id: run_id } = await claimed(call)
  const asked = await Promise.all(Array.from({ length: 60 }, () => authorize(call, { tool: 'pay', run_id })))
  const replies = await Promise.all(
    asked.flatMap((one) => [answer(call, one), authorize(call, { tool: 'read', run_id })]),
  )
  expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]))
})

test('the approval of a call without a run is one causal chain', async () => {
  const { call } = await httpYard()
  await setPolicy(call, { approval_tools: ['pay'] })
  await answer(call, await authorize(call, { tool: 'pay' }))
  const { data } = (await call('GET', '/v1/events?limit=20')).body
  const chain = data.filter(({ type }: { type: string }) => /^(policy\.a|input)/.test(type))
  expect(chain.map(({ type }: { type: string }) => type).sort()).toEqual([
    'input.answered',
    'policy.allowed',
    'policy.approval_required',
  ])
  expect(new Set(chain.map((it: { correlation_id: string }) => it.correlation_id)).size).toBe(1)
})

test('a policy that is in observe mode when the answer comes stops nothing, and is reported with its version', async () => {
  const { call } = await httpYard()
  await setPolicy(call, { approval_tools: ['pay'] })
  const asked = await authorize(call, { tool: 'pay' })
  await setPolicy(call, { blocked_tools: ['pay'] }, 'observe')
  await answer(call, asked)
  expect(await decisionOf(call, asked)).toMatchObject({
    state: 'reserved',
    reason: 'ok',
    observed: 'tool_explicitly_blocked',
    policy_version: 2,
  })
})

test('a policy that forbids the call when the answer comes blocks it, and is reported with its version', async () => {
  const { call } = await httpYard()
  await setPolicy(call, { approval_tools: ['pay'] })
  const asked = await authorize(call, { tool: 'pay' })
  await setPolicy(call, { blocked_tools: ['pay'] })
  await answer(call, asked)
  expect(await decisionOf(call, asked)).toMatchObject({ state: 'blocked', policy_version: 2 })
  const { data } = (await call('GET', '/v1/events?limit=20')).body
  expect(data.find(({ type }: { type: string }) => type === 'policy.blocked').data.policy_version).toBe(2)
})

test('the arguments of a call are shown to its approver, and are not in the log', async () => {
  const { call } = await httpYard()
  await setPolicy(call, { approval_tools: ['pay'] })
  const { id: run_id } = await claimed(call)
  const asked = await authorize(call, { tool: 'pay', run_id, args: { card: '4242-4242' } })
  expect((await call('GET', `/v1/input-requests/${asked.body.input_request_id}`)).body.params).toEqual({
    card: '4242-4242',
  })
  await answer(call, asked)
  const log = JSON.stringify((await call('GET', '/v1/events?limit=50')).body)
  expect(log).toContain('input.answered')
  expect(log).not.toContain('4242-4242')
})

test('arguments that are a list are shown to the approver, and arguments that are too large are not', async () => {
  const { call } = await httpYard()
  await setPolicy(call, { approval_tools: ['pay'] })
  const paramsOf = async (args: unknown) => {
    const { body } = await authorize(call, { tool: 'pay', args })
    return (await call('GET', `/v1/input-requests/${body.input_request_id}`)).body.params
  }
  expect(await paramsOf(['rm', '-rf'])).toEqual({ args: ['rm', '-rf'] })
  expect(await paramsOf({ text: 'x'.repeat(100_000) })).toEqual({ left_out: '100011 bytes' })
})

test('a pending call is denied when its run is canceled', async () => {
  const { call } = await httpYard()
  await setPolicy(call, { approval_tools: ['pay'] })
  const { id: run_id } = await claimed(call)
  const asked = await authorize(call, { tool: 'pay', run_id })
  await call('DELETE', `/v1/runs/${run_id}`)
  expect(await decisionOf(call, asked)).toMatchObject({ state: 'denied', reason: 'approval_denied' })
  expect((await answer(call, asked)).status).toBe(409)
})

test('a question that fails its run when nobody answers also fails a run that did not wait for it', async () => {
  const { call } = await httpYard()
  const run = await claimed(call)
  await run.ask({ expires_in_secs: 1, on_expiry: 'fail', wait: false })
  expect((await untilState(call, run.id, ['failed'])).body.error_code).toBe('input_expired')
})

test('a question of an earlier attempt does not hold back a restarted run', async () => {
  const { call } = await httpYard()
  const before = await claimed(call)
  const old = (await before.ask({ wait: false })).body
  await call('POST', `/v1/runs/${before.id}/restart`, {})
  const now = await claimAgain(call)
  const { body } = await now.ask({ wait: true })
  await call('POST', `/v1/input-requests/${body.id}/answer`, { approved: true })
  expect((await call('GET', `/v1/runs/${now.id}`)).body.status).toBe('queued')
  expect((await call('GET', `/v1/input-requests/${old.id}`)).body.status).toBe('canceled')
})

test('a running attempt settles only calls that its own run was allowed', async () => {
  const { call } = await httpYard()
  const run = await claimed(call)
  const own = (await run.write('/authorize', { tool: 'search', cost_microusd: 5 })).body
  const { body, status } = await run.write('/settle', { authorization_id: own.authorization_id, cost_microusd: 7 })
  // It acts for no agent: the name of its job stands for one.
  expect([status, body.agent_id, body.state, body.cost_microusd]).toEqual([200, 'j', 'settled', 7])
  const { authorization_id } = (await authorize(call, { tool: 'search' })).body
  const refused = await run.write('/settle', { authorization_id })
  expect([refused.status, refused.body.error.code]).toEqual([404, 'authorization_not_found'])
})

test('a dry run of a policy uses the prices of that policy', async () => {
  const { call } = await httpYard()
  for (let i = 0; i < 5; i++) await authorize(call, { tool: 'search' })
  const { body } = await call('POST', '/v1/agents/bot/policy/try', {
    days: 1,
    policy: { max_spend_microusd_per_day: 2_000_000, prices_microusd: { search: 1_000_000 } },
  })
  expect(body.newly_stopped).toBe(3)
})
