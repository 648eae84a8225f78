// The dialects of this installation, each under its own prefix.
import type { FastifyInstance } from 'fastify'
import type { NativeParts } from '#http/native.ts'
import { dynamiqRoutes } from './dynamiq/dynamiq.ts'
import { onceonlyRoutes } from './onceonly/onceonly.ts'
import { straitRoutes } from './strait/strait.ts'
import { vaiRoutes } from './vai/vai.ts'

type DialectParts = Pick<NativeParts, 'ctx' | 'live' | 'tokens' | 'checks' | 'stopping'>

/** Mounted after the native routes: idempotent replies are implemented there, and serve the dialects as well. */
export const dialectRoutes =
  ({ ctx, live, tokens, checks, stopping }: DialectParts) =>
  (app: FastifyInstance): void => {
    straitRoutes({ ctx, live, tokens, checks })(app)
    vaiRoutes(ctx)(app)
    onceonlyRoutes({ ctx })(app)
    dynamiqRoutes({ ctx, live, stopping })(app)
  }
