// Which tools agents called, how often, and what it cost.
import { expect, test } from 'vitest'
import { authorize, setPolicy } from '../../support/builders/ledger.ts'
import { httpYard } from '../../support/http-yard.ts'

const calling = (tool: string) => ({ tool })

test('tools are listed with their agents, calls and cost, the busiest first', async () => {
  const { call } = await httpYard()
  await setPolicy(call, { blocked_tools: ['rm'] })
  for (const cost of [100, 200]) await authorize(call, 'bot', cost, calling('search'))
  await authorize(call, 'other', 50, calling('search'))
  await authorize(call, 'bot', 70, calling('rm'))
  const registered = await call('POST', '/onceonly/v1/tools', { name: 'mail', url: 'http://127.0.0.1:9/' })
  expect(registered.status, JSON.stringify(registered.body)).toBeLessThan(300)
  const { body } = await call('GET', '/v1/tools')
  const seen = { last_called_at: expect.stringMatching(/T\d\d:00:00\.000Z$/) }
  expect(body.data).toEqual([
    {
      tool: 'search',
      registered: false,
      allowed: 3,
      blocked: 0,
      cost_microusd: 350,
      ...seen,
      agent_count: 2,
      agents: [
        { agent_id: 'bot', allowed: 2, blocked: 0, cost_microusd: 300, ...seen },
        { agent_id: 'other', allowed: 1, blocked: 0, cost_microusd: 50, ...seen },
      ],
    },
    {
      tool: 'rm',
      registered: false,
      allowed: 0,
      blocked: 1,
      cost_microusd: 0,
      ...seen,
      agent_count: 1,
      agents: [{ agent_id: 'bot', allowed: 0, blocked: 1, cost_microusd: 0, ...seen }],
    },
    {
      tool: 'mail',
      registered: true,
      allowed: 0,
      blocked: 0,
      cost_microusd: 0,
      last_called_at: null,
      agent_count: 0,
      agents: [],
    },
  ])
  expect(body.has_more).toBe(false)
  const others = (await call('GET', '/v1/tools?agent_id=other')).body.data
  expect(others).toMatchObject([{ tool: 'search', allowed: 1, agent_count: 1 }])
})

test('of a tool that many agents call, the busiest ten are named and all are counted', async () => {
  const { call } = await httpYard()
  for (let at = 0; at < 12; at++)
    for (let again = 0; again <= at; again++) await authorize(call, `bot-${at}`, 1, calling('search'))
  const [tool] = (await call('GET', '/v1/tools')).body.data
  expect(tool).toMatchObject({ allowed: 78, agent_count: 12, cost_microusd: 78 })
  expect(tool.agents.map((agent: { agent_id: string }) => agent.agent_id)).toEqual(
    Array.from({ length: 10 }, (_, at) => `bot-${11 - at}`),
  )
})

test('a period is refused that ends before it begins or is too long, and another project sees none of it', async () => {
  const { call } = await httpYard()
  await authorize(call, 'bot', 1, calling('search'))
  const fieldOf = async (query: string) => (await call('GET', `/v1/tools?${query}`)).body.error.details.fields[0].field
  expect(await fieldOf('from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z')).toBe('from')
  expect(await fieldOf('from=2020-01-01T00:00:00Z')).toBe('from')
  expect((await call('GET', '/v1/tools?to=2026-01-01T00:00:00Z')).body.data).toEqual([])
  const { key } = (await call('POST', '/v1/projects', { id: 'other' })).body
  expect((await call('GET', '/v1/tools', undefined, { key })).body.data).toEqual([])
})
