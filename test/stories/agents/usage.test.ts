import { expect, test } from 'vitest'
import { connect, type Sql } from '#postgres/sql.ts'
import { ageRuns } from '#test/support/yard.ts'
import { deleteOldRuns } from '#upkeep/retention.sql.ts'
import { price, type Running, start } from '../../support/builders/ledger.ts'
import { type Call, callerOf, httpYard, openNode } from '../../support/http-yard.ts'

const book = (call: Call, { id, token }: Running, usage: object) =>
  call('POST', `/v1/runs/${id}/usage`, { provider: 'openai', model: 'gpt-4o', ...usage }, { key: token })

test("a cost is the client's, or else follows the project's price, the built-in one, or is 0; the log says which", async () => {
  const { call } = await httpYard()
  const [run] = await start(call, [{}])
  const tokens = { prompt_tokens: 1000, completion_tokens: 100 }
  const cost = async (usage: object) => (await book(call, run!, { ...tokens, ...usage })).body.cost_microusd
  expect(await cost({ cost_microusd: 0 })).toBe(0)
  expect(await cost({ cost_microusd: 77 })).toBe(77)
  expect(await cost({ provider: 'OpenAI', model: 'gpt-4o-2024-08-06' })).toBe(3500)
  expect(await cost({ provider: 'nobody' })).toBe(0)

  expect((await call('PUT', '/v1/prices/OpenAI/gpt-4o', price(1_000_000, 2_000_000))).status).toBe(200)
  expect(await cost({})).toBe(1200)
  expect(await cost({ model: 'gpt-4o-2024-08-06' })).toBe(1200)
  // The longest name is the price: that of gpt-4o says nothing about gpt-4o-mini, which is listed.
  expect(await cost({ model: 'gpt-4o-mini' })).toBe(210)
  expect((await call('DELETE', '/v1/prices/openai/gpt-4o')).status).toBe(204)
  expect(await cost({})).toBe(3500)

  const { data } = (await call('GET', `/v1/events?run_id=${run!.id}&type=usage.recorded&order=asc`)).body
  expect(data.map((event: { data: { cost_source: string } }) => event.data.cost_source)).toEqual([
    'client',
    'client',
    'list_price',
    'unknown',
    'project_price',
    'project_price',
    'list_price',
    'list_price',
  ])
  expect(data[2].data).toMatchObject({ provider: 'OpenAI', model: 'gpt-4o-2024-08-06', cost_microusd: 3500 })
})

test('a new price applies immediately on every node', async () => {
  const { call, url } = await httpYard()
  const other = callerOf((await openNode(url)).address)
  const [run] = await start(call, [{}])
  for (let each = 1; each <= 20; each++) {
    await other('PUT', '/v1/prices/acme/m', price(each * 1_000_000, 0))
    const { body } = await book(call, run!, { provider: 'ACME', model: 'm-2026', prompt_tokens: 1 })
    expect(body.cost_microusd).toBe(each)
  }
})

test('a price that makes a call more expensive than allowed is refused, and nothing is recorded', async () => {
  const { call } = await httpYard()
  const [run] = await start(call, [{}])
  await call('PUT', '/v1/prices/acme/m', price(1_000_000_000_000, 0))
  const dear = await book(call, run!, { provider: 'acme', model: 'm', prompt_tokens: 1_000_001 })
  expect([dear.status, dear.body.error.details.fields[0].field]).toEqual([422, 'cost_microusd'])
  const most = await book(call, run!, { provider: 'acme', model: 'm', prompt_tokens: 1_000_000 })
  expect(most.body.cost_microusd).toBe(1_000_000_000_000)
  expect((await call('GET', `/v1/runs/${run!.id}/usage`)).body.totals.calls).toBe(1)
})

test("prices are listed with their source, the project's beside the built-in ones, in pages", async () => {
  const { call } = await httpYard()
  await call('PUT', '/v1/prices/openai/gpt-4o', price(1, 2))
  await call('PUT', `/v1/prices/Acme/${encodeURIComponent('org/model@1')}`, price(3, 4))
  await call('PUT', '/v1/prices/ünï/€', price(5, 6))
  const pages = async (limit: number) => {
    const all: { provider: string; model: string; source: string }[] = []
    let cursor = ''
    do {
      const { body } = await call('GET', `/v1/prices?limit=${limit}${cursor && `&cursor=${cursor}`}`)
      expect(body.data.length).toBeLessThanOrEqual(limit)
      all.push(...body.data)
      cursor = body.next_cursor
    } while (cursor)
    return all
  }
  const all = await pages(500)
  expect(await pages(1)).toEqual(all)
  expect(await pages(7)).toEqual(all)
  expect(all[0]).toMatchObject({ provider: 'acme', model: 'org/model@1', source: 'project_price', ...price(3, 4) })
  expect(all.at(-1)).toMatchObject({ provider: 'ünï', model: '€', source: 'project_price' })
  const both = all.filter((it) => it.model === 'gpt-4o')
  expect(both.map((it) => it.source)).toEqual(['list_price', 'project_price'])
})

