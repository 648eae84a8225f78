// One run across all surfaces: made at /dynamiq, governed by a policy that was set at /onceonly, blocked once, approved by
// a person, completed. Its timeline at /onceonly, its events at /vai, its stream at /dynamiq, and its state at /strait and
// under /v1 tell the same story.
import { expect, test } from 'vitest'
import { httpYard, KEY, until } from '../support/http-yard.ts'

type Told = { type: string; sequence?: number }

test('every API tells the same story of a run', { timeout: 60_000 }, async () => {
  const { call, address } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'default', execution: 'worker' })
  const policy = await call('POST', '/onceonly/v1/policies/support_bot', {
    agent_id: 'support_bot',
    blocked_tools: ['delete_user'],
    max_actions_per_hour: 100,
  })
  expect(policy).toMatchObject({
    status: 200,
    body: { agent_id: 'support_bot', policy: { blocked_tools: ['delete_user'] } },
  })
  expect((await call('GET', '/v1/agents/support_bot')).body.policy.blocked_tools).toEqual(['delete_user'])

  // Made at /dynamiq, executed by a worker.
  const made = await call('POST', '/dynamiq/v1/runs', { input: { ticket: 7 }, user_id: 'ada', background: true })
  expect(made).toMatchObject({ status: 202, body: { data: { status: 'created' } } })
  const id = made.body.data.id as string
  const claimed = (await call('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 10 })).body.runs[0]
  expect(claimed.run.id).toBe(id)
  const token = { key: claimed.run_token as string }
  const decide = (tool: string) =>
    call('POST', '/v1/agents/support_bot/authorize', { tool, run_id: id, args: { user: 7 } })
  expect((await decide('delete_user')).body).toMatchObject({ decision: 'blocked', reason: 'tool_explicitly_blocked' })
  expect((await decide('close_ticket')).body.decision).toBe('allowed')
  await call(
    'POST',
    `/v1/runs/${id}/tool-call`,
    { tool_name: 'close_ticket', input: { ticket: 7 }, output: { closed: true }, duration_ms: 5 },
    token,
  )

  // It asks, and a person answers at /dynamiq.
  await call(
    'POST',
    `/v1/runs/${id}/input-requests`,
    { kind: 'approval', prompt: 'Close the ticket?', params: { ticket: 7 } },
    token,
  )
  const waiting = (await call('GET', `/dynamiq/v1/runs/${id}`)).body.data
  expect(waiting).toMatchObject({
    status: 'awaiting_input',
    input_requests: [{ type: 'approval_request', prompt: 'Close the ticket?' }],
  })
  expect((await call('GET', `/strait/v1/runs/${id}`)).body.status).toBe('waiting')
  const answered = await call('POST', `/dynamiq/v1/runs/${id}/input`, {
    type: 'approval_request',
    data: { request_id: waiting.input_requests[0].id, is_approved: true },
  })
  expect(answered).toMatchObject({ status: 200, body: { message: 'ok' } })
  const again = (await call('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 10 })).body.runs[0]
  const lease = { run_id: id, lease_token: again.lease_token }
  await call('POST', '/v1/workers/settle', {
    settlements: [{ ...lease, outcome: 'completed', result: { done: true } }],
  })

  // The state, everywhere.
  const native = (
    await until(
      () => call('GET', `/v1/runs/${id}`),
      (reply) => reply.body.status === 'completed',
    )
  ).body
  expect((await call('GET', `/strait/v1/runs/${id}`)).body).toMatchObject({
    id,
    status: 'completed',
    result: { done: true },
    finished_at: native.finished_at,
  })
  expect((await call('GET', `/dynamiq/v1/runs/${id}`)).body.data).toMatchObject({
    id,
    status: 'completed',
    output: { done: true },
  })
  const listed = (await call('GET', `/onceonly/v1/runs?q=${id}`)).body
  expect(listed).toMatchObject({ total: 1, items: [{ run_id: id }] })

  // The story: what the log says, every surface says in its own words.
  const log = (await call('GET', `/v1/runs/${id}/events?limit=100`)).body.data as (Told & { id: string })[]
  const types = log.map((event) => event.type)
  expect(types).toEqual(
    (
      'run.created run.started policy.blocked policy.allowed agent.tool_call.completed input.requested run.waiting ' +
      'input.answered run.woken run.started run.completed'
    ).split(' '),
  )
  const timeline = (await call('GET', `/onceonly/v1/runs/${encodeURIComponent(id)}`)).body
  expect(timeline.total).toBe(log.length)
  expect(timeline.events.map((event: Told) => event.type)).toEqual(types)

  const stream = await (
    await fetch(`${address}/dynamiq/v1/runs/${id}/stream`, { headers: { authorization: `Bearer ${KEY}` } })
  ).text()
  const streamed = [...stream.matchAll(/^event: (.*)$/gm)].map(([, type]) => type)
  expect(streamed).toEqual(['run.started', 'agent.tool_call.completed', 'approval_request.created', 'run.completed'])
  const stored = (await call('GET', `/dynamiq/v1/runs/${id}/events`)).body.data as Told[]
  expect(stored.map((event) => event.type)).toEqual(streamed)

  const chain = (await call('GET', `/vai/api/v1/events/correlation/${native.correlation_id}`)).body.events as {
    eventType: string
    id: string
  }[]
  expect(chain.map((event) => event.eventType)).toEqual(types)
  expect(chain.map((event) => event.id)).toEqual(log.map((event) => event.id))

  // The feed of what was refused, and the log of the agent.
  const feed = (
    await until(
      () => call('GET', '/onceonly/v1/events'),
      (reply) => reply.body.length > 0,
    )
  ).body
  expect(feed).toMatchObject([
    {
      type: 'policy_blocked',
      meta: { agent_id: 'support_bot', tool: 'delete_user', reason: 'tool_explicitly_blocked' },
    },
  ])
  const decisions = (await call('GET', '/onceonly/v1/agents/support_bot/logs')).body
  expect(decisions.map((it: { tool: string; allowed: boolean }) => [it.tool, it.allowed])).toEqual([
    ['close_ticket', true],
    ['delete_user', false],
  ])
})
