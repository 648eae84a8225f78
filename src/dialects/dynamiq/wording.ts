// Errors in Dynamiq's format: few codes, short messages, and `details` with a sentence for each field.
import { Type } from 'typebox'
import { optional } from '#contract/common.ts'
import type { FieldProblem, Refusal } from '#core/error.ts'
import type { Surface } from '#http/openapi/openapi.ts'
import { DialectRefusal, STATUS, type Wording } from '#http/problems.ts'

/** Dynamiq has no 422: an invalid request is 400. */
const statusOf = (status: number): number => (status === 422 ? 400 : status)

/** Without a wording of Dynamiq's own, our message is used. */
const WORDS: Readonly<Record<number, { code: string; message?: string }>> = {
  400: { code: 'bad_request', message: 'Bad Request' },
  401: { code: 'unauthorized', message: 'Unauthorized' },
  403: { code: 'forbidden', message: 'Forbidden' },
  404: { code: 'not_found', message: 'Not Found' },
  405: { code: 'method_not_allowed', message: 'Method Not Allowed' },
  409: { code: 'conflict' },
  413: { code: 'payload_too_large' },
  415: { code: 'unsupported_media_type' },
  429: { code: 'rate_limited' },
  503: { code: 'service_unavailable' },
}

const ErrorResponse = Type.Object(
  {
    error: Type.Object({
      code: Type.String({ description: 'Stable code.', examples: ['bad_request'] }),
      message: Type.String({ description: 'Short description of the error.', examples: ['Bad Request'] }),
      details: optional(
        Type.Unsafe<Record<string, string>>({
          type: 'object',
          additionalProperties: { type: 'string' },
          description: 'What is wrong with each field.',
        }),
      ),
    }),
  },
  { title: 'ErrorResponse' },
)

/** The introduction of this dialect's OpenAPI document. */
export const SURFACE: Surface = {
  title: 'Dynamiq on Runyard',
  summary: "Dynamiq's Runs API.",
  description: `An app is a job: the one named by the \`X-App-Id\` header or the parameter \`app\` (by id or slug), else the
job \`default\`, else the only job of the project. Replies are \`{data}\`, lists \`{data, pagination}\`, errors
\`{error: {code, message, details?}}\`. Unknown fields and parameters are ignored. The project is that of the key, so
resources of other projects are not found (404); 403 means that the key lacks a scope.`,
  errorBody: ErrorResponse,
  statusOf: (code) => statusOf(STATUS[code]),
}

export const wordProblem: Wording = (problem, { refusal }) => {
  if (!refusal) return { status: 500, body: { error: { code: 'internal_error', message: 'Internal Server Error' } } }
  const status = refusal instanceof DialectRefusal ? refusal.status : statusOf(problem.status)
  const words = WORDS[status]
  const details = refusal instanceof DialectRefusal ? undefined : detailsOf(refusal, status)
  return {
    status,
    body: {
      error: {
        code: words?.code ?? refusal.code,
        message: words?.message ?? refusal.message,
        ...(details && { details }),
      },
    },
  }
}

function detailsOf(refusal: Refusal, status: number): Record<string, string> | undefined {
  const { fields } = refusal.details as { fields?: readonly FieldProblem[] }
  if (fields) return detailsOfFields(fields)
  // The message is the same for all of them, so the reason is in the details.
  return status === 400 || status === 403 ? { request: refusal.message } : undefined
}

/** A field may have several errors. */
function detailsOfFields(fields: readonly FieldProblem[]): Record<string, string> {
  const details = new Map<string, string>()
  for (const { field, message } of fields) {
    const before = details.get(field)
    details.set(field, before === undefined ? message : `${before}; ${message}`)
  }
  return Object.fromEntries(details)
}
