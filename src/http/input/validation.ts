// Validates requests against the contract's schemas. Query and path are text, so their values are converted; a
// body is JSON, and its values are not: "3" is not a number there.

import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js'
import type { TSchema } from 'typebox'
import { ONE_TOOL, TOOL_OR_PREFIX } from '#contract/agents.ts'
import { PATH_TEXT } from '#contract/common.ts'
import { type FieldProblem, type Refusal, refuse } from '#core/error.ts'
import { own } from '#core/own.ts'
import { bodyValidator } from './body-validator.ts'
import { pointerPath, WHOLE } from './field-path.ts'
import { textFlaw } from './json.ts'
import { requestAjvs } from './request-ajv.ts'

const PROBLEMS_MAX = 50

const { bodies, texts: converting } = requestAjvs({
  formats: { 'date-time': isTime, uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i },
  coerceTypes: 'array',
})

const TIME = /^(\d{4})-(\d\d)-(\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/

/**
 * RFC 3339 with calendar checks: 30 February is refused. Restricted to years that the database and JSON can both
 * express.
 */
export function isTime(text: string): boolean {
  const [, year = '', month = '', day = ''] = TIME.exec(text) ?? []
  const instantMs = Date.parse(text)
  if (Number.isNaN(instantMs) || Number(year) < 1900 || instantMs > Date.UTC(9999, 11, 31)) return false
  return Number(day) <= new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
}

export type Check = (value: unknown) => FieldProblem[] | undefined

const checks = new WeakMap<object, Check>()

/** Validates a JSON value, and fills in defaults of the schema. Compiled once per schema. */
export function checkOf(schema: TSchema): Check {
  let check = checks.get(schema)
  if (!check) {
    const validate = bodyValidator(schema, bodies)
    check = (value) => {
      const errors = validate(value)
      return errors && problemsOf(errors)
    }
    checks.set(schema, check)
  }
  return check
}

type Compiled = (data: unknown) => { value: unknown } | { error: Refusal }

/** For Fastify: validates one part of a request. */
export function compileValidator(schema: TSchema, httpPart: string | undefined): Compiled {
  switch (httpPart) {
    case 'body':
      return bodyCheck(checkOf(schema))
    case 'params':
      return pathCheck(converting.compile(schema))
    default:
      return queryCheck(converting.compile(schema), commaListsOf(schema))
  }
}

const bodyCheck =
  (check: Check): Compiled =>
  (value) => {
    const fields = check(value)
    return fields ? { error: refuse('invalid', { fields }) } : { value }
  }

const queryCheck =
  (validate: ValidateFunction, lists: string[]): Compiled =>
  (data) => {
    const value = splitLists(data as Record<string, unknown>, lists)
    const fields = flawsOf(value) ?? (validate(value) ? infinitiesOf(value) : problemsOf(validate.errors ?? []))
    return fields ? { error: refuse('invalid', { fields }) } : { value }
  }

// An id that cannot exist is simply not found; only numbers in a path are worth an explanation.
const NOT_FOUND: Record<string, (id: string) => Refusal> = {
  run_id: (runId) => refuse('run_not_found', { runId }),
  job: (job) => refuse('job_not_found', { job }),
  correlation_id: (correlationId) => refuse('correlation_not_found', { correlationId }),
  file_id: (fileId) => refuse('file_not_found', { fileId }),
  event_id: (eventId) => refuse('event_not_found', { eventId }),
  key_id: (keyId) => refuse('key_not_found', { keyId }),
  user_id: (userId) => refuse('user_not_found', { userId }),
  invitation_id: (invitationId) => refuse('invitation_not_found', { invitationId }),
  session_id: (sessionId) => refuse('session_not_found', { sessionId }),
  project_id: (projectId) => refuse('project_not_found', { projectId }),
  key: (key) => refuse('value_not_found', { key }),
  operation_id: (operationId) => refuse('operation_not_found', { operationId }),
  batch_id: (batchId) => refuse('batch_not_found', { batchId }),
  dependency: (dependency) => refuse('dependency_not_found', { dependency }),
}

const pathCheck =
  (validate: ValidateFunction): Compiled =>
  (data) => {
    const value = data as Record<string, unknown>
    const fields = flawsOf(value) ?? (validate(value) ? infinitiesOf(value) : problemsOf(validate.errors ?? []))
    if (!fields) return { value }
    const refusals = fields.map(({ field }) => own(NOT_FOUND, field)?.(String(own(value, field))))
    return { error: refusals.find((refusal) => refusal !== undefined) ?? refuse('invalid', { fields }) }
  }

const commaListsOf = (schema: TSchema): string[] => {
  const { properties = {} } = schema as { properties?: Record<string, object> }
  return Object.keys(properties).filter(
    (name) => (own(properties, name) as Record<string, unknown>)['x-comma-list'] === true,
  )
}

function splitLists(data: Record<string, unknown>, lists: string[]): Record<string, unknown> {
  for (const name of lists) {
    const given = own(data, name)
    if (given === undefined) continue
    data[name] = [given]
      .flat()
      .flatMap((text) => String(text).split(','))
      .filter((text) => text !== '')
  }
  return data
}

// A percent-encoded NUL passes the URL parser, and PostgreSQL cannot store it.
function flawsOf(data: Record<string, unknown>): FieldProblem[] | undefined {
  const fields: FieldProblem[] = []
  for (const field of Object.keys(data)) {
    for (const text of [own(data, field)].flat()) {
      const flaw = typeof text === 'string' ? textFlaw(text) : undefined
      if (flaw) fields.push({ field, message: flaw })
    }
  }
  return fields.length > 0 ? fields : undefined
}

// 1e309 is a valid number as text, and infinite once converted; bounds are not applied to that.
function infinitiesOf(converted: Record<string, unknown>): FieldProblem[] | undefined {
  const isInfinite = (value: unknown) => typeof value === 'number' && !Number.isFinite(value)
  const fields = Object.keys(converted).filter((field) => [own(converted, field)].flat().some(isInfinite))
  return fields.length > 0 ? fields.map((field) => ({ field, message: 'is a number too large' })) : undefined
}

function problemsOf(errors: readonly ErrorObject[]): FieldProblem[] {
  const fields = errors
    .slice(0, PROBLEMS_MAX * 2)
    .flatMap(problemOfError)
    .slice(0, PROBLEMS_MAX)
  const left = errors.length - PROBLEMS_MAX * 2
  return left > 0 ? [...fields, { field: WHOLE, message: `has ${left} more problems` }] : fields
}

function problemOfError(error: ErrorObject): FieldProblem[] {
  const at = (...more: string[]) => pointerPath(error.instancePath, ...more)
  const params = error.params as Record<string, unknown>
  // A property-name error comes with a second one for the same name.
  if (error.keyword === 'propertyNames') return []
  if (error.propertyName !== undefined)
    return [{ field: at(error.propertyName), message: `has a name that ${wordsOf(error)}` }]
  switch (error.keyword) {
    case 'required':
      return [{ field: at(String(params.missingProperty)), message: 'is required' }]
    case 'additionalProperties':
      return [{ field: at(String(params.additionalProperty)), message: 'is not a known field' }]
    default:
      return [{ field: at(), message: wordsOf(error) }]
  }
}

/** Patterns that a sentence says better. */
const PATTERN_WORDS: ReadonlyMap<unknown, string> = new Map([
  [PATH_TEXT, 'must not be "." or "..", which no URL can name'],
  [TOOL_OR_PREFIX, 'may contain * only at its end'],
  [ONE_TOOL, 'must not contain *'],
])

function wordsOf({ keyword, params, message }: ErrorObject): string {
  if (keyword === 'enum') return `must be one of ${(params.allowedValues as unknown[]).map(String).join(', ')}`
  if (keyword === 'type') return `must be ${[params.type].flat().join(' or ').replaceAll(',', ' or ')}`
  if (keyword === 'format' && params.format === 'date-time') return 'must be a time such as 2026-01-31T09:30:00Z'
  if (keyword === 'format') return `must be a ${params.format}`
  if (keyword === 'pattern' && PATTERN_WORDS.has(params.pattern)) return PATTERN_WORDS.get(params.pattern)!
  return (message ?? 'is not valid').replace('must NOT', 'must not')
}
