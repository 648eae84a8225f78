// The mount /strait: Strait's Runs API, its SDK plane, and the jobs and keys that they need.
import type { FastifyInstance } from 'fastify'
import type { RunTokens } from '#access/run-tokens.ts'
import type { Ctx } from '#bell/ctx.ts'
import type { Check } from '#http/routes/operations.ts'
import type { Live } from '#live/live.ts'
import { mountDialect } from '../dialect.ts'
import { STRAIT_ADMIN_ROUTES, straitAdminRoutes } from './admin.ts'
import { STRAIT_JOB_ROUTES, straitJobRoutes } from './jobs.ts'
import { straitBulkRoutes } from './runs-bulk.ts'
import { RUN_ROUTES } from './runs-control-contract.ts'
import { straitControlRoutes } from './runs-controls.ts'
import { straitReadRoutes } from './runs-reads.ts'
import { straitRecordRoutes } from './runs-record-reads.ts'
import { straitSdkRoutes } from './sdk.ts'
import { SDK_ROUTES } from './sdk-course-contract.ts'
import { straitStreamRoutes } from './streams.ts'
import { SURFACE, wordProblem } from './wording.ts'

export type StraitParts = { ctx: Ctx; live: Live; tokens: RunTokens; checks: () => Promise<Check[]> }

export const straitRoutes = (parts: StraitParts) =>
  mountDialect({
    prefix: '/strait',
    title: 'Strait',
    wording: wordProblem,
    surface: SURFACE,
    routes: [...RUN_ROUTES, ...SDK_ROUTES, ...STRAIT_JOB_ROUTES, ...STRAIT_ADMIN_ROUTES],
    mount: (app: FastifyInstance) => {
      app.addHook('onSend', async (_, reply) => {
        reply.header('x-api-version', 'v1')
      })
      straitReadRoutes(app, parts.ctx)
      straitRecordRoutes(app, parts.ctx)
      straitControlRoutes(app, parts.ctx)
      straitBulkRoutes(app, parts.ctx)
      straitStreamRoutes(app, parts)
      straitSdkRoutes(app, parts.ctx)
      straitJobRoutes(app, parts)
      straitAdminRoutes(app, parts)
    },
  })
