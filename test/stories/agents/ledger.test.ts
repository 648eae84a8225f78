import fc from 'fast-check'
import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { ageRuns } from '#test/support/yard.ts'
import { deleteOldRuns } from '#upkeep/retention.sql.ts'
import { type Call, callerOf, httpYard, openNode, until } from '../../support/http-yard.ts'

type Running = { id: string; token: string }

/** Runs that a worker executes, each with its token. */
async function start(call: Call, runs: object[], job = 'j'): Promise<Running[]> {
  await call('POST', '/v1/jobs', { slug: job, execution: 'worker', queue: job })
  await call('POST', `/v1/jobs/${job}/runs/batch`, { items: runs })
  const { body } = await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: [job], limit: runs.length })
  return body.runs.map((it: { run: { id: string }; run_token: string }) => ({ id: it.run.id, token: it.run_token }))
}

const book = (call: Call, { id, token }: Running, usage: object) =>
  call('POST', `/v1/runs/${id}/usage`, { provider: 'acme', model: 'm', ...usage }, { key: token })
const ask = (call: Call, { id, token }: Running, tool = 't', more: object = {}) =>
  call('POST', `/v1/runs/${id}/authorize`, { tool, ...more }, { key: token })
const setPolicy = (call: Call, policy: object, { agent = 'bot', mode = 'enforce' } = {}) =>
  call('PUT', `/v1/agents/${agent}/policy`, { mode, policy })
const authorize = (call: Call, agent: string, cost: number, more: object = {}) =>
  call('POST', `/v1/agents/${agent}/authorize`, { tool: 't', cost_microusd: cost, ...more })
const outcome = (reply: { body: { decision: string; reason: string } }) => [reply.body.decision, reply.body.reason]

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

test('spend and usage read one ledger: the same totals, split into tools and models', async () => {
  const { call } = await httpYard()
  const [run, second] = await start(call, [{ agent_id: 'bot' }, { agent_id: 'other' }])
  const { authorization_id } = (await ask(call, run!, 'search', { cost_microusd: 500 })).body
  await call('POST', `/v1/runs/${run!.id}/settle`, { authorization_id, cost_microusd: 120 }, { key: run!.token })
  await ask(call, second!, 'search', { cost_microusd: 10 })
  await book(call, run!, { cost_microusd: 1_000 })
  await book(call, second!, { model: 'n', cost_microusd: 7 })
  const spend = (await call('GET', '/v1/spend')).body
  const totals = { tools_microusd: 130, models_microusd: 1_007, cost_microusd: 1_137 }
  expect(spend.totals).toEqual(totals)
  expect(spend.data).toMatchObject([
    { agent_id: 'bot', tool: 'search', cost_microusd: 120 },
    { agent_id: 'other', tool: 'search', cost_microusd: 10 },
  ])
  expect(spend.models).toMatchObject([
    { agent_id: 'bot', provider: 'acme', model: 'm', calls: 1, cost_microusd: 1_000 },
    { agent_id: 'other', provider: 'acme', model: 'n', calls: 1, cost_microusd: 7 },
  ])
  const usage = (await call('GET', '/v1/usage')).body
  expect(usage.totals).toEqual(totals)
  expect(usage.data).toMatchObject([{ calls: 2, cost_microusd: 1_007 }])
  const mine = { tools_microusd: 120, models_microusd: 1_000, cost_microusd: 1_120 }
  for (const path of ['/v1/spend?agent_id=bot', '/v1/usage?agent_id=bot'])
    expect((await call('GET', path)).body.totals).toEqual(mine)
  expect((await call('GET', '/v1/usage?model=m')).body.totals).toBe(null)
  const metrics = (await call('GET', '/v1/agents/bot/metrics?period=hour')).body
  expect(metrics).toMatchObject({ ...mine, models: [{ model: 'm', cost_microusd: 1_000 }] })
  const other = (await call('POST', '/v1/projects', { id: 'other' })).body.key
  for (const path of ['/v1/spend', '/v1/usage'])
    expect((await call('GET', path, undefined, { key: other })).body.totals.cost_microusd).toBe(0)
  const once = await call('GET', '/onceonly/v1/agents/bot/metrics')
  expect(once.body.total_spend_usd).toBe(0.00112)
})

