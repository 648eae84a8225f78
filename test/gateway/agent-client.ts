// An agent with a client of the protocol, as the authors of the protocol wrote it.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { onTestFinished } from 'vitest'
import { type HttpYard, httpYard } from '#test/support/http-yard.ts'

// biome-ignore lint/suspicious/noExplicitAny: a result is whatever the test says it is.
type Any = any
export type Called = { text: string; isError: boolean; meta: Record<string, string>; result: Any }
export type Agent = {
  client: Client
  tools: () => Promise<string[]>
  call: (name: string, args?: object, meta?: Record<string, unknown>, options?: object) => Promise<Called>
  end: () => Promise<void>
}
type Connecting = { key: string; headers?: Record<string, string>; era?: 'legacy' | 'auto' }

export async function connectAgent(address: string, agentId: string, it: Connecting): Promise<Agent> {
  const client = new Client({ name: 'model', version: '1' }, { versionNegotiation: { mode: it.era ?? 'legacy' } })
  const transport = new StreamableHTTPClientTransport(new URL(`${address}/mcp/agents/${agentId}`), {
    requestInit: { headers: { authorization: `Bearer ${it.key}`, ...it.headers } },
  })
  await client.connect(transport)
  onTestFinished(() => client.close())
  return {
    client,
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    async call(name, args = {}, meta = {}, options = {}) {
      const params = { name, arguments: args as Record<string, unknown>, _meta: meta }
      const result: Any = await client.callTool(params, options)
      const text = result.content.map((one: { text?: string }) => one.text ?? '').join('\n')
      return { text, isError: result.isError === true, meta: result._meta, result }
    },
    end: () => transport.terminateSession(),
  }
}

export type GatewayYard = HttpYard & {
  key: string
  register: (name: string, url: string, settings?: object) => Promise<Any>
  connect: (agentId: string, it?: Partial<Connecting>) => Promise<Agent>
}

/** A node, a key that may call tools and nothing else, and tool servers by one line. */
export async function gatewayYard(env: Record<string, string> = {}): Promise<GatewayYard> {
  const yard = await httpYard(env)
  const { key } = (await yard.call('POST', '/v1/keys', { name: 'model', scopes: ['agents:call'] })).body
  return {
    ...yard,
    key,
    async register(name, url, settings = {}) {
      const set = await yard.call('PUT', `/v1/tool-servers/${name}`, { url, ...settings })
      if (set.status !== 200) throw new Error(JSON.stringify(set.body))
      return (await yard.call('POST', `/v1/tool-servers/${name}/refresh`)).body
    },
    connect: (agentId, it = {}) => connectAgent(yard.address, agentId, { key, ...it }),
  }
}
