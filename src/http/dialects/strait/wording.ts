// What goes wrong, as Strait's page shows it: `error` is a sentence, `code` is stable, validation is 400.
import type { Refusal } from '#core/error.ts'
import { DialectRefusal, snakeCase, type Wording } from '../../problems.ts'

/** Statuses and codes that differ from the native ones; the rest go by `CODE_OF_STATUS`. */
const PRICED: Readonly<Partial<Record<Refusal['code'], { status: number; code: string }>>> = {
  invalid: { status: 400, code: 'validation_error' },
  invalid_cursor: { status: 400, code: 'validation_error' },
  endpoint_refused: { status: 400, code: 'validation_error' },
  reserved_type: { status: 400, code: 'validation_error' },
  job_disabled: { status: 400, code: 'bad_request' },
  job_external: { status: 400, code: 'bad_request' },
  depth_exceeded: { status: 400, code: 'bad_request' },
}

const CODE_OF_STATUS: Readonly<Record<number, string>> = {
  400: 'bad_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  409: 'conflict',
  410: 'gone',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
  422: 'validation_error',
  429: 'rate_limited',
  500: 'internal_error',
  503: 'service_unavailable',
}

/** A refusal in Strait's own words, for rules that Strait has and the native surface words differently. */
export const straitRefusal = (status: number, sentence: string, code = CODE_OF_STATUS[status] ?? 'bad_request') =>
  new DialectRefusal(status, code, sentence)

export const wordProblem: Wording = (problem, { refusal, request }) => {
  if (!refusal) return body(500, 'internal_error', 'internal server error', request.id)
  if (refusal instanceof DialectRefusal)
    return body(refusal.status, refusal.code, refusal.message, request.id, refusal.details)
  const { status, code } = PRICED[refusal.code] ?? {
    status: problem.status,
    code: CODE_OF_STATUS[problem.status] ?? snakeCase(refusal.code),
  }
  const details = (problem.error.details?.fields as { field: string; message: string }[] | undefined)?.map(
    ({ field, message }) => `${field}: ${message}`,
  )
  return body(status, code, sentenceOf(refusal), request.id, details)
}

const body = (status: number, code: string, error: string, requestId: string, details?: readonly string[]) => ({
  status,
  body: { error, code, ...(details && { details }), request_id: requestId },
})

/** The product's sentences where its clients know them. */
function sentenceOf(refusal: Refusal): string {
  switch (refusal.code) {
    case 'run_not_found':
      return 'run not found'
    case 'job_not_found':
      return 'job not found'
    case 'forbidden':
      return `insufficient permissions: requires ${(refusal.details as { scope: string }).scope}`
    case 'job_disabled':
      return 'job is disabled'
    case 'checkpoint_not_found':
      return 'checkpoint not found'
    default:
      return refusal.message
  }
}
