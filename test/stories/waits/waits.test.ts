import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { type Call, codeOf, httpYard, trigger, until, untilState } from '../../support/http-yard.ts'
import { httpServer } from '../../support/local-servers.ts'
import { expectTrueStories } from '../../support/story.ts'

type Claimed = { run: { id: string }; lease_token: string; run_token: string; checkpoint: unknown; attempt?: number }

async function claim(call: Call, queue = 'default'): Promise<Claimed> {
  const reply = await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: [queue], wait_secs: 10 })
  expect(reply.body.runs, `a run in ${queue}`).toHaveLength(1)
  return reply.body.runs[0]
}

const settle = (call: Call, { run, lease_token }: Claimed, more: object = { outcome: 'completed' }) =>
  call('POST', '/v1/workers/settle', { settlements: [{ run_id: run.id, lease_token, ...more }] })

const worker = (slug: string, more: object = {}) => ({ slug, execution: 'worker', ...more })

test('a run waits for an event, says so in why, and continues with its payload and the same attempt', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', worker('j'))
  const run = await trigger(call, 'j')
  const first = await claim(call)
  const token = { key: first.run_token }
  const waiting = await call('POST', `/v1/runs/${run.id}/wait-for-event`, { event_key: 'paid:7' }, token)
  expect(waiting).toMatchObject({ status: 200, body: { status: 'waiting', event_key: 'paid:7' } })
  expect(Date.parse(waiting.body.expires_at) - Date.now()).toBeGreaterThan(3_590_000)
  expect((await call('GET', `/v1/runs/${run.id}/why`)).body).toMatchObject({
    reason: 'wait',
    sentence: 'It is waiting for the event paid:7 to be sent.',
    details: { event_key: 'paid:7' },
  })
  // The attempt may still write, but an executor's answer ends nothing any more.
  expect((await call('POST', `/v1/runs/${run.id}/log`, { message: 'going to rest' }, token)).status).toBe(201)
  expect((await settle(call, first)).body.results[0].error.code).toBe('wrong_state')
  const sent = await call('POST', '/v1/events/paid:7/send', { payload: { amount: 3 } })
  expect(sent).toMatchObject({ status: 200, body: { id: run.id, status: 'queued', attempt: 1 } })
  const again = await claim(call)
  expect(again).toMatchObject({
    run: { id: run.id, attempt: 1 },
    checkpoint: { number: 1, state: { amount: 3 } },
  })
  expect((await call('POST', `/v1/runs/${run.id}/log`, { message: 'late' }, token)).status).toBe(409)
  await settle(call, again)
  expect((await untilState(call, run.id, ['completed'])).body.error).toBe(null)
  const types = (await call('GET', `/v1/runs/${run.id}/events?limit=100`)).body.data.map(
    (it: { type: string }) => it.type,
  )
  expect(types).toEqual(
    'run.created run.started run.waiting log event.received run.woken run.started run.completed'.split(' '),
  )
})

test('only one run at a time can wait for a key; nobody else, and no other project, can send to it', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/projects', { id: 'other', name: 'Other' }).then(async ({ body }) => {
    const stranger = { key: body.key }
    await call('POST', '/v1/jobs', worker('j'))
    await trigger(call, 'j')
    await trigger(call, 'j')
    const [a, b] = [await claim(call), await claim(call)]
    const wait = (it: Claimed, key: string) =>
      call('POST', `/v1/runs/${it.run.id}/wait-for-event`, { event_key: key }, { key: it.run_token })
    expect((await wait(a, 'k')).status).toBe(200)
    const taken = await wait(b, 'k')
    expect([taken.status, codeOf(taken)]).toEqual([409, 'wait_key_taken'])
    expect((await call('GET', `/v1/runs/${b.run.id}`)).body.status).toBe('executing')
    expect(codeOf(await wait(a, 'other'))).toBe('wrong_state')
    expect(codeOf(await call('POST', '/v1/events/k/send', { keep_secs: 0 }, stranger))).toBe('wait_not_found')
    expect(codeOf(await call('POST', '/v1/events/unknown/send', { keep_secs: 0 }))).toBe('wait_not_found')
    const both = await Promise.all([
      call('POST', '/v1/events/k/send', { keep_secs: 0 }),
      call('POST', '/v1/events/k/send', { keep_secs: 0 }),
    ])
    expect(both.map((it) => it.status).sort()).toEqual([200, 404])
    // The key is free again.
    expect((await wait(b, 'k')).status).toBe(200)
    expect((await call('GET', `/v1/runs/${a.run.id}`)).body.status).toBe('queued')
  })
})

