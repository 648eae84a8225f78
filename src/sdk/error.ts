// The only error that calls throw: what the server answered, or that it did not answer.

type Answered = {
  /** HTTP status; 0 when there was no reply. */
  status: number
  code: string
  message: string
  details?: Record<string, unknown>
  requestId?: string
  retryAfterMs?: number
  cause?: unknown
}

/**
 * A call that was refused, or that got no reply. `code` is one of those in [Errors](errors.md), which says what to
 * do about each.
 */
export class RunyardError extends Error {
  override readonly name = 'RunyardError'
  readonly status: number
  /** Stable, as documented in the API. Without a reply: `unreachable` or `timeout`. */
  readonly code: string
  readonly details: Record<string, unknown>
  /** Identifies the request in the server's log. */
  readonly requestId: string | undefined
  /** The wait that the server asked for before a retry. */
  readonly retryAfterMs: number | undefined

  constructor({ status, code, message, details = {}, requestId, retryAfterMs, cause }: Answered) {
    super(message, cause === undefined ? undefined : { cause })
    this.status = status
    this.code = code
    this.details = details
    this.requestId = requestId
    this.retryAfterMs = retryAfterMs
  }
}

/** A retry would give the same answer: a refused key stays refused, and so does an invalid request. */
export const isHopeless = (error: unknown): boolean =>
  !(error instanceof RunyardError) ||
  (error.status >= 400 && error.status < 500 && error.status !== 408 && error.status !== 429)

/** The error for a reply. A proxy in between may have answered in its own format. */
export async function answeredError(response: Response): Promise<RunyardError> {
  const text = await response.text().catch(() => '')
  const { error, request_id } = envelopeOf(text)
  const requestId = request_id ?? response.headers.get('x-request-id') ?? undefined
  const retryAfterMs = retryAfterOf(response.headers.get('retry-after'))
  return new RunyardError({
    status: response.status,
    code: error?.code ?? `http_${response.status}`,
    message: error?.message ?? `The server answered ${response.status} ${response.statusText}.`,
    ...(error?.details && { details: error.details }),
    ...(requestId !== undefined && { requestId }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

type Envelope = {
  error?: { code?: string; message?: string; details?: Record<string, unknown> }
  request_id?: string
}

function envelopeOf(text: string): Envelope {
  try {
    const value = JSON.parse(text) as Envelope | null
    return typeof value?.error === 'object' ? value : {}
  } catch {
    return {}
  }
}

/** Whole seconds, the only form that Runyard sends. */
function retryAfterOf(header: string | null): number | undefined {
  return header !== null && /^\d{1,6}$/.test(header) ? Number(header) * 1000 : undefined
}
