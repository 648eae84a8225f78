// Tool servers that hang, die, lie or answer too much: the call fails, is settled, and harms nobody else.
import { expect, test, vi } from 'vitest'
import { until } from '#test/support/http-yard.ts'
import { httpServer } from '#test/support/local-servers.ts'
import { gatewayYard } from './agent-client.ts'
import { mcpUpstream, said } from './mcp-upstream.ts'

vi.setConfig({ testTimeout: 60_000 })

async function yardWith(...[tools]: Parameters<typeof mcpUpstream>) {
  const yard = await gatewayYard()
  const upstream = await mcpUpstream(tools)
  await yard.register('it', upstream.url, { timeout_secs: 2 })
  const last = async (runId: string) => (await yard.call('GET', `/v1/runs/${runId}/events?limit=100`)).body.data.at(-1)
  const settled = async () => (await yard.call('GET', '/v1/agents/support/logs')).body.data[0]
  return { ...yard, upstream, last, settled }
}

test('a tool that hangs fails in time, is settled as failed, and leaves the next call alone', async () => {
  const { connect, last, settled } = await yardWith([
    { name: 'hang', call: (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)) },
    { name: 'echo', call: () => said('echo') },
  ])
  const agent = await connect('support')
  const [hung, fine] = await Promise.all([agent.call('it__hang'), agent.call('it__echo')])
  expect(fine.text).toBe('echo')
  expect(hung).toMatchObject({ isError: true, text: 'tool_error: it__hang did not answer within 2 s' })
  expect(await last(hung.meta['runyard.run_id']!)).toMatchObject({ type: 'agent.tool_call.failed', tool: 'it__hang' })
  await until(settled, ({ state }) => state === 'settled')
  expect((await agent.call('it__echo')).text).toBe('echo')
})

test('an answer that is too large is refused within bounds, as JSON and as a stream', async () => {
  const huge = 'x'.repeat(8 * 1024 * 1024)
  const { connect, upstream, register } = await yardWith([
    { name: 'big', call: () => said('y'.repeat(2 * 1024 * 1024)) },
    { name: 'huge', call: () => said(huge) },
    { name: 'echo', call: () => said('echo') },
    {
      name: 'endless',
      async call(_, { _meta, notify }) {
        const progressToken = _meta?.progressToken as string
        await notify({ method: 'notifications/progress', params: { progressToken, progress: 1, message: huge } })
        return said('never read')
      },
    },
  ])
  await register('it', upstream.url, { timeout_secs: 10 })
  const agent = await connect('support')
  expect((await agent.call('it__big')).text).toContain('its result is larger than 1048576 bytes')
  expect((await agent.call('it__huge')).text).toContain('larger than 4194304 bytes')
  expect((await agent.call('it__endless')).text).toContain('larger than 4194304 bytes')
  expect((await agent.call('it__echo')).text).toBe('echo')
})

test('a server that is gone, redirects or forgets a tool is an error that says so, and costs what was not done nothing', async () => {
  const { connect, call, register, upstream, settled } = await yardWith([{ name: 'echo', call: () => said('echo') }])
  await call('PUT', '/v1/agents/support/policy', { policy: { prices_microusd: { it__echo: 500 } } })
  const agent = await connect('support')
  const elsewhere = await httpServer((_, response) => response.writeHead(307, { location: upstream.url }).end())
  await register('it', elsewhere.url)
  expect((await agent.call('it__echo')).text).toContain('redirects are not followed')
  expect(await settled()).toMatchObject({ state: 'settled', outcome: 'failed', cost_microusd: 0 })
  await register('it', upstream.url)
  upstream.tools = []
  const gone = await mcpUpstream([])
  expect((await agent.call('it__echo')).isError).toBe(false)
  await register('it', gone.url)
  await expect(agent.call('it__echo')).rejects.toThrow('not found')
})

test('a client that cancels ends the call at the server too, and the call is settled', async () => {
  const ended = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const { connect, settled } = await yardWith([
    {
      name: 'slow',
      call(_, { signal }) {
        begun.resolve()
        signal.addEventListener('abort', () => ended.resolve())
        return ended.promise
      },
    },
  ])
  const agent = await connect('support')
  const canceling = new AbortController()
  const calling = agent.call('it__slow', {}, {}, { signal: canceling.signal })
  await begun.promise
  canceling.abort()
  await expect(calling).rejects.toThrow()
  await ended.promise
  expect(await until(settled, ({ state }) => state === 'settled')).toMatchObject({ outcome: 'failed' })
})

test('what a tool answers reaches the model as it is: pictures, links and structured content', async () => {
  const content = [
    { type: 'image', data: 'AAAA', mimeType: 'image/png' },
    { type: 'resource_link', uri: 'file:///a', name: 'a' },
  ]
  const { connect } = await yardWith([{ name: 'rich', call: () => ({ content, structuredContent: { n: 1 } }) }])
  const { result } = await (await connect('support')).call('it__rich')
  expect(result).toMatchObject({ content, structuredContent: { n: 1 } })
})

test('progress of the server reaches the client', async () => {
  const { connect } = await yardWith([
    {
      name: 'steps',
      async call(_, { _meta, notify }) {
        const progressToken = _meta?.progressToken as string
        await notify({
          method: 'notifications/progress',
          params: { progressToken, progress: 1, total: 2, message: 'half' },
        })
        return said('done')
      },
    },
  ])
  const told: unknown[] = []
  const agent = await connect('support')
  await agent.call('it__steps', {}, {}, { onprogress: (it: unknown) => told.push(it) })
  expect(told).toMatchObject([{ progress: 1, total: 2, message: 'half' }])
})