test('costs below a micro-dollar add up exactly, in every sum and against every budget', {
  timeout: 120_000,
}, async () => {
  const { call } = await httpYard()
  const rate = fc.record({
    prompt: fc.integer({ min: 0, max: 3_000_000 }),
    completion: fc.integer({ min: 0, max: 9_999 }),
  })
  const tokens = fc.array(fc.tuple(fc.nat(40), fc.nat(40)), { minLength: 1, maxLength: 30 })
  let nth = 0
  await fc.assert(
    fc.asyncProperty(rate, tokens, async ({ prompt, completion }, calls) => {
      const agent = `agent-${nth++}`
      const price = { prompt_microusd_per_million: prompt, completion_microusd_per_million: completion }
      await call('PUT', `/v1/prices/acme/${agent}`, price)
      const [run] = await start(call, [{ agent_id: agent }], `job-${nth}`)
      const exact = calls.reduce((all, [read, written]) => all + read * prompt + written * completion, 0)
      const shown = Math.floor((exact + 500_000) / 1_000_000)
      // One picodollar too little, or just enough.
      const limit = Math.ceil(exact / 1_000_000) - 1
      if (limit >= 0) await setPolicy(call, { max_spend_microusd_per_day: limit }, { agent })
      const replies = await Promise.all(
        calls.map(([read, written]) =>
          book(call, run!, { model: agent, prompt_tokens: read, completion_tokens: written }),
        ),
      )
      expect(replies.filter((it) => it.body.over_budget).length > 0).toBe(limit >= 0)
      expect(outcome(await ask(call, run!))[0]).toBe(limit >= 0 ? 'blocked' : 'allowed')
      expect((await call('GET', `/v1/runs/${run!.id}/usage`)).body.totals.cost_microusd).toBe(shown)
      expect((await call('GET', `/v1/usage?group_by=model&model=${agent}`)).body.data[0].cost_microusd).toBe(shown)
      expect((await call('GET', `/v1/spend?agent_id=${agent}`)).body.totals.models_microusd).toBe(shown)
      if (limit < 0) return
      await setPolicy(call, { max_spend_microusd_per_day: limit + 1 }, { agent })
      expect(outcome(await ask(call, run!))[0]).toBe('allowed')
    }),
    { numRuns: 12 },
  )
})

test('the log has the exact cost of a call that costs less than can be shown', async () => {
  const { call } = await httpYard()
  await call('PUT', '/v1/prices/acme/m', { prompt_microusd_per_million: 150_000, completion_microusd_per_million: 0 })
  const [run] = await start(call, [{}])
  for (let n = 0; n < 10; n++) await book(call, run!, { prompt_tokens: 1 })
  const { data } = (await call('GET', `/v1/runs/${run!.id}/usage`)).body
  expect(data.map((it: { cost_microusd: number }) => it.cost_microusd)).toEqual(Array(10).fill(0))
  expect((await call('GET', `/v1/runs/${run!.id}/usage`)).body.totals.cost_microusd).toBe(2)
  const events = (await call('GET', `/v1/events?run_id=${run!.id}&type=usage.recorded`)).body.data
  expect(events[0].data).toMatchObject({ cost_microusd: 0, cost_usd: '0.00000015' })
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

test('the spend of a run is deleted with the run, and sums of old days are deleted', async () => {
  const { call, url } = await httpYard()
  const [run] = await start(call, [{ agent_id: 'bot' }])
  await book(call, run!, { cost_microusd: 5 })
  await call('DELETE', `/v1/runs/${run!.id}`)
  const sql = connect(url, { max: 1 })
  expect(await sql`select from spend_sums where kind = 'run'`).toHaveLength(1)
  await ageRuns(sql, 2, [run!.id])
  expect(await deleteOldRuns(sql, 1, 10)).toBe(1)
  expect(await sql`select from spend_sums where kind = 'run'`).toHaveLength(0)
  await sql.end()
  expect((await call('GET', '/v1/spend')).body.totals.models_microusd).toBe(5)
})
