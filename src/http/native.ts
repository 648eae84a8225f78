// The native API: /v1, health, metrics and documents.
import type { FastifyInstance } from 'fastify'
import type { RateLimiter } from '#access/rate-limit.ts'
import type { RunTokens } from '#access/run-tokens.ts'
import type { Ctx } from '#bell/ctx.ts'
import type { Live } from '#live/live.ts'
import type { Claimer } from '#runs/attempts/claimer.ts'
import { answerRoutes } from './console/answer-routes.ts'
import { consoleRoutes } from './console/console-routes.ts'
import { docsPageRoutes } from './docs-pages.ts'
import { keepReplies } from './kept-replies.ts'
import { gatewayRoutes } from './mcp/gateway-routes.ts'
import { mcpRoutes } from './mcp/mcp-routes.ts'
import { recordMcpCalls } from './mcp/record-calls.ts'
import { type Metrics, watchRequests } from './metrics/metrics.ts'
import { docsRoutes } from './openapi/docs.ts'
import { otlpRoutes } from './otlp/otlp-routes.ts'
import { accessRoutes } from './routes/access.ts'
import { agentRoutes } from './routes/agents.ts'
import { alertChannelRoutes } from './routes/alerts/channels.ts'
import { alertRuleRoutes } from './routes/alerts/rules.ts'
import { attemptRoutes, endingRoutes, stateRoutes } from './routes/attempts.ts'
import { authorizationRoutes, spendRoutes } from './routes/authorizations.ts'
import { batchRoutes } from './routes/batches.ts'
import { bulkRoutes } from './routes/bulk.ts'
import { chainRoutes } from './routes/chains.ts'
import { debugRoutes } from './routes/debug.ts'
import { dependencyRoutes } from './routes/dependencies.ts'
import { eventCountRoutes, eventRoutes } from './routes/events.ts'
import { fileRoutes } from './routes/files.ts'
import { findRoutes } from './routes/find.ts'
import { toolServerRoutes } from './routes/gateway/tool-servers.ts'
import { hookRoutes } from './routes/hooks/hooks.ts'
import { inputRoutes } from './routes/inputs.ts'
import { endRoutes } from './routes/insight/ends.ts'
import { timelineRoutes } from './routes/insight/timeline.ts'
import { toolRoutes } from './routes/insight/tools.ts'
import { jobRoutes } from './routes/jobs.ts'
import { type Check, operationsRoutes } from './routes/operations.ts'
import { oidcRoutes } from './routes/people/oidc.ts'
import { sessionRoutes } from './routes/people/sessions.ts'
import { userRoutes } from './routes/people/users.ts'
import { presetRoutes } from './routes/presets.ts'
import { recordRoutes } from './routes/records.ts'
import { runControlRoutes } from './routes/run-controls.ts'
import { batchTriggerRoutes, runRoutes } from './routes/runs.ts'
import { sealRoutes } from './routes/seals.ts'
import { streamRoutes } from './routes/streams.ts'
import { usageRoutes } from './routes/usage.ts'
import { waitRoutes } from './routes/waits.ts'
import { webhookRoutes } from './routes/webhooks.ts'
import { workerRoutes } from './routes/workers.ts'
import type { Oidc } from './session/oidc.ts'
import type { PublicAddress } from './session/origin.ts'

export type NativeParts = {
  ctx: Ctx
  claimer: Claimer
  tokens: RunTokens
  live: Live
  metrics: Metrics
  stopping: AbortSignal
  checks: () => Promise<Check[]>
  address: PublicAddress
  oidc: Oidc | undefined
  limiter: RateLimiter
  /** False on a node that serves health and metrics only. */
  api: boolean
}

export const nativeRoutes =
  ({ ctx, claimer, tokens, live, metrics, stopping, checks, address, oidc, limiter, api }: NativeParts) =>
  (app: FastifyInstance): void => {
    watchRequests(app, metrics)
    operationsRoutes(app, { ...ctx, metrics, checks })
    if (!api) return
    keepReplies(app, ctx.sql)
    recordMcpCalls(app, ctx)
    mcpRoutes(app, { address })
    gatewayRoutes(app, ctx, { address, stopping })
    toolServerRoutes(app, ctx)
    jobRoutes(app, ctx)
    endRoutes(app, ctx)
    timelineRoutes(app, ctx)
    runRoutes(app, ctx, tokens)
    batchTriggerRoutes(app, ctx)
    batchRoutes(app, ctx)
    runControlRoutes(app, ctx)
    dependencyRoutes(app, ctx)
    presetRoutes(app, ctx)
    waitRoutes(app, ctx)
    bulkRoutes(app, ctx)
    recordRoutes(app, ctx)
    debugRoutes(app, ctx)
    usageRoutes(app, ctx)
    attemptRoutes(app, ctx)
    endingRoutes(app, ctx)
    stateRoutes(app, ctx)
    workerRoutes(app, ctx, { claimer, tokens, stopping })
    inputRoutes(app, ctx)
    hookRoutes(app, ctx, { address, limiter })
    fileRoutes(app, ctx)
    findRoutes(app, ctx)
    agentRoutes(app, ctx)
    authorizationRoutes(app, ctx)
    spendRoutes(app, ctx)
    toolRoutes(app, ctx)
    eventRoutes(app, ctx)
    eventCountRoutes(app, ctx)
    otlpRoutes(app, ctx)
    chainRoutes(app, ctx)
    sealRoutes(app, ctx)
    webhookRoutes(app, ctx)
    alertRuleRoutes(app, ctx)
    alertChannelRoutes(app, ctx)
    answerRoutes(app, ctx)
    streamRoutes(app, { ctx, live })
    accessRoutes(app, ctx)
    sessionRoutes(app, ctx, { address, oidc })
    if (oidc) oidcRoutes(app, ctx, { address, oidc })
    userRoutes(app, ctx, address)
    docsRoutes(app)
    docsPageRoutes(app)
    consoleRoutes(app)
  }
