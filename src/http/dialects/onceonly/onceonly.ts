// The mount /onceonly: OnceOnly's locks, leases, governed calls, runs and events over ours.
import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#actions/ctx.ts'
import { mountDialect } from '../dialect.ts'
import { compileCheck } from './checks.ts'
import { FEED_ROUTES, feedRoutes } from './feed.ts'
import { SURFACE, wordProblem } from './wording.ts'

export type OnceParts = { ctx: Ctx }

export const onceonlyRoutes = (parts: OnceParts) =>
  mountDialect({
    prefix: '/onceonly',
    title: 'OnceOnly',
    wording: wordProblem,
    surface: SURFACE,
    routes: [...FEED_ROUTES],
    mount: (app: FastifyInstance) => {
      app.setValidatorCompiler(compileCheck as never)
      feedRoutes(app, parts.ctx)
    },
  })
