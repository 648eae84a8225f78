// The call itself: at its tool server, or at the endpoint that the project registered.
import { dispatchTool, longestCallMs } from '#agents/tools/dispatch-tool.ts'
import type { Ctx } from '#bell/ctx.ts'
import { printJson } from '#core/json/json.ts'
import { callServer, type ServerOutcome } from './call-server.ts'
import type { GatewayCall } from './gateway-call.ts'
import type { Offered } from './offered-tools.ts'

/** Connecting and the call, with a lost session in between. */
const CONNECTING_MS = 30_000

export const longestMs = (offered: Offered): number =>
  offered.from === 'server' ? offered.server.timeoutSecs * 1_000 + CONNECTING_MS : longestCallMs(offered.registered)

type Made = {
  /** As they were approved. */
  args: Record<string, unknown>
  callId: string
}

export async function makeCall(ctx: Ctx, call: GatewayCall, { args, callId }: Made): Promise<ServerOutcome> {
  const { offered, agentId, signal, tell, run } = call
  if (offered.from === 'server')
    return callServer(ctx, offered.server, { agentId, tool: offered.serverTool, args, signal, onProgress: tell })
  const asked = { callId, agentId, args, runRef: run.publicId, signal }
  const outcome = await dispatchTool(ctx, offered.registered, asked)
  if (!outcome.ok) return { ok: false, error: outcome.error, made: true, aborted: outcome.aborted }
  const structuredContent = JSON.parse(printJson(outcome.result)) as object
  const content = [{ type: 'text', text: printJson(outcome.result) }]
  return { ok: true, result: { content, structuredContent } }
}
