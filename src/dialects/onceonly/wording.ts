// Errors in OnceOnly's format: `{detail}`, which is a sentence, an object with `error` or, for a 422,
// the list of invalid fields.
import type { IncomingHttpHeaders } from 'node:http'
import { Type } from 'typebox'
import { anyJson } from '#contract/common.ts'
import { Refusal, type RefusalCode, type RefusalDetails } from '#core/error.ts'
import { PLAN_NAMES, PLANS } from '#core/usage/plan.ts'
import type { Surface } from '#http/openapi/openapi.ts'
import { DialectRefusal, STATUS, type Wording } from '#http/problems.ts'

export type FieldError = { type: string; loc: readonly (string | number)[]; msg: string; input: unknown }
export type Detail = string | { error: string; message?: string; [more: string]: unknown } | readonly FieldError[]

export class OnceRefusal extends DialectRefusal {
  readonly detail: Detail
  constructor(status: number, detail: Detail) {
    super(status, codeOf(detail), sentenceOf(detail))
    this.detail = detail
  }
}

/** A refusal in OnceOnly's own words: `detail` is sent as it is. */
export const onceRefusal = (status: number, detail: Detail): OnceRefusal => new OnceRefusal(status, detail)

/** An invalid field, for rules that a schema cannot express. `loc` begins with body, query or path. */
export const fieldRefusal = (loc: readonly (string | number)[], msg: string, input: unknown): OnceRefusal =>
  onceRefusal(422, [{ type: 'value_error', loc, msg: `Value error, ${msg}`, input }])

/** The introduction of this dialect's OpenAPI document. */
export const SURFACE: Surface = {
  title: 'OnceOnly on Runyard',
  summary: "OnceOnly's locks, leases, governed calls, runs and events.",
  description: `Send the key as \`Authorization: Bearer <key>\`. Errors are \`{detail}\`: a sentence, an object with
\`error\` or, for a 422, a list of the invalid fields. A call that the agent's policy blocks is not an error:
the response is 200 with \`allowed\` false.`,
  errorBody: Type.Object({ detail: anyJson('What went wrong: a sentence, an object, or a list of fields.') }),
  statusOf: (code) => STATUSES[code] ?? STATUS[code],
  // Routes that count against a plan's month may answer 402.
  alsoOf: ({ method, needs }) => {
    // Unknown query parameters are refused, even on routes that have none.
    if (method === 'GET') return [422]
    return method === 'POST' && needs === 'runs:write' ? [402] : []
  },
}

const STATUSES: Partial<Record<RefusalCode, number>> = { reserved_type: 422 }

export const wordProblem: Wording = ({ status, error }, { refusal, request }) => {
  if (!refusal) return say(500, 'Internal Server Error')
  if (refusal instanceof OnceRefusal) return say(refusal.status, refusal.detail)
  if (!(refusal instanceof Refusal)) return say(refusal.status, refusal.message)
  switch (refusal.code) {
    // Clients distinguish a missing key from an invalid one by status and sentence.
    case 'unauthorized':
      return hasCredential(request.headers)
        ? say(403, 'Invalid API key')
        : say(401, 'Missing Authorization Bearer token')
    case 'wrong_credential':
      return say(403, 'Invalid API key')
    case 'forbidden':
      return say(403, { error: 'forbidden', message: refusal.message })
    case 'quota_exceeded':
      return say(402, paymentRequired(refusal.details as RefusalDetails<'quota_exceeded'>))
    // Clients tell these 403s from one of a bad key by their error.
    case 'plan_feature_missing':
      return say(403, { error: 'feature_not_available', message: refusal.message })
    case 'plan_limit_reached':
      return say(403, { error: 'plan_limit', message: refusal.message })
    case 'invalid':
      return say(422, fieldsOf(refusal, request.method === 'GET' ? 'query' : 'body'))
    case 'malformed':
      return say(422, [
        { type: 'json_invalid', loc: ['body'], msg: `JSON decode error: ${refusal.message}`, input: {} },
      ])
    case 'route_not_found':
      return say(404, 'Not Found')
    case 'method_not_allowed':
      return say(405, 'Method Not Allowed')
    // Overloaded: clients treat a 5xx of a lock as permission to proceed, which this is not.
    case 'overloaded':
      return say(429, refusal.message)
    default:
      return say(STATUSES[refusal.code] ?? status, { error: error.code, message: error.message })
  }
}

function paymentRequired({ plan, kind, limit, usage }: RefusalDetails<'quota_exceeded'>): Detail {
  const next = PLAN_NAMES[PLAN_NAMES.indexOf(plan) + 1]
  return {
    error: 'payment_required',
    highlights: next
      ? [`The plan ${next} has room for ${PLANS[next].months[kind]} calls a month, and goes on past them.`]
      : [],
    plan,
    limit,
    usage,
    // Plans are given by whoever runs the installation; there is nothing to buy.
    upgrade_url: null,
  }
}

/** Clients expect the detail of a 429 to be a sentence. */
const say = (status: number, detail: Detail) => ({
  status,
  body: { detail: status === 429 ? sentenceOf(detail) : detail },
})

const hasCredential = ({ authorization = '', 'x-api-key': apiKey }: IncomingHttpHeaders): boolean =>
  Boolean(apiKey) || /^Bearer +\S/i.test(authorization)

/** Errors from reading the body, before any validation. */
function fieldsOf({ details }: Refusal, where: string): FieldError[] {
  const { fields = [] } = details as { fields?: { field: string; message: string }[] }
  return fields.map(({ field, message }) => ({
    type: 'value_error',
    loc: [where, ...field.split('.')],
    msg: `Value error, ${message}`,
    input: null,
  }))
}

const codeOf = (detail: Detail): string =>
  typeof detail === 'string' ? 'refused' : 'error' in detail ? detail.error : 'invalid'

function sentenceOf(detail: Detail): string {
  if (typeof detail === 'string') return detail
  if ('error' in detail) return detail.message ?? detail.error
  return (detail as readonly FieldError[]).map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; ')
}
