// A client of MCP as a model has it: JSON-RPC over HTTP, with a key of its own.
import { KEY } from '#test/support/http-yard.ts'

// biome-ignore lint/suspicious/noExplicitAny: a reply is whatever the test says it is.
type Any = any
export type Told = { text: string; value: Any; isError: boolean }
export type Mcp = {
  ask: (method: string, params?: object) => Promise<Any>
  tools: () => Promise<string[]>
  tool: (name: string, args?: Record<string, unknown>) => Promise<Told>
}

export function connectMcp(address: string, key: string = KEY): Mcp {
  let id = 0
  const ask = async (method: string, params: object = {}) => {
    const response = await fetch(`${address}/mcp`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2025-06-18',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: ++id, method, params }),
    })
    const text = await response.text()
    // A single result may come as a stream of one message.
    const message = /^data: (.*)$/m.exec(text)?.[1] ?? text
    const { result, error } = JSON.parse(message) as { result?: Any; error?: { message: string } }
    if (!result) throw new Error(error?.message ?? text)
    return result
  }
  return {
    ask,
    tools: async () => (await ask('tools/list')).tools.map(({ name }: { name: string }) => name),
    async tool(name, args = {}) {
      const { content, isError } = await ask('tools/call', { name, arguments: args })
      const text = content.map((one: { text: string }) => one.text).join('\n')
      return { text, value: isError ? undefined : JSON.parse(text), isError: isError === true }
    },
  }
}
