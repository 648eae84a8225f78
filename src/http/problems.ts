// Maps refusals to HTTP statuses, and everything that can be thrown to one envelope.
import type { FastifyBaseLogger, FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { Refusal, type RefusalCode, refuse } from '#core/error.ts'

export const STATUS = {
  malformed: 400,
  invalid_cursor: 400,
  unauthorized: 401,
  quota_exceeded: 402,
  forbidden: 403,
  exceeds_own_rights: 403,
  wrong_credential: 403,
  wrong_origin: 403,
  plan_feature_missing: 403,
  plan_limit_reached: 403,
  not_admitted: 403,
  route_not_found: 404,
  project_not_found: 404,
  key_not_found: 404,
  user_not_found: 404,
  invitation_not_found: 404,
  session_not_found: 404,
  job_not_found: 404,
  version_not_found: 404,
  run_not_found: 404,
  file_not_found: 404,
  hook_not_found: 404,
  event_not_found: 404,
  correlation_not_found: 404,
  checkpoint_not_found: 404,
  value_not_found: 404,
  wait_not_found: 404,
  webhook_not_found: 404,
  delivery_not_found: 404,
  alert_rule_not_found: 404,
  alert_channel_not_found: 404,
  agent_not_found: 404,
  tool_not_found: 404,
  tool_server_not_found: 404,
  lease_not_found: 404,
  authorization_not_found: 404,
  input_not_found: 404,
  dependency_not_found: 404,
  preset_not_found: 404,
  price_not_found: 404,
  batch_not_found: 404,
  operation_not_found: 404,
  method_not_allowed: 405,
  project_exists: 409,
  email_taken: 409,
  last_owner: 409,
  key_not_rotatable: 409,
  job_exists: 409,
  job_paused: 409,
  job_disabled: 409,
  job_external: 409,
  job_busy: 409,
  job_needed: 409,
  pause_requested: 409,
  run_over: 409,
  wrong_state: 409,
  run_external: 409,
  stale_lease: 409,
  payload_gone: 409,
  depth_exceeded: 409,
  wait_key_taken: 409,
  wait_mismatch: 409,
  wait_cycle: 409,
  not_lease_holder: 409,
  lease_over: 409,
  authorization_not_reserved: 409,
  input_over: 409,
  own_question: 403,
  dependency_exists: 409,
  dependency_cycle: 409,
  operation_over: 409,
  idempotency_mismatch: 409,
  idempotency_in_progress: 409,
  link_over: 410,
  too_large: 413,
  unsupported_media_type: 415,
  invalid: 422,
  reserved_type: 422,
  endpoint_refused: 422,
  rate_limited: 429,
  job_rate_limited: 429,
  too_many_kept_events: 429,
  overloaded: 503,
  unavailable: 503,
} as const satisfies Record<RefusalCode, number> // A new code without a status does not compile.

export type ItemProblem = { code: string; message: string; details?: Record<string, unknown> }

/** A refusal as the error of one item of a batch. */
export function itemProblem({ code, message, details }: Refusal): ItemProblem {
  // For some refusals the message is the only field.
  const fields = Object.entries(details).filter(([, value]) => value !== message)
  if (fields.length === 0) return { code, message }
  // Field names are camelCase inside, and snake_case on the wire like all others.
  return { code, message, details: Object.fromEntries(fields.map(([key, value]) => [snakeCase(key), value])) }
}

export const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const INTERNAL: ItemProblem = {
  code: 'internal',
  message: 'Something went wrong on the side of Runyard; its log tells more under this request id.',
}

/** Whatever was thrown for one item of a batch: other items may be committed, so it is reported beside them. */
export function itemProblemOf(error: Error, request: FastifyRequest): ItemProblem {
  const refusal = refusalOf(error, request)
  if (!(error instanceof Refusal)) logProblem(request.log, error, refusal)
  return refusal ? itemProblem(refusal) : INTERNAL
}

export type Problem = { status: number; error: ItemProblem; headers: Record<string, string> }

/** The response to something thrown; a 500 reveals nothing about it. */
export function problemOf(refusal: Refusal | undefined): Problem {
  if (!refusal) return { status: 500, error: INTERNAL, headers: {} }
  const headers: Record<string, string> = {}
  const { retryAfterMs, allowed } = refusal.details as { retryAfterMs?: number; allowed?: string[] }
  if (retryAfterMs !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(retryAfterMs / 1000)))
  if (allowed) headers.allow = allowed.join(', ')
  if (refusal.code === 'unauthorized') headers['www-authenticate'] = 'Bearer realm="runyard"'
  return { status: STATUS[refusal.code], error: itemProblem(refusal), headers }
}

