import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { ask, authorize, book, outcome, type Running, setPolicy, start } from '../../support/builders/ledger.ts'
import { type Call, callerOf, httpYard, openNode, until } from '../../support/http-yard.ts'

test('model costs count against the daily budget: the call that overdraws it reports so, and the next is blocked', async () => {
  const { call } = await httpYard()
  await setPolicy(call, { max_spend_microusd_per_day: 5_000 })
  const [run] = await start(call, [{ agent_id: 'bot' }])
  expect((await book(call, run!, { cost_microusd: 5_000 })).body).not.toHaveProperty('over_budget')
  expect(outcome(await ask(call, run!, 't', { cost_microusd: 0 }))).toEqual(['allowed', 'ok'])
  expect(outcome(await ask(call, run!, 't', { cost_microusd: 1 }))).toEqual([
    'blocked',
    'max_spend_usd_per_day_exceeded',
  ])
  const over = await book(call, run!, { cost_microusd: 100_000_000 })
  expect(over).toMatchObject({
    status: 201,
    body: {
      cost_microusd: 100_000_000,
      over_budget: {
        reason: 'max_spend_usd_per_day_exceeded',
        limit_microusd: 5_000,
        spent_microusd: 100_005_000,
        action: 'block',
        observed: false,
      },
    },
  })
  expect(outcome(await ask(call, run!))).toEqual(['blocked', 'max_spend_usd_per_day_exceeded'])
  expect(outcome(await authorize(call, 'bot', 0))).toEqual(['blocked', 'max_spend_usd_per_day_exceeded'])
  expect(outcome(await authorize(call, 'other', 0))).toEqual(['allowed', 'ok'])
})

test('a run without an agent is charged to the agent named after its job, in every view', async () => {
  const { call } = await httpYard()
  await setPolicy(call, { max_spend_microusd_per_day: 10 }, { agent: 'letters' })
  const [run] = await start(call, [{}], 'letters')
  expect((await book(call, run!, { cost_microusd: 11 })).body.over_budget.reason).toBe('max_spend_usd_per_day_exceeded')
  expect(outcome(await ask(call, run!))[0]).toBe('blocked')
  expect((await call('GET', '/v1/usage?group_by=agent')).body.data).toMatchObject([{ agent_id: 'letters' }])
  expect((await call('GET', '/v1/spend')).body.models).toMatchObject([{ agent_id: 'letters', cost_microusd: 11 }])
  expect((await call('GET', '/v1/agents/letters/metrics')).body).toMatchObject({ cost_microusd: 11 })
})

test('the budget of a run covers tools and models together, whoever calls on its behalf', async () => {
  const { call } = await httpYard()
  for (const agent of ['bot', 'helper']) await setPolicy(call, { max_spend_microusd_per_run: 100 }, { agent })
  const [one, two] = await start(call, [{ agent_id: 'bot' }, { agent_id: 'bot' }])
  await book(call, one!, { cost_microusd: 40 })
  expect(outcome(await ask(call, one!, 't', { cost_microusd: 30 }))[0]).toBe('allowed')
  expect(outcome(await authorize(call, 'helper', 31, { run_id: one!.id }))).toEqual([
    'blocked',
    'max_spend_usd_per_run_exceeded',
  ])
  const helped = await authorize(call, 'helper', 30, { run_id: one!.id })
  expect(outcome(helped)[0]).toBe('allowed')
  expect(outcome(await ask(call, one!, 't', { cost_microusd: 1 }))[1]).toBe('max_spend_usd_per_run_exceeded')
  // Another run has a budget of its own, and a call of no run has none.
  expect(outcome(await ask(call, two!, 't', { cost_microusd: 100 }))[0]).toBe('allowed')
  expect(outcome(await authorize(call, 'bot', 1_000))[0]).toBe('allowed')
  // What was reserved and not spent is free again.
  const { authorization_id } = helped.body
  await call('POST', '/v1/agents/helper/settle', { authorization_id, cost_microusd: 5 })
  expect(outcome(await ask(call, one!, 't', { cost_microusd: 25 }))[0]).toBe('allowed')
  expect(outcome(await ask(call, one!, 't', { cost_microusd: 1 }))[0]).toBe('blocked')
})

