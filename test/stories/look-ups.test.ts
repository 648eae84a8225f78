// What one looks up about a project: what waits for people, when schedules fire, who executes, where a thing is.
import { describe, expect, test } from 'vitest'
import { callerOf, httpYard } from '../support/http-yard.ts'

test('stats count the questions that wait for a person', async () => {
  const { call, address } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'asks', execution: 'worker' })
  const run = (await call('POST', '/v1/jobs/asks/runs', {})).body
  const [claimed] = (await call('POST', '/v1/workers/claim', { worker_id: 'w', limit: 1 })).body.runs
  const pending = async () => (await call('GET', '/v1/stats')).body.pending_input_requests
  expect(await pending()).toBe(0)
  const question = { kind: 'approval', prompt: 'May I?', wait: false }
  const ask = () => callerOf(address, claimed.run_token)('POST', `/v1/runs/${run.id}/input-requests`, question)
  const [asked] = [await ask(), await ask()]
  expect(await pending()).toBe(2)
  await call('POST', `/v1/input-requests/${asked.body.id}/answer`, { approved: true })
  expect(await pending()).toBe(1)
})

describe('the schedule of a job', () => {
  test('is told in its time zone, over the change of clocks', async () => {
    const { call } = await httpYard()
    await call('POST', '/v1/jobs', {
      slug: 'daily',
      execution: 'worker',
      cron: '30 6 * * *',
      timezone: 'Europe/Berlin',
    })
    const { status, body } = await call('GET', '/v1/jobs/daily/schedule?count=100')
    expect([status, body.cron, body.timezone, body.fires]).toEqual([200, '30 6 * * *', 'Europe/Berlin', true])
    expect(body.next).toHaveLength(100)
    expect(body.next[0]).toBe((await call('GET', '/v1/jobs/daily')).body.next_cron_at)
    const local = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', hour: '2-digit', minute: '2-digit' })
    expect(new Set(body.next.map((tick: string) => local.format(new Date(tick))))).toEqual(new Set(['06:30']))
    expect([...body.next].sort()).toEqual(body.next)
  })

  test('is empty without one, and refuses a silly count', async () => {
    const { call } = await httpYard()
    await call('POST', '/v1/jobs', { slug: 'plain', execution: 'worker' })
    expect((await call('GET', '/v1/jobs/plain/schedule')).body).toMatchObject({ cron: null, fires: false, next: [] })
    for (const count of ['0', '101', 'x'])
      expect((await call('GET', `/v1/jobs/plain/schedule?count=${count}`)).status).toBe(422)
  })
})

test('workers are listed with what they hold, and queues with who asked for their runs', async () => {
  const { call, address } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'a', execution: 'worker', queue: 'left' })
  await call('POST', '/v1/jobs', { slug: 'b', execution: 'worker', queue: 'right' })
  for (const slug of ['a', 'a', 'b']) await call('POST', `/v1/jobs/${slug}/runs`, {})
  const claim = (worker_id: string, limit: number) =>
    call('POST', '/v1/workers/claim', { worker_id, limit, queues: ['left', 'right'] })
  await claim('busy', 2)
  await claim('other', 1)
  await claim('idle', 1)
  const { body } = await call('GET', '/v1/workers')
  expect(body.data).toMatchObject([
    { id: 'busy', kind: 'worker', held: 2, run_ids: [expect.any(String), expect.any(String)] },
    { id: 'other', kind: 'worker', held: 1 },
  ])
  expect(body.queues.map((it: { queue: string }) => it.queue).sort()).toEqual(['left', 'right'])
  const second = (await call('POST', '/v1/projects', { id: 'second' })).body
  expect((await callerOf(address, second.key)('GET', '/v1/workers')).body).toEqual({ data: [], queues: [] })
})