test('invalid waits are refused by field, and the run keeps executing', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', worker('j'))
  const run = await trigger(call, 'j')
  const { run_token: key } = await claim(call)
  for (const body of [
    {},
    { event_key: '' },
    { event_key: 'x'.repeat(513) },
    { event_key: 'k', timeout_secs: 0 },
    { event_key: 'k', timeout_secs: 30 * 86_400 + 1 },
  ]) {
    expect(codeOf(await call('POST', `/v1/runs/${run.id}/wait-for-event`, body, { key })), JSON.stringify(body)).toBe(
      'invalid',
    )
  }
  expect((await call('GET', `/v1/runs/${run.id}`)).body.status).toBe('executing')
})

test('a wait that nobody ends times out, and the runs it spawned are canceled', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', worker('j'))
  const run = await trigger(call, 'j')
  const { run_token: key } = await claim(call)
  const child = (await call('POST', `/v1/runs/${run.id}/spawn`, { job: 'j' }, { key })).body
  const detached = (await call('POST', `/v1/runs/${run.id}/spawn`, { job: 'j', detached: true }, { key })).body
  await call('POST', `/v1/runs/${run.id}/wait-for-event`, { event_key: 'k', timeout_secs: 1 }, { key })
  const over = await untilState(call, run.id, ['timed_out'])
  expect(over.body).toMatchObject({ error: 'timed out waiting for the event k', error_code: 'wait_timeout' })
  await untilState(call, child.id, ['canceled'])
  expect((await call('GET', `/v1/runs/${detached.id}`)).body).toMatchObject({ status: 'queued', detached: true })
  expect(codeOf(await call('POST', '/v1/events/k/send', { keep_secs: 0 }))).toBe('wait_not_found')
})

test('an attempt may complete or fail its run while it waits', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', worker('j'))
  for (const [end, state] of [
    ['complete', 'completed'],
    ['fail', 'failed'],
  ] as const) {
    const run = await trigger(call, 'j')
    const { run_token: key } = await claim(call)
    await call('POST', `/v1/runs/${run.id}/wait-for-event`, { event_key: end }, { key })
    expect(
      (await call('POST', `/v1/runs/${run.id}/${end}`, { ...(end === 'fail' && { error: 'x' }) }, { key })).body.status,
    ).toBe(state)
    expect(codeOf(await call('POST', `/v1/events/${end}/send`, { keep_secs: 0 }))).toBe('wait_not_found')
  }
})

test('a parent waits for its child, and finds its outcome among its state values', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', worker('parent', { queue: 'parents' }))
  await call('POST', '/v1/jobs', worker('child', { queue: 'children', max_attempts: 1 }))
  for (const [ending, state] of [
    [{ outcome: 'completed', result: { sum: 3 } }, 'completed'],
    [{ outcome: 'failed', error: 'no luck' }, 'dead_letter'],
  ] as const) {
    const run = await trigger(call, 'parent')
    const first = await claim(call, 'parents')
    await call('POST', `/v1/runs/${run.id}/checkpoint`, { state: { step: 1 } }, { key: first.run_token })
    const spawned = await call(
      'POST',
      `/v1/runs/${run.id}/spawn`,
      { job: 'child', await_completion: true },
      { key: first.run_token },
    )
    expect(spawned.status).toBe(201)
    expect((await call('GET', `/v1/runs/${run.id}`)).body.status).toBe('waiting')
    expect((await call('GET', `/v1/runs/${run.id}/why`)).body.details).toEqual({
      for: 'child',
      child_run_id: spawned.body.id,
    })
    await settle(call, await claim(call, 'children'), ending)
    const again = await claim(call, 'parents')
    // Its own checkpoint is still the latest.
    expect(again).toMatchObject({ run: { id: run.id, attempt: 1 }, checkpoint: { state: { step: 1 } } })
    const { body } = await call('GET', `/v1/runs/${run.id}/state/spawn-await:${spawned.body.id}`, undefined, {
      key: again.run_token,
    })
    expect(body.value).toMatchObject({
      run_id: spawned.body.id,
      status: state,
      ...('result' in ending ? { result: ending.result } : { error: ending.error }),
    })
    await settle(call, again)
  }
})

test('a parent that awaits an ended child continues immediately', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', worker('parent', { queue: 'parents' }))
  await call('POST', '/v1/jobs', worker('child', { queue: 'children' }))
  const run = await trigger(call, 'parent')
  const { run_token: key } = await claim(call, 'parents')
  const asked = { job: 'child', idempotency_key: 'once' }
  const child = (await call('POST', `/v1/runs/${run.id}/spawn`, asked, { key })).body
  await settle(call, await claim(call, 'children'))
  const awaited = await call('POST', `/v1/runs/${run.id}/spawn`, { ...asked, await_completion: true }, { key })
  expect(awaited).toMatchObject({ status: 200, body: { id: child.id, replayed: true } })
  expect((await claim(call, 'parents')).run.id).toBe(run.id)
})

