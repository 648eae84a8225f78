import { expect, test } from 'vitest'
import { callerOf, httpYard } from '../../support/http-yard.ts'
import { openFirst } from '../../support/people.ts'

async function chain() {
  const yard = await httpYard()
  const report = async (event: object): Promise<string> => (await yard.call('POST', '/v1/events', event)).body.id
  const root = await report({
    type: 'order.received',
    resource_type: 'order',
    resource_id: '7',
    correlation_id: 'order-7',
  })
  const below = (type: string, causation_id: string) => report({ type, correlation_id: 'order-7', causation_id })
  const checked = await below('order.checked', root)
  const paid = await below('order.paid', checked)
  const packed = await below('order.packed', checked)
  const told = await below('customer.told', root)
  return { ...yard, root, checked, paid, packed, told }
}

test('a causal chain is listed oldest first, in pages', async () => {
  const { call, root, checked, paid, packed, told } = await chain()
  const first = await call('GET', '/v1/events/correlation/order-7?limit=3')
  expect(first.body.data.map((event: { id: string }) => event.id)).toEqual([root, checked, paid])
  expect(first.body.has_more).toBe(true)
  const second = await call('GET', `/v1/events/correlation/order-7?limit=3&cursor=${first.body.next_cursor}`)
  expect(second.body.data.map((event: { id: string }) => event.id)).toEqual([packed, told])
  expect(second.body).toMatchObject({ has_more: false, next_cursor: null })
})

test('the tree of a causal chain says what caused what, in display order', async () => {
  const { call, root, checked, paid, packed, told } = await chain()
  const { body } = await call('GET', '/v1/events/correlation/order-7/tree')
  expect(body).toMatchObject({ correlation_id: 'order-7', truncated: false })
  expect(
    body.data.map((node: { id: string; depth: number; parent_id: string }) => [node.id, node.depth, node.parent_id]),
  ).toEqual([
    [root, 0, null],
    [checked, 1, root],
    [paid, 2, checked],
    [packed, 2, checked],
    [told, 1, root],
  ])
  expect(body.data[0]).toMatchObject({
    type: 'order.received',
    resource_type: 'order',
    resource_id: '7',
    actor_type: 'api_key',
  })
})

test('the events of runs are below what caused them', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  await call('POST', '/v1/jobs/j/runs', {})
  const run = (await call('GET', '/v1/runs?limit=1')).body.data[0]
  await call('DELETE', `/v1/runs/${run.id}`)
  const { body } = await call('GET', `/v1/events/correlation/${run.correlation_id}/tree`)
  expect(body.data.map((node: { type: string }) => node.type).sort()).toEqual(['run.canceled', 'run.created'])
  expect(body.data.every((node: { run_id: string }) => node.run_id === run.id)).toBe(true)
})

test('the tree names the person who acted', async () => {
  const { node, call } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  const run = (await call('POST', '/v1/jobs/j/runs', {})).body
  const owner = await openFirst(node)
  await owner.call('DELETE', `/v1/runs/${run.id}`)
  const { body } = await call('GET', `/v1/events/correlation/${run.correlation_id}/tree`)
  expect(body.data).toMatchObject([
    { type: 'run.created', actor_name: null },
    { type: 'run.canceled', actor_type: 'user', actor_name: owner.session.actor.name },
  ])
})

test('a tree has at most 5,000 events, and says when there are more', async () => {
  const { call } = await httpYard()
  for (let batch = 0; batch < 6; batch++) {
    const events = Array.from({ length: batch === 5 ? 1 : 1_000 }, () => ({ type: 'a.done', correlation_id: 'long' }))
    await call('POST', '/v1/events', events)
  }
  const { body } = await call('GET', '/v1/events/correlation/long/tree')
  expect([body.data.length, body.truncated]).toEqual([5_000, true])
})

test("a chain that does not exist, or is another project's, is not found", async () => {
  const { call, address } = await chain()
  const other = await call('POST', '/v1/projects', { id: 'other' })
  const stranger = callerOf(address, other.body.key)
  for (const [who, path] of [
    [call, 'none'],
    [call, 'none/tree'],
    [stranger, 'order-7'],
    [stranger, 'order-7/tree'],
  ] as const) {
    const reply = await who('GET', `/v1/events/correlation/${path}`)
    expect([reply.status, reply.body.error.code], path).toEqual([404, 'correlation_not_found'])
  }
  expect((await call('GET', '/v1/events/correlation/order-7?cursor=nonsense')).body.error.code).toBe('invalid_cursor')
})

type Event = { id: string; eventType: string; causationId: string | null; actorType: string }

test('the chain leads from the completion of a run back, link by link, to the schedule that triggered it', {
  timeout: 60_000,
}, async () => {
  const { call } = await httpYard()
  await call('PUT', '/v1/agents/bot/policy', { policy: { blocked_tools: ['rm'], approval_tools: ['pay'] } })
  await call('POST', '/v1/jobs', { slug: 'child', execution: 'worker', queue: 'child' })
  await call('POST', '/v1/jobs', { slug: 'parent', execution: 'worker', queue: 'parent', cron: '* * * * * *' })
  const claim = async (queue: string) => {
    const { body } = await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: [queue], wait_secs: 10 })
    const [{ run, run_token, lease_token }] = body.runs
    return { id: run.id as string, token: { key: run_token as string }, lease: { run_id: run.id, lease_token } }
  }
  const parent = await claim('parent')
  await call('PATCH', '/v1/jobs/parent', { cron: null })
  await call('POST', `/v1/runs/${parent.id}/spawn`, { job: 'child' }, parent.token)
  const child = await claim('child')
  const decide = (tool: string) => call('POST', '/v1/agents/bot/authorize', { tool, run_id: child.id })
  expect((await decide('rm')).body.decision).toBe('blocked')
  const asked = (await decide('pay')).body
  expect(asked.decision).toBe('asked')
  await call('POST', `/v1/input-requests/${asked.input_request_id}/answer`, { approved: true })
  await call('POST', '/v1/workers/settle', { settlements: [{ ...child.lease, outcome: 'completed' }] })

  const { correlation_id } = (await call('GET', `/v1/runs/${child.id}`)).body
  const { events } = (await call('GET', `/vai/api/v1/events/correlation/${correlation_id}`)).body as { events: Event[] }
  const byId = new Map(events.map((event) => [event.id, event]))
  const wayBack = (type: string): string[] => {
    const way: string[] = []
    for (let event = events.findLast((it) => it.eventType === type); event; event = byId.get(event.causationId ?? ''))
      way.push(event.eventType)
    return way
  }
  const root = ['run.created', 'run.child_spawned', 'run.created', 'schedule.fired']
  expect(wayBack('run.completed')).toEqual(['run.completed', ...root])
  expect(wayBack('policy.blocked')).toEqual(['policy.blocked', ...root])
  expect(wayBack('policy.allowed')).toEqual(['policy.allowed', 'input.answered', 'policy.approval_required', ...root])
  const tree = (await call('GET', `/v1/events/correlation/${correlation_id}/tree`)).body.data as { depth: number }[]
  expect(tree.filter((node) => node.depth === 0)).toHaveLength(1)
})