describe('find', () => {
  test('knows runs, jobs, agents, operations, events and correlations by what one has of them', async () => {
    const { call } = await httpYard()
    const job = (await call('POST', '/v1/jobs', { slug: 'greet-people', execution: 'worker' })).body
    const run = (await call('POST', '/v1/jobs/greet-people/runs', {})).body
    await call('POST', '/v1/events', { run_id: 'order-42', type: 'a.b', correlation_id: 'trip-7' })
    await call('POST', '/v1/agents/greeter/disable', { reason: 'r' })
    const operation = (await call('POST', '/v1/operations', { kind: 'redrive', filter: { all: true } })).body
    const event = (await call('GET', '/v1/events?type=job.created')).body.data[0]
    const found = async (q: string) => (await call('GET', `/v1/find?q=${encodeURIComponent(q)}`)).body.data
    expect(await found(run.id)).toEqual([{ type: 'run', id: run.id, name: 'greet-people' }])
    expect(await found(run.id.slice(0, 30).toUpperCase())).toEqual([{ type: 'run', id: run.id, name: 'greet-people' }])
    expect(await found('order-42')).toMatchObject([{ type: 'run', id: 'order-42' }])
    expect(await found('greet')).toEqual([
      { type: 'job', id: job.id, name: 'greet-people' },
      { type: 'agent', id: 'greeter', name: null },
    ])
    // It begins a chain of its own.
    expect(await found(event.id)).toEqual([
      { type: 'event', id: event.id, name: 'job.created' },
      { type: 'correlation', id: event.id, name: null },
    ])
    expect(await found('trip-7')).toEqual([{ type: 'correlation', id: 'trip-7', name: null }])
    expect(operation.id, JSON.stringify(operation)).toBeDefined()
    expect(await found(operation.id)).toMatchObject([{ type: 'operation', id: operation.id }])
    for (const nothing of ['nope', '%', "'", '0190', '\\']) expect(await found(nothing), nothing).toEqual([])
  })

  test('shows nothing of other projects, and nothing that the key may not read', async () => {
    const { call, address } = await httpYard()
    await call('POST', '/v1/jobs', { slug: 'secret', execution: 'worker' })
    const run = (await call('POST', '/v1/jobs/secret/runs', {})).body
    const second = (await call('POST', '/v1/projects', { id: 'second' })).body
    const narrow = (await call('POST', '/v1/keys', { name: 'n', scopes: ['runs:read'] })).body
    for (const q of ['secret', run.id])
      expect((await callerOf(address, second.key)('GET', `/v1/find?q=${q}`)).body.data).toEqual([])
    expect((await callerOf(address, narrow.key)('GET', '/v1/find?q=secret')).body.data).toEqual([])
  })
})

describe('pages of other origins', () => {
  const ORIGIN = 'https://app.example.com'

  test('may call with a key where RUNYARD_CORS_ORIGINS names them, and read what went wrong', async () => {
    const { address, call } = await httpYard({ RUNYARD_CORS_ORIGINS: ORIGIN })
    const asked = await fetch(`${address}/v1/runs`, {
      method: 'OPTIONS',
      headers: {
        origin: ORIGIN,
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'authorization',
      },
    })
    expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([204, ORIGIN])
    expect(asked.headers.get('access-control-allow-headers')).toContain('authorization')
    expect(asked.headers.get('access-control-allow-credentials')).toBeNull()
    for (const path of ['/v1/runs', '/v1/nowhere', '/strait/v1/runs']) {
      const reply = await call('GET', path, undefined, { headers: { origin: ORIGIN } })
      expect(reply.headers.get('access-control-allow-origin'), path).toBe(ORIGIN)
    }
    const nobody = await callerOf(address, '')('GET', '/v1/runs', undefined, { headers: { origin: ORIGIN } })
    expect([nobody.status, nobody.headers.get('access-control-allow-origin')]).toEqual([401, ORIGIN])
    const stranger = await call('GET', '/v1/runs', undefined, { headers: { origin: 'https://else.example.com' } })
    expect([stranger.headers.get('access-control-allow-origin'), stranger.headers.get('vary')]).toEqual([
      null,
      'origin',
    ])
  })

  test('may read none of it by default', async () => {
    const { call } = await httpYard()
    const reply = await call('GET', '/v1/runs', undefined, { headers: { origin: ORIGIN } })
    expect(reply.headers.get('access-control-allow-origin')).toBeNull()
  })
})

test('the pages of a node may be framed by nobody, and tell nobody where one came from', async () => {
  const { address } = await httpYard()
  const { headers } = await fetch(`${address}/docs/`)
  expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
  expect(headers.get('x-frame-options')).toBe('DENY')
  expect(headers.get('referrer-policy')).toBe('no-referrer')
  expect(headers.get('cross-origin-opener-policy')).toBe('same-origin')
})
