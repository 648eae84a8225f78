// Governed calls of OnceOnly, to a tool on a server of the test.
import type { Call } from '../http-yard.ts'
import { onceYard } from '../once-yard.ts'
import { toolServer } from '../tool-server.ts'

export const run = (call: Call, more: object = {}) =>
  call('POST', '/ai/run', { agent_id: 'bot', tool: 'act', args: {}, ...more })

export async function withTool(answer?: Parameters<typeof toolServer>[0]) {
  const yard = await onceYard()
  const tool = await toolServer(answer)
  await yard.call('POST', '/tools', { name: 'act', url: tool.url })
  return { ...yard, tool }
}
