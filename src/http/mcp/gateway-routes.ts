// `/mcp/agents/{agent_id}`: the Model Context Protocol for one agent, to the tools of all servers that its policy lets it
// call. Any node answers any request: what a session is, is the run that its calls are part of.
import { createMcpHandler } from '@modelcontextprotocol/server'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import { AgentPath } from '#contract/agents.ts'
import { route } from '#contract/route.ts'
import { isOver } from '#core/run.ts'
import { endSession } from '#gateway/tell-call.ts'
import { newId } from '#postgres/id.ts'
import { findRun } from '#run-state/read/read-runs.sql.ts'
import type { PublicAddress } from '../session/origin.ts'
import { cancelNamed } from './cancellations.ts'
import { isSessionId, runOfSessionId, SESSION_HEADER, sessionOf, type Who, whoAsks } from './gateway-request.ts'
import { callCounter, type GatewayParts, gatewayServer } from './gateway-server.ts'
import { watchLists } from './list-watch.ts'
import { checkSender, type Requests, serveMcp } from './serve-mcp.ts'

const SUBSCRIPTIONS_MAX = 100
const KEEP_ALIVE_MS = 15_000

/** Not of the contract: what is spoken there is described by the protocol. */
const GATEWAY = route({
  method: 'POST',
  path: '/mcp/agents/:agent_id',
  needs: 'agents:call',
  orRunToken: 'of_project',
  tag: 'Agents',
  name: 'mcpGateway',
  summary: 'Call tools on behalf of an agent, by the Model Context Protocol.',
  params: AgentPath,
  replies: { 200: null },
  keepsReply: false,
  mayWait: true,
})

type Parts = { address: PublicAddress; stopping: AbortSignal }

export function gatewayRoutes(app: FastifyInstance, ctx: Ctx, { address, stopping }: Parts): void {
  const requests: Requests = new WeakMap()
  const lists = watchLists(ctx)
  const parts: GatewayParts = { ctx, stopping, cancellations: new Map(), countCall: callCounter() }
  const handler = createMcpHandler(
    ({ requestInfo, era }) => {
      const request = requestInfo && requests.get(requestInfo)
      if (!request) throw new Error('a server was asked for without its request')
      return gatewayServer({ ...parts, request, who: whoAsks(request), era, gone: requestInfo.signal })
    },
    {
      bus: lists.bus,
      maxSubscriptions: SUBSCRIPTIONS_MAX,
      keepAliveMs: KEEP_ALIVE_MS,
      onerror: (error) => app.log.info({ err: error }, 'a request of the gateway was refused'),
    },
  )
  app.addHook('preClose', async () => {
    lists.close()
    await handler.close()
  })
  app.route({
    method: ['GET', 'POST', 'DELETE'],
    url: GATEWAY.path,
    config: { route: GATEWAY },
    schema: { params: AgentPath },
    handler: async (request, reply) => {
      checkSender(request, address)
      const who = whoAsks(request)
      const session = sessionOf(request)
      if (session !== undefined && !(await isOpenSession(ctx, who, session))) return sendLostSession(request, reply)
      if (request.method === 'DELETE' && session !== undefined) {
        await endSession(ctx, { ...who, actor: who.caller.actor, runRef: runOfSessionId(session) })
        return reply.code(204).send()
      }
      if (session !== undefined) cancelNamed(parts.cancellations, request)
      const headers = isInitialize(request) ? { [SESSION_HEADER]: newId() } : {}
      return lists.of(who, () => serveMcp(handler, { request, reply, requests, headers }))
    },
  })
}

const isInitialize = ({ body }: FastifyRequest): boolean =>
  typeof body === 'object' && body !== null && 'method' in body && body.method === 'initialize'

/** Its run may not have begun yet. */
async function isOpenSession(ctx: Ctx, { projectId }: Who, session: string): Promise<boolean> {
  if (!isSessionId(session)) return false
  const run = await findRun(ctx.sql, projectId, runOfSessionId(session))
  return !run || !isOver(run.state)
}

/** As the protocol has it: the client begins another session. */
function sendLostSession(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const id = (request.body as { id?: unknown } | undefined)?.id ?? null
  const error = { code: -32_001, message: 'Session not found: it has ended. Begin another one.' }
  return reply.code(404).send({ jsonrpc: '2.0', id, error })
}
