// The mount /dynamiq: Dynamiq's Runs API.
import multipart from '@fastify/multipart'
import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import type { Live } from '#live/live.ts'
import { mountDialect } from '../dialect.ts'
import { DYNAMIQ_ROUTES } from './contract.ts'
import { dynamiqControlRoutes } from './controls.ts'
import { dynamiqCreateRoutes } from './create.ts'
import { dynamiqReadRoutes } from './reads.ts'
import { dynamiqStreamRoutes, dynamiqStreams } from './streams.ts'
import { UPLOAD_LIMITS } from './uploads.ts'
import { SURFACE, wordProblem } from './wording.ts'

export type DynamiqParts = { ctx: Ctx; live: Live; stopping: AbortSignal }

export const dynamiqRoutes = (parts: DynamiqParts) =>
  mountDialect({
    prefix: '/dynamiq',
    title: 'Dynamiq',
    wording: wordProblem,
    surface: SURFACE,
    slashes: 'redirected',
    routes: DYNAMIQ_ROUTES,
    mount: (app: FastifyInstance) => {
      // Forms are read under this mount and nowhere else.
      void app.register(multipart, { limits: UPLOAD_LIMITS, throwFileSizeLimit: false })
      const open = dynamiqStreams(parts)
      dynamiqReadRoutes(app, parts.ctx)
      dynamiqControlRoutes(app, parts.ctx)
      dynamiqCreateRoutes(app, { ...parts, open })
      dynamiqStreamRoutes(app, parts.ctx, open)
    },
  })