test('a project has its own budget, which holds whatever the policies of its agents say', async () => {
  const { call } = await httpYard()
  const made = (await call('POST', '/v1/projects', { id: 'other', max_spend_microusd_per_day: 50 })).body
  expect(made).toMatchObject({ id: 'other', max_spend_microusd_per_day: 50 })
  const stranger: Call = (method, path, body) => call(method, path, body, { key: made.key })
  await setPolicy(stranger, { max_spend_microusd_per_day: 1_000_000 }, { mode: 'observe' })
  expect(outcome(await authorize(stranger, 'bot', 30))[0]).toBe('allowed')
  expect(outcome(await authorize(stranger, 'second', 21))).toEqual([
    'blocked',
    'project_max_spend_usd_per_day_exceeded',
  ])
  expect(outcome(await authorize(stranger, 'bot', 21))[0]).toBe('blocked')
  expect(outcome(await authorize(call, 'bot', 1_000))[0]).toBe('allowed')
  const changed = await call('PATCH', '/v1/projects/other', { max_spend_microusd_per_day: 60 })
  expect(changed.body).toMatchObject({ id: 'other', max_spend_microusd_per_day: 60 })
  expect(outcome(await authorize(stranger, 'second', 21))[0]).toBe('allowed')
  expect((await call('PATCH', '/v1/projects/other', { max_spend_microusd_per_day: null })).status).toBe(200)
  expect(outcome(await authorize(stranger, 'second', 1_000))[0]).toBe('allowed')
  expect((await call('GET', '/v1/projects/other')).body.max_spend_microusd_per_day).toBe(null)
  // Not a thing that a key of the project itself may change.
  expect((await stranger('PATCH', '/v1/projects/other', { max_spend_microusd_per_day: null })).status).toBe(403)
  expect((await call('PATCH', '/v1/projects/nobody', { name: 'x' })).status).toBe(404)
  for (const bad of [-1, 1.5, '5', 1e20])
    expect((await call('PATCH', '/v1/projects/other', { max_spend_microusd_per_day: bad })).status).toBe(422)
})

test('simultaneous callers never exceed the budget of a project or run, on two nodes and with any agents', {
  timeout: 60_000,
}, async () => {
  const { call, url } = await httpYard()
  const other = callerOf((await openNode(url)).address)
  await call('PATCH', '/v1/projects/default', { max_spend_microusd_per_day: 1_000 })
  const [run] = await start(call, [{ agent_id: 'agent-0' }])
  for (let n = 0; n < 5; n++) await setPolicy(call, { max_spend_microusd_per_run: 300 }, { agent: `agent-${n}` })
  const asked = await Promise.all(
    Array.from({ length: 200 }, (_, n) =>
      authorize(n % 2 ? call : other, `agent-${n % 5}`, 10, n < 100 ? { run_id: run!.id } : {}),
    ),
  )
  const allowed = (replies: typeof asked) => replies.filter((it) => it.body.decision === 'allowed').length
  expect(allowed(asked.slice(0, 100))).toBeLessThanOrEqual(30)
  expect(allowed(asked)).toBe(100)
  // Settled at half of it, by all at once, one half is free again: exactly.
  await Promise.all(
    asked.map((it, n) => {
      const { authorization_id, decision } = it.body
      const settlement = { authorization_id, cost_microusd: 5 }
      return decision === 'allowed' && (n % 2 ? other : call)('POST', `/v1/agents/agent-${n % 5}/settle`, settlement)
    }),
  )
  const again = await Promise.all(Array.from({ length: 100 }, (_, n) => authorize(n % 2 ? call : other, `a-${n}`, 10)))
  expect(allowed(again)).toBe(50)
  expect((await call('GET', '/v1/spend')).body.totals).toEqual({
    tools_microusd: 1_000,
    models_microusd: 0,
    cost_microusd: 1_000,
  })
})

test('model calls recorded while tools are authorized are seen by the next decision, and block nobody', {
  timeout: 60_000,
}, async () => {
  const { call, url } = await httpYard()
  const other = callerOf((await openNode(url)).address)
  const runs = await start(
    call,
    Array.from({ length: 10 }, (_, n) => ({ agent_id: `agent-${n % 3}` })),
  )
  const replies = await Promise.all(
    Array.from({ length: 300 }, async (_, n) => {
      const [node, run] = [n % 2 ? call : other, runs[n % runs.length]!]
      if (n % 3 === 0) return book(node, run, { cost_microusd: 7 })
      const asked = await ask(node, run, 't', { cost_microusd: 5 })
      const { authorization_id } = asked.body
      const settled = { authorization_id, cost_microusd: 3 }
      return node('POST', `/v1/runs/${run.id}/settle`, settled, { key: run.token })
    }),
  )
  expect(replies.filter((it) => it.status >= 300)).toEqual([])
  const totals = { tools_microusd: 600, models_microusd: 700, cost_microusd: 1_300 }
  expect((await call('GET', '/v1/spend')).body.totals).toEqual(totals)
  expect((await call('GET', '/v1/usage')).body.totals).toEqual(totals)
  const sql = connect(url, { max: 1 })
  const kept = await sql`
    select kind, sum(tools_microusd)::int as tools, sum(models_microusd)::int as models from spend_sums group by 1 order by 1`
  await sql.end()
  expect([...kept]).toEqual(['agent', 'project', 'run'].map((kind) => ({ kind, tools: 600, models: 700 })))
})

