import { describe, expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { until } from '../../support/http-yard.ts'
import { onceYard } from '../../support/once-yard.ts'

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
