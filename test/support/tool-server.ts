// A tool's endpoint on 127.0.0.1, which remembers what it was called with.
import type { IncomingHttpHeaders } from 'node:http'
import { httpServer } from './local-servers.ts'

export type ToolAsked = {
  tool: string
  args: Record<string, unknown>
  agent_id: string
  call_id: string
  run_id?: string
}
/** A body that is text is sent as it is, all else as JSON; nothing is answered to `hang`. */
export type ToolAnswer = { status?: number; body?: unknown; hang?: boolean }
export type ToolServer = { url: string; calls: { asked: ToolAsked; text: string; headers: IncomingHttpHeaders }[] }

export async function toolServer(
  answer: (asked: ToolAsked, n: number) => ToolAnswer | Promise<ToolAnswer> = () => ({}),
): Promise<ToolServer> {
  const calls: ToolServer['calls'] = []
  const server = await httpServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => {
      text += chunk
    })
    request.on('end', async () => {
      const asked = JSON.parse(text) as ToolAsked
      calls.push({ asked, text, headers: request.headers })
      const { status = 200, body = { ok: true }, hang } = await answer(asked, calls.length)
      if (hang) return
      response.statusCode = status
      response.end(typeof body === 'string' ? body : JSON.stringify(body))
    })
  })
  return { url: server.url, calls }
}
