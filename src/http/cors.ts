// Calls from pages of other origins (CORS), for those that the operator named. They bring a key: a session's cookie is
// never sent to another site, and none of these answers allows it.
import type { FastifyInstance } from 'fastify'

const EXPOSED =
  'x-request-id, retry-after, idempotency-replayed, x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset'
const HEADERS = 'authorization, content-type, x-api-key, idempotency-key, last-event-id, x-request-id, traceparent'
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE'
const REMEMBERED_SECS = 600

/** `*` among the origins stands for all of them. Before anything is checked, so that a page can read what it did wrong. */
export function allowOrigins(app: FastifyInstance, origins: ReadonlySet<string>): void {
  if (origins.size === 0) return
  const all = origins.has('*')
  app.addHook('onRequest', async (request, reply) => {
    // Streams answer past the framework, so that headers are set where both see them.
    const { raw } = reply
    if (!all) raw.setHeader('vary', 'origin')
    const { origin } = request.headers
    if (origin === undefined || !(all || origins.has(origin))) return undefined
    raw.setHeader('access-control-allow-origin', all ? '*' : origin)
    raw.setHeader('access-control-expose-headers', EXPOSED)
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return undefined
    raw.setHeader('access-control-allow-methods', METHODS)
    raw.setHeader('access-control-allow-headers', HEADERS)
    raw.setHeader('access-control-max-age', REMEMBERED_SECS)
    return reply.code(204).send()
  })
}