test('setting and deleting a price are events, and belong to their project', async () => {
  const { call } = await httpYard()
  const { key } = (await call('POST', '/v1/projects', { id: 'other' })).body
  const set = await call('PUT', '/v1/prices/Acme/m', price(10, 20))
  expect(set.body).toMatchObject({ provider: 'acme', model: 'm', source: 'project_price', ...price(10, 20) })
  // What another project has set is not there for this one.
  expect((await call('DELETE', '/v1/prices/acme/m', undefined, { key })).body.error.code).toBe('price_not_found')
  expect((await call('GET', '/v1/prices?limit=1', undefined, { key })).body.data[0].source).toBe('list_price')
  expect((await call('DELETE', '/v1/prices/ACME/m')).status).toBe(204)
  const again = await call('DELETE', '/v1/prices/acme/m')
  expect([again.status, again.body.error.code]).toEqual([404, 'price_not_found'])
  const { data } = (await call('GET', '/v1/events?resource_type=price&order=asc')).body
  expect(data).toMatchObject([
    { type: 'price.set', resource_type: 'price', resource_id: 'acme/m', data: { provider: 'acme', ...price(10, 20) } },
    { type: 'price.deleted', resource_id: 'acme/m', data: { provider: 'acme', model: 'm' } },
  ])
  expect(data).toHaveLength(2)
})

test('only an admin sets prices, and an invalid one is refused by field', async () => {
  const { call } = await httpYard()
  const made = await call('POST', '/v1/keys', { name: 'k', scopes: ['runs:read', 'jobs:write'] })
  const key = made.body.key
  expect((await call('GET', '/v1/prices', undefined, { key })).status).toBe(200)
  expect((await call('PUT', '/v1/prices/acme/m', price(1, 1), { key })).body.error.code).toBe('forbidden')
  for (const [bad, field] of [
    [price(-1, 1), 'prompt_microusd_per_million'],
    [price(1, 1_000_000_000_001), 'completion_microusd_per_million'],
    [price(1, 1.5), 'completion_microusd_per_million'],
    [{ prompt_microusd_per_million: 1 }, 'completion_microusd_per_million'],
  ] as const) {
    const reply = await call('PUT', '/v1/prices/acme/m', bad)
    expect([reply.status, reply.body.error.details.fields[0].field]).toEqual([422, field])
  }
})

test('two hundred simultaneous calls on one run, and on many runs of one job, are summed exactly', async () => {
  const { call, url } = await httpYard()
  const runs = await start(
    call,
    [...Array(41).keys()].map((n) => ({ agent_id: `agent-${n % 2}` })),
  )
  const other = callerOf((await openNode(url)).address)
  const one = runs[0]!
  const many = runs.slice(1)
  const booked = (run: Running, n: number) =>
    book(n % 2 ? call : other, run, {
      prompt_tokens: n,
      completion_tokens: 1,
      cost_microusd: 10 + n,
      total_tokens: n + 5,
    })
  const replies = await Promise.all([
    ...[...Array(200).keys()].map((n) => booked(one, n)),
    ...[...Array(200).keys()].map((n) => booked(many[n % many.length]!, n)),
  ])
  expect(replies.every((reply) => reply.status === 201)).toBe(true)
  const ofOne = { calls: 200, prompt_tokens: 19_900, completion_tokens: 200, cost_microusd: 21_900 }
  expect((await call('GET', `/v1/runs/${one.id}/usage?limit=1`)).body).toMatchObject({
    totals: { ...ofOne, total_tokens: 20_900 },
    has_more: true,
  })
  const ofMany = { calls: 0, prompt_tokens: 0, completion_tokens: 0, total_tokens: 0, cost_microusd: 0 }
  for (const run of many) {
    const { body } = await call('GET', `/v1/runs/${run.id}/usage`, undefined, { key: run.token })
    for (const name of Object.keys(ofMany) as (keyof typeof ofMany)[]) ofMany[name] += body.totals[name]
  }
  expect(ofMany).toEqual({ ...ofOne, total_tokens: 20_900 })
  const sums = (await call('GET', '/v1/usage')).body.data
  expect(sums).toEqual([{ calls: 400, prompt_tokens: 39_800, completion_tokens: 400, cost_microusd: 43_800 }])
  const byAgent = (await call('GET', '/v1/usage?group_by=job,agent')).body.data
  expect(byAgent).toHaveLength(2)
  expect(byAgent[0]).toMatchObject({ job_slug: 'j', agent_id: 'agent-0' })
  expect(byAgent[0].calls + byAgent[1].calls).toBe(400)
})