test('a policy can have a running attempt stopped when it overdraws a budget', async () => {
  const { call } = await httpYard()
  const runs = await start(call, [{ agent_id: 'bot' }, { agent_id: 'bot' }, { agent_id: 'bot' }])
  const heartbeat = ({ id, token }: Running) => call('POST', `/v1/runs/${id}/heartbeat`, {}, { key: token })
  const spend = async (run: Running, over_budget: string, mode = 'enforce') => {
    await setPolicy(call, { max_spend_microusd_per_run: 10, over_budget }, { mode })
    expect((await book(call, run, { cost_microusd: 10 })).body).not.toHaveProperty('over_budget')
    expect((await heartbeat(run)).body).toMatchObject({ status: 'ok', told: null })
    return (await book(call, run, { cost_microusd: 1 })).body.over_budget
  }
  const [one, two, three] = runs as [Running, Running, Running]
  expect(await spend(one, 'pause')).toMatchObject({ reason: 'max_spend_usd_per_run_exceeded', action: 'pause' })
  expect((await heartbeat(one)).body).toMatchObject({ told: 'pause' })
  const asked = (await call('GET', `/v1/events?run_id=${one.id}&type=run.pause_requested`)).body.data
  expect(asked).toMatchObject([{ message: 'over its budget: max_spend_usd_per_run_exceeded' }])
  expect(await spend(two, 'cancel')).toMatchObject({ action: 'cancel' })
  expect((await heartbeat(two)).status).toBe(409)
  expect((await call('GET', `/v1/runs/${two.id}`)).body.status).toBe('canceled')
  expect(await spend(three, 'cancel', 'observe')).toMatchObject({ action: 'block', observed: true })
  expect((await heartbeat(three)).body).toMatchObject({ status: 'ok', told: null })
  expect(outcome(await ask(call, three))[0]).toBe('allowed')
})

test('a usage call of an ended attempt is charged to no budget', async () => {
  const { call } = await httpYard()
  await setPolicy(call, { max_spend_microusd_per_day: 100 })
  const [run] = await start(call, [{ agent_id: 'bot' }])
  await call('DELETE', `/v1/runs/${run!.id}`)
  expect((await book(call, run!, { cost_microusd: 1_000 })).status).toBe(409)
  expect(outcome(await authorize(call, 'bot', 100))[0]).toBe('allowed')
})

test('an approval is checked against the model costs at that time', async () => {
  const { call } = await httpYard()
  await setPolicy(call, { approval_tools: ['pay'], max_spend_microusd_per_day: 100 })
  const [run] = await start(call, [{ agent_id: 'bot' }])
  const asked = (await ask(call, run!, 'pay', { cost_microusd: 50 })).body
  await book(call, run!, { cost_microusd: 51 })
  await call('POST', `/v1/input-requests/${asked.input_request_id}/answer`, { approved: true })
  const state = await until(
    () => call('GET', `/v1/agents/bot/authorizations/${asked.authorization_id}`),
    (it) => it.body.state !== 'asked',
  )
  expect(state.body).toMatchObject({ state: 'blocked', reason: 'max_spend_usd_per_day_exceeded' })
})

test('a dry run of a policy counts the model costs of the agent and of each run', async () => {
  const { call, url } = await httpYard()
  const [run] = await start(call, [{ agent_id: 'bot' }])
  await ask(call, run!, 't', { cost_microusd: 10 })
  await book(call, run!, { cost_microusd: 1_000 })
  await ask(call, run!, 't', { cost_microusd: 10 })
  const trial = async (policy: object) =>
    (await call('POST', '/v1/agents/bot/policy/try', { policy })).body.stopped as object[]
  expect(await trial({ max_spend_microusd_per_run: 100 })).toEqual([
    { reason: 'max_spend_usd_per_run_exceeded', calls: 1 },
  ])
  // Usage of an earlier hour of the same day, or none on the first hour of a day.
  const sql = connect(url, { max: 1 })
  await sql`update usage_hours set hour = hour - interval '1 hour'`
  const [day] = await sql`select (now() - interval '1 hour')::date = now()::date as same`
  await sql.end()
  expect(await trial({ max_spend_microusd_per_day: 100 })).toEqual(
    day!.same ? [{ reason: 'max_spend_usd_per_day_exceeded', calls: 2 }] : [],
  )
})
