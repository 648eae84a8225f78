import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { addUse } from '#usage/plans.sql.ts'
import { until } from '../../support/http-yard.ts'
import { onceYard } from '../../support/once-yard.ts'
import { toolServer } from '../../support/tool-server.ts'

/** A yard with a tool whose calls are approved one by one. */
async function payYard() {
  const yard = await onceYard()
  const server = await toolServer()
  await yard.call('POST', '/tools', { name: 'pay', url: server.url })
  await yard.native('PUT', '/v1/agents/bot/policy', { mode: 'enforce', policy: { approval_tools: ['pay'] } })
  const approve = (requestId: string) =>
    yard.native('POST', `/v1/input-requests/${requestId}/answer`, { approved: true })
  return { ...yard, server, approve }
}

test('an approved call without run or key is made once when it is repeated, and then needs approval again', async () => {
  const { call, server, approve } = await payYard()
  const body = { agent_id: 'bot', tool: 'pay', args: { n: 1 }, spend_usd: 3 }
  const asked = await call('POST', '/ai/run', body)
  // Until somebody answers it stays one question.
  expect((await call('POST', '/ai/run', body)).body).toEqual(asked.body)
  await approve(asked.body.result.input_request_id)
  expect((await call('POST', '/ai/run', { ...body, args: { n: 2 } })).body.decision).toBe('blocked')
  expect((await call('POST', '/ai/run', body)).body.decision).toBe('executed')
  expect((await call('POST', '/ai/run', body)).body.policy_reason).toBe('approval_required')
  expect(server.calls).toHaveLength(1)
  expect((await call('GET', '/agents/bot/metrics')).body.total_spend_usd).toBe(3)
})

test('an approved call is not made if the policy now forbids its tool, and costs nothing', async () => {
  const { call, native, server, approve } = await payYard()
  const body = { agent_id: 'bot', tool: 'pay', args: { n: 1, run_id: 'R' }, spend_usd: 3 }
  const asked = await call('POST', '/ai/run', body)
  await approve(asked.body.result.input_request_id)
  await native('PUT', '/v1/agents/bot/policy', { mode: 'enforce', policy: { blocked_tools: ['pay'] } })
  const many = await Promise.all(Array.from({ length: 5 }, () => call('POST', '/ai/run', body)))
  expect(new Set(many.map(({ body }) => body.decision))).toEqual(new Set(['blocked']))
  expect(server.calls).toHaveLength(0)
  expect((await call('GET', '/agents/bot/metrics')).body.total_spend_usd).toBe(0)
})

test('a lease whose run is canceled is cancelled, and its holder is told', async () => {
  const { call, native } = await onceYard()
  const { lease_id } = (await call('POST', '/ai/lease', { key: 'K', ttl: 60, metadata: { run_id: 'R9' } })).body
  await native('DELETE', '/v1/runs/R9')
  expect((await call('GET', '/ai/status?key=K')).body).toMatchObject({ status: 'failed', error_code: 'cancelled' })
  expect((await call('POST', '/ai/extend', { key: 'K', lease_id, ttl: 60 })).status).toBe(409)
})

test('a holder that reports the end of its run first can end its lease afterwards', async () => {
  const { call } = await onceYard()
  const { lease_id } = (await call('POST', '/ai/lease', { key: 'K', ttl: 60, metadata: { run_id: 'R9' } })).body
  await call('POST', '/events', { run_id: 'R9', type: 'run.completed', status: 'ok' })
  expect((await call('GET', '/ai/status?key=K')).body.status).toBe('in_progress')
  expect((await call('POST', '/ai/complete', { key: 'K', lease_id, result: { a: 1 } })).body.status).toBe('completed')
})

test('after the run of a list of actions is canceled, no further action starts', async () => {
  const { call, native } = await onceYard()
  const server = await toolServer(async () => {
    await new Promise((resolve) => setTimeout(resolve, 300))
    return {}
  })
  await call('POST', '/tools', { name: 't', url: server.url })
  const actions = Array.from({ length: 8 }, (_, i) => ({ tool: 't', args: { i } }))
  await call('POST', '/ai/run', { key: 'K', ttl: 60, metadata: { run_id: 'RR', agent_id: 'bot', actions } })
  await until(
    async () => server.calls.length,
    (calls) => calls >= 1,
  )
  await native('DELETE', '/v1/runs/RR')
  const begun = server.calls.length
  await until(
    () => call('GET', '/ai/status?key=K'),
    ({ body }) => body.status !== 'in_progress',
  )
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  expect(server.calls.length).toBeLessThanOrEqual(begun + 1)
})

test('the last call of a month with a hard limit is granted once, even to many at once', async () => {
  const { call, native, url } = await onceYard()
  const server = await toolServer()
  await call('POST', '/tools', { name: 't', url: server.url })
  await native('PUT', '/v1/projects/default/plan', { plan: 'free' })
  // Plans are remembered for a moment.
  await until(
    () => call('GET', '/usage?kind=ai'),
    ({ body }) => body.limit === 3000,
  )
  const sql = connect(url, { max: 1 })
  await addUse(sql, [{ projectId: 'default', kind: 'ai', requests: 2999, charged: 2999 }])
  await sql.end()
  const replies = await Promise.all(
    Array.from({ length: 20 }, (_, i) => call('POST', '/ai/run', { agent_id: 'bot', tool: 't', args: { i } })),
  )
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(1)
  expect(server.calls).toHaveLength(1)
  expect((await call('GET', '/usage?kind=ai')).body.usage).toBe(3000)
})

test('an infinite number in a query is refused by the name of its field', async () => {
  const { call } = await onceYard()
  for (const path of ['/runs/r?limit=1e400', '/agents/bot/logs?limit=1e400']) {
    const { status, body } = await call('GET', path)
    expect([status, body.detail[0].loc]).toEqual([422, ['query', 'limit']])
  }
})

test('rules set here while a policy is set natively lose none of its approvals', async () => {
  const { call, native } = await onceYard()
  for (let round = 0; round < 5; round++) {
    const agent = `bot-${round}`
    const policy = { mode: 'enforce', policy: { approval_tools: ['pay'] } }
    await Promise.all([
      ...Array.from({ length: 5 }, () => call('POST', `/policies/${agent}`, { blocked_tools: ['rm'] })),
      native('PUT', `/v1/agents/${agent}/policy`, policy),
      ...Array.from({ length: 5 }, () => call('POST', `/policies/${agent}`, { blocked_tools: ['rm'] })),
    ])
    const versions = (await native('GET', `/v1/agents/${agent}/policy/versions`)).body.data
    expect(versions).toHaveLength(11)
    expect(versions[0].policy.approval_tools).toEqual(['pay'])
  }
})
