// The address of a hook, outside the contract: third parties call it in their own way.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { RateLimiter } from '#access/rate-limit.ts'
import { holdBackWrongKeys } from '#access/wrong-keys.ts'
import type { Ctx } from '#bell/ctx.ts'
import { refuse } from '#core/error.ts'
import { hashSecret } from '#hooks/change-hooks.ts'
import { findHookOf } from '#hooks/hooks.sql.ts'
import { receiveHook } from '#hooks/receive-hook.ts'
import { headerText } from '../../input/header-text.ts'

const CALL_BYTES_MAX = 256 * 1024

/** With any body. */
export function receivingRoute(scope: FastifyInstance, ctx: Ctx, limiter: RateLimiter): void {
  const holdBack = holdBackWrongKeys()
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, bytes, done) => done(null, bytes))
  scope.post<{ Params: { secret: string } }>(
    '/hooks/:secret',
    { bodyLimit: CALL_BYTES_MAX },
    async (request, reply) => {
      const { secret } = request.params
      const hook = await findHookOf(ctx.sql, hashSecret(secret))
      if (!hook) {
        await holdBack(request.ip, secret)
        throw refuse('hook_not_found', {})
      }
      await limiter.take(`hook:${hook.id}`, hook.rateLimitPerMinute)
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
      const query = request.url.split('?').slice(1).join('?')
      const received = await receiveHook(ctx, hook, { headers: headersOf(request), query, body })
      return reply.code('challenge' in received ? 200 : 202).send(received)
    },
  )
}

const headersOf = ({ headers }: FastifyRequest): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (typeof value === 'string' ? [[name, headerText(value)]] : [])),
  )
