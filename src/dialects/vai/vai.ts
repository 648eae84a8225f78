// The mount /vai: VirtuousAI's Events API over the log.
import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import { mountDialect } from '../dialect.ts'
import { checkRequest } from './checks.ts'
import { VAI_ROUTES } from './contract.ts'
import { vaiEventRoutes } from './events.ts'
import { SURFACE, wordProblem } from './wording.ts'

export const vaiRoutes = (ctx: Ctx) =>
  mountDialect({
    prefix: '/vai',
    title: 'VirtuousAI',
    wording: wordProblem,
    surface: SURFACE,
    routes: VAI_ROUTES,
    slashes: 'redirected',
    unknownParameters: 'own_words',
    mount: (app: FastifyInstance) => {
      // All errors of a request are reported at once, path and query together, by our own validation.
      app.setValidatorCompiler(() => (value: unknown) => ({ value }))
      app.addHook('preHandler', checkRequest)
      vaiEventRoutes(app, ctx)
    },
  })
