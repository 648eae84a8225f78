// One call: bounded in time, and repeated a few times where a repetition can do no harm.
import type { Route } from '#contract/route.ts'
import { answeredError, RunyardError } from './error.ts'
import { requestOf, type WireRequest } from './request.ts'
import { backOffMs, sleep } from './sleep.ts'

export type CallOptions = {
  signal?: AbortSignal
  /** For each try; 30 s when left out. */
  timeoutMs?: number
  /** Sent as Idempotency-Key; with it the call is repeated when its answer is lost. */
  idempotencyKey?: string
  /** The caller knows that doing it twice does no harm. */
  repeatable?: boolean
  /** Tries after the first; 3 when left out. */
  retriesMax?: number
}

export type Connection = { baseUrl: string; credential: string | undefined }

const TIMEOUT_MS = 30_000
const RETRIES_MAX = 3
/** A server that asks for more than this is told to the caller rather than waited for. */
const RETRY_AFTER_MS_MAX = 60_000

export async function callRoute(
  connection: Connection,
  route: Route,
  { input, options }: { input: Record<string, unknown>; options: CallOptions },
): Promise<unknown> {
  const request = requestOf(route, input)
  const { idempotencyKey = input.idempotency_key, retriesMax = RETRIES_MAX, signal } = options
  const safe = route.method === 'GET' || idempotencyKey !== undefined || options.repeatable === true
  for (let tries = 0; ; tries++) {
    try {
      return await tryOnce(connection, route, { request, options })
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof RunyardError) || tries >= retriesMax || !mayRepeat(error, safe)) throw error
      await sleep(pauseMs(error, tries), signal)
    }
  }
}

type Try = { request: WireRequest; options: CallOptions }

async function tryOnce(connection: Connection, route: Route, { request, options }: Try): Promise<unknown> {
  const timeout = AbortSignal.timeout(Math.ceil(options.timeoutMs ?? TIMEOUT_MS))
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout
  try {
    const response = await send(connection, { request, signal, idempotencyKey: options.idempotencyKey })
    const reply = route.replies[response.status]
    if (reply === undefined) throw await answeredError(response)
    if (route.produces === 'application/octet-stream') return new Uint8Array(await response.arrayBuffer())
    const text = await response.text()
    if (reply === null) return undefined
    return route.produces ? text : JSON.parse(text)
  } catch (error) {
    if (error instanceof RunyardError) throw error
    throw unanswered(error, timeout.aborted, `${request.method} ${request.target}`)
  }
}

export type Sending = {
  request: Pick<WireRequest, 'method' | 'target'> & { body?: string | undefined }
  signal: AbortSignal
  idempotencyKey?: string | undefined
  headers?: Record<string, string>
}

export function send({ baseUrl, credential }: Connection, sending: Sending): Promise<Response> {
  const { request, signal, idempotencyKey, headers } = sending
  return fetch(baseUrl.replace(/\/+$/, '') + request.target, {
    method: request.method,
    headers: {
      accept: 'application/json',
      ...(credential !== undefined && { authorization: `Bearer ${credential}` }),
      ...(request.body !== undefined && { 'content-type': 'application/json' }),
      ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
      ...headers,
    },
    ...(request.body !== undefined && { body: request.body }),
    signal,
    // The API never redirects: whoever does stands in between, and is not to be handed the credential.
    redirect: 'error',
  })
}

/** There was no answer, or it broke off. */
export function unanswered(cause: unknown, late: boolean, what: string): RunyardError {
  const reason = late ? 'no answer in time' : reasonOf(cause)
  return new RunyardError({
    status: 0,
    code: late ? 'timeout' : 'unreachable',
    message: `${what}: ${reason}`,
    cause,
    ...(isRefused(cause) && { details: { refused: true } }),
  })
}

/** fetch wraps what happened into "fetch failed", and several addresses into one error more. */
function reasonOf(error: unknown): string {
  const { message, cause, errors } = (error ?? {}) as { message?: string; cause?: unknown; errors?: unknown[] }
  if (cause !== undefined) return reasonOf(cause)
  if (Array.isArray(errors) && errors.length > 0) return errors.map(reasonOf).join(', ')
  return message || String(error)
}

function isRefused(error: unknown): boolean {
  const { code, cause } = (error ?? {}) as { code?: string; cause?: unknown }
  return code === 'ECONNREFUSED' || (cause !== undefined && isRefused(cause))
}

/** Another try may help; for a call that is not safe to repeat, only when nothing was done by this one. */
function mayRepeat(error: RunyardError, safe: boolean): boolean {
  if ((error.retryAfterMs ?? 0) > RETRY_AFTER_MS_MAX) return false
  if (error.status === 429 || error.code === 'overloaded' || error.details.refused === true) return true
  return safe && (error.status === 0 || (error.status >= 502 && error.status <= 504))
}

/** What the server asked for, and a little more, so that all who were told the same do not come back together. */
const pauseMs = ({ retryAfterMs }: RunyardError, tries: number): number =>
  retryAfterMs === undefined ? backOffMs(tries) : retryAfterMs + backOffMs(0)
