import fc from 'fast-check'
import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { ageRuns } from '#test/support/yard.ts'
import { deleteOldRuns } from '#upkeep/retention.sql.ts'
import { ask, book, outcome, setPolicy, start } from '../../support/builders/ledger.ts'
import { httpYard } from '../../support/http-yard.ts'

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
