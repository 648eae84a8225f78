// A tool server on 127.0.0.1 whose tools are those of the test, and which remembers what it was asked.
import type { IncomingHttpHeaders } from 'node:http'
import { text } from 'node:stream/consumers'
import { createMcpHandler, Server, type ServerContext } from '@modelcontextprotocol/server'
import { httpServer, type LocalServer } from '#test/support/local-servers.ts'

// biome-ignore lint/suspicious/noExplicitAny: a tool answers whatever the test says it does.
type Answer = any
export type Tool = {
  name: string
  description?: string | undefined
  inputSchema?: object | undefined
  call?: (args: Record<string, Answer>, context: ServerContext['mcpReq']) => Answer
}
export type Upstream = LocalServer & {
  tools: Tool[]
  calls: { name: string; args: Record<string, Answer> }[]
  headers: IncomingHttpHeaders[]
  /** Tells clients that its tools have changed. */
  changed: () => void
}

export const said = (words: string) => ({ content: [{ type: 'text', text: words }] })

export async function mcpUpstream(tools: Tool[]): Promise<Upstream> {
  const calls: Upstream['calls'] = []
  const headers: IncomingHttpHeaders[] = []
  const handler = createMcpHandler(() => {
    const server = new Server({ name: 'upstream', version: '1' }, { capabilities: { tools: { listChanged: true } } })
    server.setRequestHandler('tools/list', () => ({
      tools: upstream.tools.map(
        ({ call: _, ...tool }) =>
          ({ inputSchema: { type: 'object' }, ...tool }) as { name: string; inputSchema: { type: 'object' } },
      ),
    }))
    server.setRequestHandler('tools/call', async ({ params: { name, arguments: args = {} } }, { mcpReq }) => {
      calls.push({ name, args })
      return (await upstream.tools.find((tool) => tool.name === name)?.call?.(args, mcpReq)) ?? said('done')
    })
    return server
  })
  const server = await httpServer(async (request, response) => {
    headers.push(request.headers)
    const gone = new AbortController()
    response.on('close', () => gone.abort())
    const asked = new Request(`http://127.0.0.1${request.url}`, {
      method: request.method ?? 'GET',
      headers: Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
      signal: gone.signal,
      ...(request.method === 'POST' && { body: await text(request) }),
    })
    const answer = await handler.fetch(asked)
    response.writeHead(answer.status, Object.fromEntries(answer.headers))
    response.flushHeaders()
    for await (const chunk of answer.body ?? []) response.write(chunk)
    response.end()
  })
  const upstream: Upstream = { ...server, tools, calls, headers, changed: () => handler.notify.toolsChanged() }
  return upstream
}
