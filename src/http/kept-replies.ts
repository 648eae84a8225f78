// Idempotency-Key on calls that change something: a repeated key gets the reply of the first call, and the call
// does nothing. Triggers have their own rules (they return the run), and handle the key before this does.
import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { freeReply, keepReply, reserveReply } from '#access/reply-cache.sql.ts'
import { refuse } from '#core/error.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import type { Sql } from '#postgres/sql.ts'
import { idempotencyKeyOf } from './caller.ts'
import { keepsReply } from './keeps-reply.ts'

const KEPT_SECS = 24 * 3600
/** How long a call may take before its key is considered abandoned by a crash. */
const IN_PROGRESS_SECS = 120

declare module 'fastify' {
  interface FastifyRequest {
    /** The key that this request holds until its reply is stored. */
    reservedKey: { projectId: string; key: string } | null
  }
}

export function keepReplies(app: FastifyInstance, sql: Sql): void {
  app.decorateRequest('reservedKey', null)

  app.addHook('preHandler', async (request, reply) => {
    const { route } = request.routeOptions.config
    const { caller } = request
    if (!route || !keepsReply(route) || !caller || caller.kind === 'run' || caller.kind === 'view') return
    const key = idempotencyKeyOf(request)
    if (key === undefined) return
    const fingerprint = fingerprintOf(request)
    const held = await reserveReply(sql, { projectId: caller.projectId, key, fingerprint, seconds: IN_PROGRESS_SECS })
    if (!held) {
      request.reservedKey = { projectId: caller.projectId, key }
      return
    }
    if (held.fingerprint !== fingerprint) throw refuse('idempotency_mismatch', { key })
    if (held.status === null) throw refuse('idempotency_in_progress', { key })
    return replay(reply, held.status, held.body ?? '')
  })

  app.addHook('onSend', async (request, reply, payload: unknown) => {
    const reserved = request.reservedKey
    if (!reserved) return payload
    request.reservedKey = null
    const { statusCode } = reply
    if (statusCode >= 300) await freeReply(sql, reserved.projectId, reserved.key)
    else
      await keepReply(sql, {
        ...reserved,
        status: statusCode,
        body: typeof payload === 'string' ? payload : '',
        seconds: KEPT_SECS,
      })
    return payload
  })
}

function replay(reply: FastifyReply, status: number, body: string): FastifyReply {
  reply.code(status).header('idempotency-replayed', 'true')
  return body === '' ? reply.send() : reply.type('application/json; charset=utf-8').send(body)
}

const fingerprintOf = ({ method, url, body }: FastifyRequest): string =>
  createHash('sha256')
    .update(`${method} ${url}\n${canonicalJson(body ?? null)}`)
    .digest('hex')
