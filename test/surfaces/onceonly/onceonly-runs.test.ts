import { describe, expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { until } from '../../support/http-yard.ts'
import { onceYard } from '../../support/once-yard.ts'

const EVENT = {
  run_id: 'run_support_001',
  type: 'tool_call',
  ts: 1_711_871_301,
  status: 'start',
  duration_ms: 182,
  step: 'step_1',
  tool: 'send_email',
  req_id: 'req_1',
  lease_id: 'lease_abc123xyz',
  agent_id: 'support_bot',
  message: 'to the customer',
  data: { customer_id: 'cus_123' },
}

describe('POST /events', () => {
  test('the first event of a run starts it, and every field is returned', async () => {
    const { call } = await onceYard()
    const posted = await call('POST', '/events', EVENT)
    expect(posted).toMatchObject({ status: 200, body: { ok: true, run_id: 'run_support_001' } })
    expect(posted.body.event_id).toEqual(expect.any(Number))
    const { body } = await call('GET', '/runs/run_support_001')
    expect(body).toEqual({ run_id: 'run_support_001', total: 1, events: [{ id: posted.body.event_id, ...EVENT }] })
  })

  test('a run reported here is a native external run with its events in the log', async () => {
    const { call, native } = await onceYard()
    const { event_id } = (await call('POST', '/events', EVENT)).body
    const run = await native('GET', '/v1/runs/run_support_001')
    expect(run.body).toMatchObject({ id: 'run_support_001', status: 'executing', agent_id: 'support_bot' })
    const events = await native('GET', '/v1/events?type=tool_call')
    expect(events.body.data[0]).toMatchObject({ position: event_id, run_id: 'run_support_001', data: EVENT.data })
  })

  test('two posts are two events, each with its own number', async () => {
    const { call } = await onceYard()
    const [one, two] = [await call('POST', '/events', EVENT), await call('POST', '/events', EVENT)]
    expect(two.body.event_id).toBeGreaterThan(one.body.event_id)
    expect((await call('GET', '/runs/run_support_001')).body.total).toBe(2)
  })

  test('unknown fields are stored and returned, with and without data', async () => {
    const { call } = await onceYard()
    await call('POST', '/events', { run_id: 'r', type: 'a', model: 'm-1', cost: { usd: 0.1 }, data: { x: 1 } })
    await call('POST', '/events', { run_id: 'r', type: 'b', id: 7, total: null })
    const [a, b] = (await call('GET', '/runs/r')).body.events
    expect(a).toMatchObject({ type: 'a', model: 'm-1', cost: { usd: 0.1 }, data: { x: 1 } })
    expect(b).toMatchObject({ type: 'b', total: null })
    expect(b).not.toHaveProperty('data')
    expect(b.id, 'its own number is not the client’s').toBeGreaterThan(a.id)
  })

  test('without ts it is now; of a fraction the whole second counts, and within it the order of recording', async () => {
    const { call } = await onceYard()
    const before = Math.floor(Date.now() / 1000)
    await call('POST', '/events', { run_id: 'r', type: 'now' })
    await call('POST', '/events', { run_id: 'r', type: 'second', ts: 100.75 })
    await call('POST', '/events', { run_id: 'r', type: 'first', ts: 100.25 })
    const { events } = (await call('GET', '/runs/r')).body
    expect(events.map((it: { type: string }) => it.type)).toEqual(['second', 'first', 'now'])
    expect(events.map((it: { ts: number }) => it.ts).slice(0, 2)).toEqual([100, 100])
    expect(events[2].ts).toBeGreaterThanOrEqual(before)
  })

  test('an event that names no agent does not get that of another event', async () => {
    const { call } = await onceYard()
    await call('POST', '/events', { run_id: 'r', type: 'tool_call', agent_id: 'bot' })
    await call('POST', '/events', { run_id: 'r', type: 'note' })
    const { events } = (await call('GET', '/runs/r')).body
    expect(events.map((it: { agent_id?: string }) => it.agent_id)).toEqual(['bot', undefined])
  })

  test('the end of a run is its last event, even within the same second', async () => {
    const { call } = await onceYard()
    // In the middle of a second, so that what is told without its time is later in it.
    await new Promise((resolve) => setTimeout(resolve, 1_500 - (Date.now() % 1_000)))
    const ts = Math.floor(Date.now() / 1_000)
    await call('POST', '/events', { run_id: 'r', type: 'run_started', status: 'started' })
    await call('POST', '/events', { run_id: 'r', type: 'run_finished', status: 'completed', ts })
    const { events } = (await call('GET', '/runs/r')).body
    expect(events.map((it: { type: string }) => it.type)).toEqual(['run_started', 'run_finished'])
    expect((await call('GET', '/runs?q=r')).body.items[0]).toMatchObject({ last_type: 'run_finished' })
  })

  test("a request that is refused before its route is found is answered in OnceOnly's format", async () => {
    const { address } = await onceYard()
    for (const path of ['/runs/%E0%A4%A', `/runs/${'x'.repeat(4_000)}`]) {
      const response = await fetch(`${address}/onceonly/v1${path}`)
      expect(Object.keys((await response.json()) as object)).toEqual(['detail'])
    }
  })

  test('nulls mean omitted fields', async () => {
    const { call } = await onceYard()
    const nulls = { ts: null, status: null, duration_ms: null, step: null, data: null, message: null, agent_id: null }
    expect((await call('POST', '/events', { run_id: 'r', type: 'a', ...nulls })).status).toBe(200)
    const [event] = (await call('GET', '/runs/r')).body.events
    expect(Object.keys(event).sort()).toEqual(['id', 'run_id', 'ts', 'type'])
  })

  test('an invalid event is refused with a list of fields', async () => {
    const { call } = await onceYard()
    const bad = await call('POST', '/events', { run_id: '  ', ts: 'now', data: [] })
    expect(bad.status).toBe(422)
    const told = new Map(bad.body.detail.map((it: { loc: string[] }) => [it.loc.join('.'), it]))
    expect(told.get('body.type')).toEqual({
      type: 'missing',
      loc: ['body', 'type'],
      msg: 'Field required',
      input: expect.anything(),
    })
    expect(told.get('body.run_id')).toMatchObject({ type: 'string_pattern_mismatch', input: '  ' })
    expect(told.get('body.ts')).toMatchObject({ type: 'float_parsing', input: 'now' })
    expect(told.get('body.data')).toMatchObject({ type: 'dict_type' })
    for (const body of [
      { run_id: 'r', type: '' },
      { run_id: '', type: 'a' },
      { run_id: 'r', type: ' ' },
      { type: 'a' },
      [],
      'x',
    ])
      expect((await call('POST', '/events', body)).body.detail, JSON.stringify(body)).toBeInstanceOf(Array)
    for (const text of ['{', '{"run_id": "r", "type": "a\\u0000"}', ''])
      expect(await call('POST', '/events', text), text).toMatchObject({
        status: 422,
        body: { detail: expect.any(Array) },
      })
  })

  test('a type reserved for the engine is refused, and names the field', async () => {
    const { call } = await onceYard()
    const refused = await call('POST', '/events', { run_id: 'r', type: 'run.queued' })
    expect(refused).toMatchObject({ status: 422, body: { detail: [{ loc: ['body', 'type'] }] } })
    const ended = await call('POST', '/events', { run_id: 'r', type: 'run.completed' })
    expect(ended.body).toEqual({ ok: true, event_id: expect.any(Number), run_id: 'r' })
    expect((await call('GET', '/runs/r')).body.events[0].id).toBe(ended.body.event_id)
  })
})

describe('a run that is reported as finished', () => {
  test('a finished run has ended everywhere, according to its status; its events are those that were reported', async () => {
    const { call, native } = await onceYard()
    for (const [status, state] of [
      ['completed', 'completed'],
      ['ok', 'completed'],
      [undefined, 'completed'],
      ['failed', 'failed'],
      ['ERROR', 'failed'],
      ['timeout', 'timed_out'],
      ['cancelled', 'canceled'],
      ['crashed', 'crashed'],
    ]) {
      const run_id = `run ${status}`
      await call('POST', '/events', { run_id, type: 'run_started', status: 'in_progress' })
      await call('POST', '/events', { run_id, type: 'run_finished', ...(status && { status }) })
      const stateOf = async () => (await native('GET', `/v1/runs/${encodeURIComponent(run_id)}`)).body.status
      expect(await stateOf(), run_id).toBe(state)
      const timeline = await call('GET', `/runs/${encodeURIComponent(run_id)}`)
      expect(timeline.body.total).toBe(2)
      expect(timeline.body.events.map((it: { type: string }) => it.type)).toEqual(['run_started', 'run_finished'])
      const late = await call('POST', '/events', { run_id, type: 'run_finished', status: 'completed' })
      expect(late.status).toBe(200)
      await call('POST', '/events', { run_id, type: 'note' })
      expect(await stateOf(), run_id).toBe(state)
      const list = await call('GET', `/runs?q=${encodeURIComponent(run_id)}`)
      expect(list.body.items).toEqual([
        { run_id, last_ts: expect.any(Number), last_type: 'note', last_status: null, events_count: 4 },
      ])
    }
  })

  test('our event about the end names the report as its cause', async () => {
    const { call, native } = await onceYard()
    const { event_id } = (await call('POST', '/events', { run_id: 'r', type: 'run_finished', status: 'failed' })).body
    const events = (await native('GET', '/v1/runs/r/events')).body.data
    const reported = events.find((it: { position: number }) => it.position === event_id)
    expect(events.find((it: { type: string }) => it.type === 'run.failed')).toMatchObject({ causation_id: reported.id })
  })

  test('a run that is executed here is not ended by a report about it', async () => {
    const { call, native } = await onceYard()
    await native('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
    const { id } = (await native('POST', '/v1/jobs/j/runs', {})).body
    expect((await call('POST', '/events', { run_id: id, type: 'run_finished', status: 'completed' })).status).toBe(200)
    expect((await native('GET', `/v1/runs/${id}`)).body.status).toBe('queued')
    const { events, total } = (await call('GET', `/runs/${id}`)).body
    expect(total).toBe(2)
    expect(events.map((it: { type: string }) => it.type)).toEqual(['run.created', 'run_finished'])
  })
})

describe('GET /runs', () => {
  test('the list has all runs, most recently active first, including native ones', async () => {
    const { call, native } = await onceYard()
    for (const [run_id, type, status] of [
      ['a', 'run_started', 'in_progress'],
      ['b', 'run_started', 'started'],
      ['a', 'agent_step', undefined],
      ['b', 'run_finished', 'completed'],
    ])
      await call('POST', '/events', { run_id, type, ...(status && { status }) })
    await native('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
    const { id } = (await native('POST', '/v1/jobs/j/runs', {})).body
    await call('POST', '/events', { run_id: 'a', type: 'tool_result', status: 'ok' })
    const { body } = await call('GET', '/runs')
    expect(body).toEqual({
      total: 3,
      items: [
        { run_id: 'a', last_ts: expect.any(Number), last_type: 'tool_result', last_status: 'ok', events_count: 3 },
        { run_id: id, last_ts: expect.any(Number), last_type: 'run.created', last_status: null, events_count: 1 },
        {
          run_id: 'b',
          last_ts: expect.any(Number),
          last_type: 'run_finished',
          last_status: 'completed',
          events_count: 2,
        },
      ],
    })
  })

  test('last_ts is the time that clients report, and orders the list', async () => {
    const { call } = await onceYard()
    for (const [run_id, ts] of [
      ['old', 1_000],
      ['new', 3_000],
      ['old', 500],
      ['middle', 2_000],
    ])
      await call('POST', '/events', { run_id, type: 'a', ts })
    const { items } = (await call('GET', '/runs')).body
    expect(items.map((it: object) => Object.values(it).slice(0, 2))).toEqual([
      ['new', 3000],
      ['middle', 2000],
      ['old', 1000],
    ])
  })

  test('the list has pages by limit and offset, and counts all runs', async () => {
    const { call } = await onceYard()
    for (let n = 0; n < 7; n++) await call('POST', '/events', { run_id: `r${n}`, type: 'a' })
    const pages = await Promise.all(
      ['?limit=3', '?limit=3&offset=3', '?limit=3&offset=6', '?limit=3&offset=9'].map((query) =>
        call('GET', `/runs${query}`),
      ),
    )
    expect(pages.map(({ body }) => body.total)).toEqual([7, 7, 7, 7])
    expect(pages.map(({ body }) => body.items.map((it: { run_id: string }) => it.run_id))).toEqual([
      ['r6', 'r5', 'r4'],
      ['r3', 'r2', 'r1'],
      ['r0'],
      [],
    ])
  })

  test('q is a case-sensitive prefix of the id', async () => {
    const { call, native } = await onceYard()
    for (const run_id of ['support_1', 'support_2', 'Support_3', 'sup%', 'other', 'run x/y'])
      await call('POST', '/events', { run_id, type: 'a' })
    await native('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
    const { id } = (await native('POST', '/v1/jobs/j/runs', {})).body
    const found = async (q: string) => {
      const { body } = await call('GET', `/runs?q=${encodeURIComponent(q)}`)
      return [body.total, ...body.items.map((it: { run_id: string }) => it.run_id)]
    }
    expect(await found('support_')).toEqual([2, 'support_2', 'support_1'])
    expect(await found('sup')).toEqual([3, 'sup%', 'support_2', 'support_1'])
    expect(await found('sup%')).toEqual([1, 'sup%'])
    expect(await found('run x/')).toEqual([1, 'run x/y'])
    expect(await found(id.slice(0, 13))).toEqual([1, id])
    expect(await found(id)).toEqual([1, id])
    expect(await found('nobody')).toEqual([0])
    expect(await found(`${id}0`)).toEqual([0])
    expect((await found(''))[0]).toBe(7)
  })

  test('invalid limits and offsets of the list are refused with a list of fields', async () => {
    const { call } = await onceYard()
    for (const query of ['limit=0', 'limit=501', 'limit=x', 'offset=-1', 'limit=1.5']) {
      const { status, body } = await call('GET', `/runs?${query}`)
      expect(status, query).toBe(422)
      const [name, input] = query.split('=')
      expect(body.detail).toEqual([{ type: expect.any(String), loc: ['query', name], msg: expect.any(String), input }])
    }
    expect((await call('GET', '/runs?limit=0')).body.detail[0]).toMatchObject({
      type: 'greater_than_equal',
      msg: 'Input should be greater than or equal to 1',
    })
  })
})

test.each([[300], [2_100]])('runs whose events are gone are listed too, each once: %i of them', async (gone) => {
  const { call, url } = await onceYard()
  const sql = connect(url, { max: 1 })
  try {
    for (let n = 0; n < 20; n++) await call('POST', '/events', { run_id: `kept ${n}`, type: 'a' })
    await sql`
      with made as (
        insert into runs (id, project_id, client_id, execution, queue, triggered_by, created_by_type, correlation_id, rank, timeout_secs,
          max_attempts, created_at)
        select gen_random_uuid(), 'default', 'gone ' || n, 'external', 'external', 'event', 'api_key', 'c', 0, 60, 1, now() - n * interval '1 min'
        from generate_series(1, ${gone}::int) n returning id, created_at
      ), states as (
        insert into run_states (run_id, project_id, state, created_at, state_since) select id, 'default', 'completed', created_at, created_at from made
      )
      insert into run_counts (project_id, queue, job_id, state, shard, n)
      select 'default', 'external', '00000000-0000-0000-0000-000000000000', 'completed', 999, count(*) from made`
    const seen: string[] = []
    for (let offset = 0; offset < gone + 20; offset += 500) {
      const { body } = await call('GET', `/runs?limit=500&offset=${offset}`)
      expect(body.total).toBe(gone + 20)
      seen.push(...body.items.map((it: { run_id: string }) => it.run_id))
    }
    const kept = Array.from({ length: 20 }, (_, n) => `kept ${19 - n}`)
    expect(seen).toEqual([...kept, ...Array.from({ length: gone }, (_, n) => `gone ${n + 1}`)])
    const last = await call('GET', `/runs?limit=1&offset=${gone + 19}`)
    expect(last.body.items[0]).toMatchObject({ run_id: `gone ${gone}`, last_type: 'run.completed', events_count: 0 })
  } finally {
    await sql.end()
  }
})

describe('GET /runs/{run_id}', () => {
  test('the events of a run have pages, oldest first, ties by id, and total counts all', async () => {
    const { call } = await onceYard()
    for (let n = 0; n < 5; n++) await call('POST', '/events', { run_id: 'r', type: `t${n}`, ts: 100 })
    const { body } = await call('GET', '/runs/r?limit=2&offset=2')
    expect(body.total).toBe(5)
    expect(body.events.map((it: { type: string }) => it.type)).toEqual(['t2', 't3'])
    expect((await call('GET', '/runs/r?offset=9')).body).toEqual({ run_id: 'r', total: 5, events: [] })
  })

  test('ids in the path are percent-encoded, including slashes', async () => {
    const { call } = await onceYard()
    for (const run_id of ['run x/y', 'a%2Fb', 'ü/✓?#', '../etc', 'x'.repeat(256)]) {
      await call('POST', '/events', { run_id, type: 'a' })
      const { body } = await call('GET', `/runs/${encodeURIComponent(run_id)}`)
      expect(body, run_id).toMatchObject({ run_id, total: 1, events: [{ run_id }] })
    }
  })

  test('an unknown run has no events', async () => {
    const { call } = await onceYard()
    expect(await call('GET', '/runs/nobody')).toMatchObject({
      status: 200,
      body: { run_id: 'nobody', total: 0, events: [] },
    })
  })

  test('invalid limits and offsets of events are refused with a list of fields', async () => {
    const { call } = await onceYard()
    for (const query of ['limit=0', 'limit=2001', 'offset=-1']) {
      const { status, body } = await call('GET', `/runs/r?${query}`)
      expect([status, body.detail[0].loc], query).toEqual([422, ['query', query.split('=')[0]]])
    }
  })
})

test('a key sees and changes nothing of another project', async () => {
  const { call, stranger } = await onceYard()
  await call('POST', '/events', { run_id: 'r', type: 'mine' })
  expect((await stranger('GET', '/runs/r')).body).toEqual({ run_id: 'r', total: 0, events: [] })
  expect((await stranger('GET', '/runs')).body).toEqual({ total: 0, items: [] })
  expect((await stranger('GET', '/runs?q=r')).body).toEqual({ total: 0, items: [] })
  await stranger('POST', '/events', { run_id: 'r', type: 'run_finished' })
  expect((await call('GET', '/runs/r')).body.events.map((it: { type: string }) => it.type)).toEqual(['mine'])
  expect((await stranger('GET', '/runs/r')).body.total).toBe(1)
})

test('a native run of another project is not found by its id', async () => {
  const { native, stranger } = await onceYard()
  await native('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  const { id } = (await native('POST', '/v1/jobs/j/runs', {})).body
  expect((await stranger('GET', `/runs/${id}`)).body.total).toBe(0)
  await until(
    () => stranger('GET', `/runs?q=${id}`),
    ({ body }) => body.total === 0,
  )
})
