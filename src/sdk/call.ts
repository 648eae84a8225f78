// One call: with a timeout, and retried a few times where that does no harm.
import type { Route } from '#contract/route.ts'
import { answeredError, RunyardError } from './error.ts'
import { requestOf, type WireRequest } from './request.ts'
import { backOffMs, sleep } from './sleep.ts'

/**
 * How one call of the client is made. A call that does no harm when it is made twice is retried when its reply is
 * lost, and any call when the server says that it was not done, or to try again within 30 s (429, `overloaded`).
 */
export type CallOptions = {
  signal?: AbortSignal
  /** Timeout of each attempt; defaults to 30 s. */
  timeoutMs?: number
  /** Sent as Idempotency-Key; with it the call is retried when its reply is lost. */
  idempotencyKey?: string
  /** Asserted by the caller: doing it twice does no harm. */
  repeatable?: boolean
  /** Number of retries; defaults to 3. */
  retriesMax?: number
}

export type Connection = { baseUrl: string; credential: string | undefined }

const TIMEOUT_MS = 30_000
const RETRIES_MAX = 3
/** What a timer of JavaScript holds, 24 days; a longer one would end at once. */
const TIMER_MS_MAX = 2 ** 31 - 1
/** A longer Retry-After is reported to the caller instead of being waited for. */
const RETRY_AFTER_MS_MAX = 60_000

type Calling = { input: Record<string, unknown>; options: CallOptions }

/** The reply as a value, as the route's schema describes it. */
export async function callRoute(connection: Connection, route: Route, calling: Calling): Promise<unknown> {
  const { bytes, text } = await callForReply(connection, route, calling)
  if (text === undefined) return bytes
  return route.produces ? text : JSON.parse(text)
}

/** Bytes where the route produces them, nothing when the reply has no body, or else its text. */
export type Reply = { bytes?: Uint8Array; text?: string }

/** The reply as it came. `bodyText` is sent as the body instead of what the input says. */
export async function callForReply(
  connection: Connection,
  route: Route,
  { input, options, bodyText }: Calling & { bodyText?: string | undefined },
): Promise<Reply> {
  const request = { ...requestOf(route, input), ...(bodyText !== undefined && { body: bodyText }) }
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

async function tryOnce(connection: Connection, route: Route, { request, options }: Try): Promise<Reply> {
  const timeout = AbortSignal.timeout(Math.min(Math.ceil(options.timeoutMs ?? TIMEOUT_MS), TIMER_MS_MAX))
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout
  try {
    const response = await send(connection, { request, signal, idempotencyKey: options.idempotencyKey })
    const reply = route.replies[response.status]
    if (reply === undefined) throw await answeredError(response)
    if (route.produces === 'application/octet-stream') return { bytes: new Uint8Array(await response.arrayBuffer()) }
    const text = await response.text()
    return reply === null ? {} : { text }
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
    // The API never redirects: a redirect comes from something in between, which must not get the credential.
    redirect: 'error',
  })
}

/** There was no reply, or it broke off. */
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

/** fetch wraps the cause into "fetch failed", and several addresses into one more error. */
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

/** Whether a retry may succeed; for a call that is not safe to repeat, only if nothing was done. */
function mayRepeat(error: RunyardError, safe: boolean): boolean {
  if ((error.retryAfterMs ?? 0) > RETRY_AFTER_MS_MAX) return false
  if (error.status === 429 || error.code === 'overloaded' || error.details.refused === true) return true
  return safe && (error.status === 0 || (error.status >= 502 && error.status <= 504))
}

/** The Retry-After, plus jitter, so that clients with the same one do not retry together. */
const pauseMs = ({ retryAfterMs }: RunyardError, tries: number): number =>
  retryAfterMs === undefined ? backOffMs(tries) : retryAfterMs + backOffMs(0)