test('a run without model calls has sums of 0', async () => {
  const { call } = await httpYard()
  const [run] = await start(call, [{}])
  const totals = { calls: 0, prompt_tokens: 0, completion_tokens: 0, total_tokens: 0, cost_microusd: 0 }
  const read = await call('GET', `/v1/runs/${run!.id}/usage`)
  expect(read.body).toEqual({ data: [], next_cursor: null, has_more: false, totals })
})

test('a call of an ended attempt is not recorded, and does not affect those recorded beside it', async () => {
  const { call } = await httpYard()
  const runs = await start(call, [{}, {}, {}])
  await call('DELETE', `/v1/runs/${runs[1]!.id}`)
  const replies = await Promise.all(runs.flatMap((run) => [1, 2].map((n) => book(call, run, { prompt_tokens: n }))))
  expect(replies.map((reply) => reply.status)).toEqual([201, 201, 409, 409, 201, 201])
  expect(replies[2]!.body.error.code).toBe('run_over')
  expect((await call('GET', `/v1/runs/${runs[1]!.id}/usage`)).body.totals.calls).toBe(0)
  expect((await call('GET', '/v1/usage')).body.data[0]).toMatchObject({ calls: 4, prompt_tokens: 6 })
  // Each answer is that of its own call.
  const { data } = (await call('GET', `/v1/runs/${runs[2]!.id}/usage`)).body
  expect(data).toEqual([replies[4]!.body, replies[5]!.body].sort((one, other) => one.sequence - other.sequence))
  expect(replies.slice(4).map((reply) => reply.body.prompt_tokens)).toEqual([1, 2])
})

test('the sums of a run are deleted with it, and the hourly sums stay', async () => {
  const { call, url } = await httpYard()
  const [run] = await start(call, [{}])
  await book(call, run!, { prompt_tokens: 4 })
  await call('DELETE', `/v1/runs/${run!.id}`)
  const sql = connect(url, { max: 1 })
  await ageRuns(sql, 2, [run!.id])
  expect(await deleteOldRuns(sql, 1, 10)).toBe(1)
  expect(await sql`select from run_usage_sums`).toHaveLength(0)
  await sql.end()
  expect((await call('GET', '/v1/usage')).body.data[0].prompt_tokens).toBe(4)
})

type Hour = { hour: string; model?: string; agent?: string; job?: string; calls?: number; cost?: number }

const addHours = (sql: Sql, hours: Hour[]) =>
  Promise.all(
    hours.map(
      ({ hour, model = 'm', agent = '', job = '00000000-0000-0000-0000-000000000000', calls = 1, cost = 1 }) => sql`
        insert into usage_hours values ('default', ${hour}, ${job}, ${agent}, 'p', ${model}, ${calls}, 2, 3, ${cost})`,
    ),
  )

