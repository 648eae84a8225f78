// The mount /dynamiq: Dynamiq's Runs API.
import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#actions/ctx.ts'
import type { Live } from '#live/live.ts'
import { mountDialect } from '../dialect.ts'
import { SURFACE, wordProblem } from './wording.ts'

export type DynamiqParts = { ctx: Ctx; live: Live; stopping: AbortSignal }

export const dynamiqRoutes = (_: DynamiqParts) =>
  mountDialect({
    prefix: '/dynamiq',
    title: 'Dynamiq',
    wording: wordProblem,
    surface: SURFACE,
    routes: [],
    mount: (_app: FastifyInstance) => {},
  })