/** A refusal that only a dialect has, with the status, code and message that its clients know. */
export class DialectRefusal extends Error {
  override readonly name = 'DialectRefusal'
  readonly status: number
  readonly code: string
  readonly details: readonly string[] | undefined
  constructor(status: number, code: string, sentence: string, details?: readonly string[]) {
    super(sentence)
    this.status = status
    this.code = code
    this.details = details
  }
}

/** How an API words an error: its own status, body and headers. `refusal` is undefined for a bug of ours. */
export type Wording = (
  problem: Problem,
  about: { refusal: Refusal | DialectRefusal | undefined; request: FastifyRequest },
) => { status: number; body: object }

const nativeWording: Wording = ({ status, error }, { request }) => ({
  status,
  body: { error, request_id: request.id },
})

/** Answers a request with what was thrown: bugs are logged in full, refusals in a line. */
export const problemSender =
  (word: Wording) =>
  (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const known = refusalOf(error, request)
    const problem = problemOf(known)
    const refusal = error instanceof DialectRefusal ? error : known
    const { status, body } = word(problem, { refusal, request })
    logProblem(request.log, error, refusal)
    // When a parser fails the connection must usually be closed; but these two had read the body to its end.
    if (refusal?.code === 'malformed' || refusal?.code === 'invalid') reply.removeHeader('connection')
    return reply
      .code(status)
      .headers(problem.headers)
      .type('application/json; charset=utf-8')
      .send(JSON.stringify(body))
  }

export const sendProblem = problemSender(nativeWording)

function logProblem(log: FastifyBaseLogger, error: unknown, refusal: Refusal | DialectRefusal | undefined): void {
  if (!refusal) log.error({ err: error }, 'a request failed')
  else if (refusal.code === 'unavailable' && error !== refusal) log.warn({ err: error }, refusal.message)
  else log.info({ code: refusal.code }, refusal.message)
}

/** The refusal for something thrown; undefined when it is a bug of ours. */
export function refusalOf(error: unknown, request: FastifyRequest): Refusal | undefined {
  if (error instanceof Refusal) return error
  if (isOutage(error)) return refuse('unavailable', { what: 'The database', retryAfterMs: 1000 })
  return refusalOfFramework(error as FastifyError, request)
}

// Errors that Fastify itself throws before a handler runs.
function refusalOfFramework(error: FastifyError, request: FastifyRequest): Refusal | undefined {
  switch (error?.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return refuse('too_large', { what: 'The body', bytesMax: request.routeOptions.bodyLimit ?? 0 })
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE': {
      const { consumes = [] } = request.routeOptions.config?.route ?? {}
      const contentType = request.headers['content-type'] ?? 'a body without a content type'
      return refuse('unsupported_media_type', { contentType, takes: ['application/json', ...consumes] })
    }
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return refuse('route_not_found', { method: request.method, path: 'such a long path' })
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return refuse('malformed', { reason: 'The body is not as long as its Content-Length says.' })
    case 'FST_ERR_BAD_URL':
      return refuse('malformed', { reason: 'The path is not valid percent-encoded UTF-8.' })
  }
  // The client disconnected during its body: nobody reads the response, and it is not a bug.
  if (error?.code === 'ECONNRESET' && request.raw.destroyed)
    return refuse('malformed', { reason: 'The body broke off.' })
  const status = error?.statusCode
  return status !== undefined && status >= 400 && status < 500
    ? refuse('malformed', { reason: error.message })
    : undefined
}

// The driver's codes for a lost or refused connection.
const LOST = new Set([
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  'CONNECT_TIMEOUT',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
])
// Classes of SQLSTATE: 08 connection, 28 and 3D a refused connection, 53 out of resources, 57 stopped or canceled
// by the operator or a timeout, 58 system errors; and single codes: deadlock, serialisation, lock and idle
// timeouts, a read-only server.
const LOST_SQLSTATE = /^(?:08|28|3D|53|57|58)|^(?:40001|40P01|55P03|25P03|25P04|25006)$/

/**
 * The database is unavailable, or so busy that a statement was canceled: the same request may succeed shortly after.
 */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code, syscall } = error as Error & { code?: unknown; syscall?: unknown }
  if (typeof code !== 'string') return false
  if (error.name === 'PostgresError') return LOST_SQLSTATE.test(code)
  // A system error without a syscall comes from a connection of our own client that nobody waits on any more.
  return LOST.has(code) && (code.startsWith('CONNECT') || syscall !== undefined)
}
