import { describe, expect, test } from 'vitest'
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
