// Exports that were recorded by running common instrumentations; recorded/README.md says how.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { httpYard } from '#test/support/http-yard.ts'
import { TRACES } from './exporter.ts'

type Request = { resourceSpans: { scopeSpans: { spans: { traceId: string }[] }[] }[] }

const recorded = (name: string): Request[] =>
  JSON.parse(readFileSync(new URL(`./recorded/${name}.json`, import.meta.url), 'utf8'))

const STEPS = { 'agent.step.completed': 3, 'agent.tool_call.completed': 1, 'run.completed': 1, 'usage.recorded': 2 }

test.each([
  { name: 'vercel', agent: 'weather-agent', types: STEPS },
  {
    name: 'vercel-legacy',
    agent: 'weather-agent',
    types: { ...STEPS, 'agent.step.completed': 1 },
  },
  {
    name: 'openinference',
    agent: 'weather-agent',
    types: { 'agent.step.completed': 1, 'run.completed': 1, 'usage.recorded': 3 },
  },
  {
    name: 'traceloop',
    agent: 'weather-agent',
    types: { 'agent.step.completed': 1, 'run.completed': 1, 'usage.recorded': 2 },
  },
])('what $name exports is a run with its calls, each charged once', async ({ name, agent, types }) => {
  const { call } = await httpYard()
  const requests = recorded(name)
  for (const request of [...requests, ...requests])
    expect(await call('POST', TRACES, request)).toMatchObject({ status: 200, body: {} })
  const runId = requests[0]!.resourceSpans[0]!.scopeSpans[0]!.spans[0]!.traceId
  expect((await call('GET', `/v1/runs/${runId}`)).body).toMatchObject({ status: 'completed', agent_id: agent })
  const { body: events } = await call('GET', `/v1/runs/${runId}/events`)
  const counts: Record<string, number> = {}
  for (const { type } of events.data) counts[type] = (counts[type] ?? 0) + 1
  expect(counts).toEqual(types)
  const { body: sums } = await call('GET', '/v1/usage?group_by=provider,model')
  const chats = sums.data.filter((it: { model: string }) => it.model.startsWith('gpt-4o'))
  expect(chats).toMatchObject([{ provider: 'openai', calls: 2, prompt_tokens: 240, completion_tokens: 30 }])
  expect(chats[0].cost_microusd).toBe(900)
  const { body: tools } = await call('GET', `/v1/runs/${runId}/tool-calls`)
  if (name.startsWith('vercel'))
    expect(tools.data).toMatchObject([{ tool_name: 'weather', input: { city: 'Oslo' }, output: { sky: 'rain' } }])
})
