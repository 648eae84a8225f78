// The mount /strait: Strait's Runs API, its SDK plane, and the jobs and keys that they need.
import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#actions/ctx.ts'
import type { RunTokens } from '#governance/run-tokens.ts'
import type { Live } from '#live/live.ts'
import { mountDialect } from '../dialect.ts'
import { wordProblem } from './wording.ts'

export type StraitParts = { ctx: Ctx; live: Live; tokens: RunTokens }

export const straitRoutes = (_parts: StraitParts) =>
  mountDialect({
    prefix: '/strait',
    title: 'Strait',
    wording: wordProblem,
    routes: [],
    mount: (_app: FastifyInstance) => {},
  })