test('usage is summed by any two of day, hour, job, agent, provider and model: times in order, then the costliest', async () => {
  const { call, url } = await httpYard()
  const job = (await call('POST', '/v1/jobs', { slug: 'letters', execution: 'worker' })).body
  const sql = connect(url, { max: 1 })
  await addHours(sql, [
    { hour: '2026-01-01T23:00:00Z', model: 'a', cost: 5, agent: 'ada', job: job.id },
    { hour: '2026-01-02T00:00:00Z', model: 'a', cost: 1 },
    { hour: '2026-01-02T00:00:00Z', model: 'b', cost: 9, agent: 'ada', job: job.id },
    { hour: '2026-01-02T07:00:00Z', model: 'a', cost: 2, agent: 'bob' },
    { hour: '2026-01-03T00:00:00Z', model: 'a', cost: 100 },
  ])
  await sql.end()
  const time = 'from=2026-01-01T23:30:00Z&to=2026-01-02T23:30:00Z'
  const read = async (query: string) => (await call('GET', `/v1/usage?${time}&${query}`)).body
  expect(await read('')).toEqual({
    // Hours that the time touches count whole.
    from: '2026-01-01T23:00:00.000Z',
    to: '2026-01-03T00:00:00.000Z',
    data: [{ calls: 4, prompt_tokens: 8, completion_tokens: 12, cost_microusd: 17 }],
    has_more: false,
    totals: { tools_microusd: 0, models_microusd: 17, cost_microusd: 17 },
  })
  const shown = async (query: string) =>
    (await read(query)).data.map(
      ({ calls: _, prompt_tokens: __, completion_tokens: ___, ...it }: object & Record<string, unknown>) => it,
    )
  expect(await shown('group_by=model,day')).toEqual([
    { day: '2026-01-01', model: 'a', cost_microusd: 5 },
    { day: '2026-01-02', model: 'b', cost_microusd: 9 },
    { day: '2026-01-02', model: 'a', cost_microusd: 3 },
  ])
  expect(await shown('group_by=hour')).toEqual([
    { hour: '2026-01-01T23:00:00.000Z', cost_microusd: 5 },
    { hour: '2026-01-02T00:00:00.000Z', cost_microusd: 10 },
    { hour: '2026-01-02T07:00:00.000Z', cost_microusd: 2 },
  ])
  expect(await shown('group_by=job&group_by=agent')).toEqual([
    { job_id: job.id, job_slug: 'letters', agent_id: 'ada', cost_microusd: 14 },
    { job_id: null, job_slug: null, agent_id: 'bob', cost_microusd: 2 },
    { job_id: null, job_slug: null, agent_id: null, cost_microusd: 1 },
  ])
  expect(await shown('group_by=provider')).toEqual([{ provider: 'p', cost_microusd: 17 }])
  expect(await shown('agent_id=ada&model=b&provider=p&job=letters')).toEqual([{ cost_microusd: 9 }])
  // What a job has cost stays, and its id still names it.
  await call('DELETE', '/v1/jobs/letters')
  expect(await shown(`job=${job.id}`)).toEqual([{ cost_microusd: 14 }])
  expect((await read('job=letters')).error.code).toBe('job_not_found')
})

test('a usage query is bounded: a year, a month by hour, a thousand groups', async () => {
  const { call, url } = await httpYard()
  const sql = connect(url, { max: 1 })
  await sql`
    insert into usage_hours select 'default', '2026-01-01', '00000000-0000-0000-0000-000000000000', 'agent-' || n, 'p', 'm', 1, 1, 1, n
    from generate_series(1, 1001) n`
  await sql.end()
  const read = async (query: string) => (await call('GET', `/v1/usage?to=2026-02-01T00:00:00Z&${query}`)).body
  const groups = await read('from=2026-01-01T00:00:00Z&group_by=agent')
  expect([groups.data.length, groups.has_more, groups.data[0].agent_id]).toEqual([1000, true, 'agent-1001'])
  expect((await read('from=2025-02-01T00:00:00Z&group_by=day')).data).toHaveLength(1)
  expect((await read('from=2026-01-01T00:00:00Z&group_by=hour')).data).toHaveLength(1)
  for (const [query, field] of [
    ['from=2025-01-30T23:00:00Z', 'from'],
    ['from=2025-12-31T23:59:00Z&group_by=hour', 'from'],
    ['from=2026-02-01T00:00:00Z', 'from'],
    ['group_by=day,hour', 'group_by'],
    ['group_by=job,job', 'group_by'],
    ['group_by=job,agent,day', 'group_by'],
    ['group_by=week', 'group_by[0]'],
    ['from=yesterday', 'from'],
  ] as const) {
    const { error } = await read(query)
    expect([error.code, error.details.fields[0].field], query).toEqual(['invalid', field])
  }
})

test('a run token reads the usage of its own run only', async () => {
  const { call } = await httpYard()
  const [one, two] = await start(call, [{}, {}])
  const key = one!.token
  expect((await call('GET', `/v1/runs/${one!.id}/usage`, undefined, { key })).status).toBe(200)
  expect((await call('GET', `/v1/runs/${two!.id}/usage`, undefined, { key })).status).toBe(404)
  expect((await call('GET', '/v1/usage', undefined, { key })).status).toBe(403)
  expect((await call('GET', '/v1/prices', undefined, { key })).status).toBe(403)
})
