// The mount /onceonly: OnceOnly's locks, leases, governed calls, runs and events over ours.
import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import { mountDialect } from '../dialect.ts'
import { ONCEONLY_AI_ROUTES, onceonlyAiRoutes } from './ai.ts'
import { compileCheck } from './checks.ts'
import { FEED_ROUTES, feedRoutes } from './feed.ts'
import { ONCEONLY_GOVERNANCE_ROUTES, onceonlyGovernanceRoutes } from './governance.ts'
import { LOCK_ROUTES, lockRoutes } from './locks.ts'
import { RUN_ROUTES, runRoutes } from './runs.ts'
import { USAGE_ROUTES, usageRoutes } from './usage.ts'
import { SURFACE, wordProblem } from './wording.ts'

export type OnceParts = { ctx: Ctx }

export const onceonlyRoutes = (parts: OnceParts) =>
  mountDialect({
    prefix: '/onceonly',
    title: 'OnceOnly',
    wording: wordProblem,
    surface: SURFACE,
    slashes: 'redirected',
    routes: [
      ...RUN_ROUTES,
      ...FEED_ROUTES,
      ...LOCK_ROUTES,
      ...USAGE_ROUTES,
      ...ONCEONLY_AI_ROUTES,
      ...ONCEONLY_GOVERNANCE_ROUTES,
    ],
    mount: (app: FastifyInstance) => {
      app.setValidatorCompiler(compileCheck as never)
      runRoutes(app, parts.ctx)
      feedRoutes(app, parts.ctx)
      lockRoutes(app, parts.ctx)
      usageRoutes(app, parts.ctx)
      onceonlyAiRoutes(app, parts)
      onceonlyGovernanceRoutes(app, parts)
    },
  })
