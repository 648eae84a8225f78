// What an agent sees at the gateway: the tools that it may call, and the answers to its calls.
import { ProtocolError, ProtocolErrorCode, Server, type ServerContext } from '@modelcontextprotocol/server'
import type { FastifyRequest } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import { Refusal, refuse } from '#core/error.ts'
import { callThrough } from '#gateway/call-through.ts'
import { type GatewayAnswer, type Told, toolError } from '#gateway/gateway-call.ts'
import { findOffered, listOffered, type Offered } from '#gateway/offered-tools.ts'
import { newId } from '#postgres/id.ts'
import manifest from '../../../package.json' with { type: 'json' }
import { type Cancellations, cancelable } from './cancellations.ts'
import { keyOfCall, runOfCall, runOfSessionId, type Who, waitMsOf } from './gateway-request.ts'

const PAGE = 100
const CURSOR = /^[A-Za-z0-9_-]{1,64}$/

const INSTRUCTIONS =
  'The tools of this server are governed: a policy decides about each call, and a person may have to approve it first. ' +
  'A call that is blocked stays blocked: tell the user instead of repeating it.'

export type GatewayParts = {
  ctx: Ctx
  stopping: AbortSignal
  cancellations: Cancellations
  /** Throws when this node has enough of them. */
  countCall: () => { done: () => void }
}
type Serving = GatewayParts & { request: FastifyRequest; who: Who; era: 'legacy' | 'modern'; gone: AbortSignal }

export function gatewayServer(serving: Serving): Server {
  const { ctx, who, era } = serving
  const server = new Server(
    { name: 'runyard-gateway', title: `Tools of ${who.agentId}`, version: manifest.version },
    // Earlier revisions have no stream here on which a change of the list could be told.
    { capabilities: { tools: era === 'modern' ? { listChanged: true } : {} }, instructions: INSTRUCTIONS },
  )
  server.setRequestHandler('tools/list', async ({ params }) => {
    const after = params?.cursor ?? ''
    if (after !== '' && !CURSOR.test(after)) throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'Invalid cursor.')
    const rest = (await listOffered(ctx, who)).filter(({ name }) => name > after)
    const page = rest.slice(0, PAGE)
    return { tools: page.map(described), ...(rest.length > PAGE && { nextCursor: page.at(-1)!.name }) }
  })
  server.setRequestHandler('tools/call', async ({ params }, context) => {
    const offered = await findOffered(ctx, who, params.name)
    if (!offered) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Tool ${params.name} not found.`)
    const counted = serving.countCall()
    const { id, signal } = context.mcpReq
    const canceling = cancelable(serving.cancellations, serving.request, { id, signal, gone: serving.gone })
    try {
      const asked = { offered, args: params.arguments ?? {}, signal: canceling.signal }
      return await answered(serving, context, asked)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return toolError(`${error.code}: ${error.message}`) as never
    } finally {
      canceling.done()
      counted.done()
    }
  })
  return server
}

/** Schemas of strangers, which the protocol's own type describes down to the last bracket. */
type InputSchema = { type: 'object' }

const described = ({ name, about }: Offered) =>
  ({ name, ...about, inputSchema: about.inputSchema as InputSchema }) as never

type Asked = { offered: Offered; args: Record<string, unknown>; signal: AbortSignal }

async function answered({ ctx, request, who, stopping }: Serving, { mcpReq }: ServerContext, asked: Asked) {
  const { caller, projectId, agentId } = who
  const meta = mcpReq._meta as Record<string, unknown> | undefined
  const progressToken = mcpReq._meta?.progressToken
  const key = keyOfCall(meta)
  const waitMs = waitMsOf(request, meta, progressToken !== undefined)
  const run = await runOfCall(ctx, { request, who, meta, newRunId: () => runOfSessionId(newId()) })
  const answer = await callThrough(ctx, {
    projectId,
    agentId,
    actor: caller.actor,
    keyId: caller.kind === 'key' ? caller.keyId : null,
    run,
    leaseToken: caller.kind === 'run' ? caller.leaseToken : undefined,
    ...asked,
    key,
    waitMs,
    stopping,
    tell: progressToken === undefined ? () => {} : progressTeller(mcpReq, progressToken),
  })
  return { ...answer.result, _meta: metaOf(answer, run.publicId) } as never
}

/** A message of ours tells no number of its own; what the client sees must never go back. */
function progressTeller({ notify }: ServerContext['mcpReq'], progressToken: string | number) {
  let latest = 0
  return ({ progress, total, message }: Told): void => {
    latest = Math.max(latest + 1, progress ?? 0)
    const params = {
      progressToken,
      progress: latest,
      ...(total !== undefined && { total }),
      ...(message && { message }),
    }
    // Its client may be gone; the call notices that by itself.
    notify({ method: 'notifications/progress', params }).catch(() => {})
  }
}

const metaOf = ({ decision, reason, authorizationId, inputRequestId }: GatewayAnswer, runId: string) => ({
  'runyard.run_id': runId,
  'runyard.decision': decision,
  ...(reason !== undefined && { 'runyard.reason': reason }),
  ...(authorizationId !== undefined && { 'runyard.authorization_id': authorizationId }),
  ...(inputRequestId && { 'runyard.input_request_id': inputRequestId }),
})

/** Calls that wait or are at work, on one node. */
const CALLS_MAX = 500

export function callCounter(): GatewayParts['countCall'] {
  let underWay = 0
  return () => {
    if (underWay >= CALLS_MAX) throw refuse('overloaded', { what: 'The gateway', retryAfterMs: 1_000 })
    underWay++
    return { done: () => void underWay-- }
  }
}
