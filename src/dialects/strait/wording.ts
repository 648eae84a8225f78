// Errors in Strait's format: `error` is a sentence, `code` is stable, validation is 400.

import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { optional } from '#contract/common.ts'
import type { Route } from '#contract/route.ts'
import { Refusal, type RefusalCode } from '#core/error.ts'
import { own } from '#core/own.ts'
import type { Surface } from '#http/openapi/openapi.ts'
import { DialectRefusal, STATUS, snakeCase, type Wording } from '#http/problems.ts'
import { normalizeId } from '#postgres/id.ts'
import { neededScope } from './admin-scopes.ts'

/** Statuses and codes that differ from the native ones; the others follow `CODE_OF_STATUS`. */
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

const ErrorResponse = Type.Object(
  {
    error: Type.String({ description: 'A sentence for people; may change between versions.' }),
    code: Type.String({ description: 'Stable code.' }),
    details: optional(Type.Array(Type.String(), { description: 'Invalid fields, as `field: what is wrong`.' })),
    request_id: Type.String({ description: 'Id of the request, also in the X-Request-Id header.' }),
  },
  { title: 'ErrorResponse' },
)

/** The introduction of this dialect's OpenAPI document. */
export const SURFACE: Surface = {
  title: 'Strait on Runyard',
  summary: "Strait's Runs API, its SDK plane, and the jobs and keys that they need.",
  description: `Lists are bare arrays of 50 items, or \`limit\` up to 100. The \`Link\` header names the next page, and
\`X-Next-Cursor\` is its \`cursor\`; a plain RFC 3339 time is accepted as a cursor too. Errors are
\`{error, code, details?, request_id}\`. Unknown fields are ignored.`,
  errorBody: ErrorResponse,
  statusOf: (code) => PRICED[code]?.status ?? STATUS[code],
  alsoOf,
}

function alsoOf({ needs, query, body }: Route): number[] {
  const names = (schema: unknown) => Object.keys((schema as { properties?: object } | undefined)?.properties ?? {})
  return [
    // The status of a refused run token says what happened to its attempt.
    ...(needs === 'run_token' ? [401, 403, 409, 410] : []),
    // A project other than the key's is not found when read, and forbidden when changed.
    ...(names(query).includes('project_id') ? [404] : []),
    ...(names(body).includes('project_id') ? [403] : []),
  ]
}

/** A refusal in Strait's own words, for rules that the native API words differently. */
export const straitRefusal = (status: number, sentence: string, code = CODE_OF_STATUS[status] ?? 'bad_request') =>
  new DialectRefusal(status, code, sentence)

type Words = Partial<Record<RefusalCode, readonly [status: number, sentence: string]>>

/** An action whose refusals this operation words in its own way. */
export const inWords = <T>(action: Promise<T>, words: Words): Promise<T> =>
  action.catch((error: unknown) => {
    const said = error instanceof Refusal ? words[error.code] : undefined
    throw said ? straitRefusal(...said) : error
  })

/** On the SDK plane the run token is the only credential, and is valid for its own run only. */
function ofSdkPlane(refusal: Refusal, { routeOptions, caller, params }: FastifyRequest): DialectRefusal | undefined {
  if (routeOptions.config?.route?.needs !== 'run_token') return undefined
  if (refusal.code === 'wrong_credential') return straitRefusal(401, 'a run token is required')
  if (caller?.kind === 'run') {
    if (refusal.code === 'run_over') return straitRefusal(410, 'run already in terminal state')
    if (refusal.code === 'wrong_state') return straitRefusal(409, 'run is not executing')
    if (refusal.code === 'stale_lease') {
      const { latestAttempt = caller.attempt } = refusal.details as { latestAttempt?: number }
      return latestAttempt === caller.attempt
        ? straitRefusal(409, 'run lease is no longer held')
        : straitRefusal(401, 'run token is of an earlier attempt')
    }
  }
  const { run_id } = (params ?? {}) as { run_id?: string }
  return refusal.code === 'run_not_found' && caller?.kind === 'run' && caller.runId !== normalizeId(run_id ?? '')
    ? straitRefusal(403, 'run token does not belong to this run')
    : undefined
}

export const wordProblem: Wording = (problem, { refusal: refused, request }) => {
  if (!refused) return body(500, 'internal_error', 'internal server error', request.id)
  const refusal = refused instanceof Refusal ? (ofSdkPlane(refused, request) ?? refused) : refused
  if (refusal instanceof DialectRefusal)
    return body(refusal.status, refusal.code, refusal.message, request.id, refusal.details)
  const { status, code } = PRICED[refusal.code] ?? {
    status: problem.status,
    code: CODE_OF_STATUS[problem.status] ?? snakeCase(refusal.code),
  }
  const details = (problem.error.details?.fields as { field: string; message: string }[] | undefined)?.map(
    ({ field, message }) => `${field}: ${message}`,
  )
  return body(status, code, fieldSentence(refusal, request) ?? sentenceOf(refusal), request.id, details)
}

const body = (status: number, code: string, error: string, requestId: string, details?: readonly string[]) => ({
  status,
  body: { error, code, ...(details && { details }), request_id: requestId },
})

const QUERY_SENTENCES: Readonly<Record<string, string>> = {
  limit: 'limit must be a positive integer',
  status: 'status is invalid',
}

/** For parameters of lists that have a sentence of Strait's own. */
function fieldSentence(refusal: Refusal, { method }: FastifyRequest): string | undefined {
  const { fields = [] } = refusal.details as { fields?: { field: string }[] }
  return method === 'GET' && fields.length === 1 ? own(QUERY_SENTENCES, fields[0]!.field) : undefined
}

/** Strait's sentences, where its clients know them. */
function sentenceOf(refusal: Refusal): string {
  switch (refusal.code) {
    case 'run_not_found':
      return 'run not found'
    case 'job_not_found':
      return 'job not found'
    case 'forbidden':
      return `insufficient permissions: requires ${neededScope((refusal.details as { scope: string }).scope)}`
    case 'job_disabled':
      return 'job is disabled'
    case 'job_paused':
      return 'job is paused'
    case 'invalid_cursor':
      return 'invalid cursor format'
    case 'run_over':
      return 'run already in terminal state'
    case 'wait_not_found':
      return 'no run is waiting for this event'
    case 'wait_key_taken':
      return 'event_key is already in use'
    case 'checkpoint_not_found':
      return 'checkpoint not found'
    default:
      return refusal.message
  }
}