test('a parent that is canceled while it waits cancels its child, and is not woken', async () => {
  const { call, url } = await httpYard()
  await call('POST', '/v1/jobs', worker('parent', { queue: 'parents' }))
  await call('POST', '/v1/jobs', worker('child', { queue: 'children' }))
  const run = await trigger(call, 'parent')
  const { run_token: key } = await claim(call, 'parents')
  const child = (await call('POST', `/v1/runs/${run.id}/spawn`, { job: 'child', await_completion: true }, { key })).body
  await claim(call, 'children')
  expect((await call('DELETE', `/v1/runs/${run.id}`)).body.status).toBe('canceled')
  expect((await call('GET', `/v1/runs/${child.id}`)).body.status).toBe('canceled')
  const sql = connect(url, { max: 1 })
  expect(await sql`select * from waits`).toHaveLength(0)
  await expectTrueStories(sql)
  await sql.end()
})

test('of a hundred parents and their children, all at once, every parent continues exactly once', {
  timeout: 60_000,
}, async () => {
  const { call, url } = await httpYard()
  await call('POST', '/v1/jobs', worker('parent', { queue: 'parents' }))
  await call('POST', '/v1/jobs', worker('child', { queue: 'children' }))
  await call('POST', '/v1/jobs/parent/runs/batch', { items: Array.from({ length: 100 }, () => ({})) })
  const { runs } = (await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: ['parents'], limit: 100 })).body
  await Promise.all(
    runs.map((it: Claimed) =>
      call('POST', `/v1/runs/${it.run.id}/spawn`, { job: 'child', await_completion: true }, { key: it.run_token }),
    ),
  )
  const children = (await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: ['children'], limit: 100 })).body
    .runs
  expect(children).toHaveLength(100)
  await Promise.all(
    children.map((it: Claimed, index: number) =>
      settle(call, it, index % 2 ? { outcome: 'completed' } : { outcome: 'failed', error: 'x', retryable: false }),
    ),
  )
  await until(
    () => call('GET', '/v1/runs?status=queued&queue=parents&limit=500'),
    (reply) => reply.body.data.length === 100,
    20_000,
  )
  const sql = connect(url, { max: 1 })
  const [woken] = await sql<{ n: number }[]>`select count(*)::int as n from events where type = 'run.woken'`
  expect(woken!.n).toBe(100)
  await expectTrueStories(sql)
  await sql.end()
})

test('the reply of a handler that waits ends nothing, and the handler is called again with the event', async () => {
  const { call, address } = await httpYard()
  const seen: Record<string, string>[] = []
  const { url } = await httpServer(async (request, response) => {
    const headers = request.headers as Record<string, string>
    seen.push(headers)
    if (seen.length === 1) {
      const reply = await fetch(`${address}/v1/runs/${headers['x-run-id']}/wait-for-event`, {
        method: 'POST',
        headers: { authorization: `Bearer ${headers['x-run-token']}`, 'content-type': 'application/json' },
        body: '{"event_key":"go"}',
      })
      expect(reply.status).toBe(200)
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"too":"early"}')
    } else response.writeHead(200, { 'content-type': 'application/json' }).end('{"well":"done"}')
  })
  await call('POST', '/v1/jobs', { slug: 'h', execution: 'http', endpoint_url: url })
  const run = await trigger(call, 'h', { payload: { a: 1 } })
  await untilState(call, run.id, ['waiting'])
  await call('POST', '/v1/events/go/send', { payload: { now: true } })
  const done = await untilState(call, run.id, ['completed'])
  expect(done.body.result).toEqual({ well: 'done' })
  expect(JSON.parse(seen[1]!['x-last-checkpoint']!)).toEqual({ now: true })
  expect(seen.map((it) => it['x-attempt'])).toEqual(['1', '1'])
})

test('continuations may be ten deep and no deeper', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', worker('j'))
  let run = await trigger(call, 'j', { payload: { page: 1 }, priority: 3, tags: { team: 'a' } })
  const first = run
  for (let depth = 1; depth <= 10; depth++) {
    const claimed = await claim(call)
    const next = await call(
      'POST',
      `/v1/runs/${run.id}/continue`,
      depth === 1 ? undefined : { payload: { page: depth } },
      { key: claimed.run_token },
    )
    expect(next).toMatchObject({
      status: 201,
      body: {
        continuation_of: run.id,
        lineage_depth: depth,
        triggered_by: 'manual',
        priority: 3,
        tags: { team: 'a' },
        correlation_id: first.correlation_id,
      },
    })
    expect((await call('GET', `/v1/runs/${next.body.id}`)).body.payload).toEqual({ page: depth })
    await settle(call, claimed)
    run = next.body
  }
  const last = await claim(call)
  const refused = await call('POST', `/v1/runs/${run.id}/continue`, {}, { key: last.run_token })
  expect([refused.status, codeOf(refused)]).toEqual([409, 'depth_exceeded'])
  const lineage = (await call('GET', `/v1/runs/${run.id}/lineage?limit=50`)).body.data
  expect(lineage.map((it: { lineage_depth: number }) => it.lineage_depth)).toEqual(
    Array.from({ length: 11 }, (_, n) => n),
  )
})
