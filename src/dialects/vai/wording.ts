// Errors in FastAPI's format: `detail` is a sentence or, for a 422, the list of invalid fields.
import { Type } from 'typebox'
import { anyJson } from '#contract/common.ts'
import type { RefusalCode } from '#core/error.ts'
import type { Surface } from '#http/openapi/openapi.ts'
import { DialectRefusal, STATUS, type Wording } from '#http/problems.ts'

export type FieldError = {
  type: string
  loc: readonly ['path' | 'query', string]
  msg: string
  input: string
  ctx?: Record<string, unknown>
}

/** One or more invalid parameters. */
export class BadParameters extends DialectRefusal {
  readonly errors: readonly FieldError[]
  constructor(errors: readonly FieldError[]) {
    super(422, 'validation_error', errors.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; '))
    this.errors = errors
  }
}

/** The introduction of this dialect's OpenAPI document. */
export const SURFACE: Surface = {
  title: 'VirtuousAI on Runyard',
  summary: "VirtuousAI's Events API.",
  description: `Send the key as \`Authorization: Bearer <key>\`. Errors are \`{detail}\`: a sentence or, for a 422, a list of
the invalid parameters.`,
  errorBody: Type.Object({ detail: anyJson('What went wrong: a sentence, or a list of parameters.') }),
  statusOf: (code) => STATUS[code],
}

const SENTENCES: Partial<Record<RefusalCode, string>> = {
  route_not_found: 'Not Found',
  method_not_allowed: 'Method Not Allowed',
  event_not_found: 'Event not found',
}

export const wordProblem: Wording = ({ status }, { refusal }) => {
  if (!refusal) return { status: 500, body: { detail: 'Internal Server Error' } }
  if (refusal instanceof BadParameters) return { status: 422, body: { detail: refusal.errors } }
  if (refusal instanceof DialectRefusal) return { status: refusal.status, body: { detail: refusal.message } }
  return { status, body: { detail: SENTENCES[refusal.code] ?? refusal.message } }
}
