// Validates requests against the contract in the words of FastAPI, which OnceOnly's clients show and branch on.
// Unknown fields are accepted: newer clients may send more.

import type { ErrorObject } from 'ajv/dist/2020.js'
import type { TSchema } from 'typebox'
import { own } from '#core/own.ts'
import { type BodyValidator, bodyValidator } from '#http/input/body-validator.ts'
import { textFlaw } from '#http/input/json.ts'
import { requestAjvs } from '#http/input/request-ajv.ts'
import { numbersFromText } from './number-text.ts'
import { type FieldError, onceRefusal } from './wording.ts'

const ERRORS_MAX = 50
const { bodies, texts: converting } = requestAjvs({
  formats: { 'date-time': true, uuid: true },
  coerceTypes: true,
  verbose: true,
})

const WHERE: Readonly<Record<string, string>> = { body: 'body', params: 'path' }

type Part = { schema: TSchema; httpPart?: string }

/** For Fastify: validates one part of a request. */
export function compileCheck({ schema, httpPart = '' }: Part) {
  const where = own(WHERE, httpPart) ?? 'query'
  const validate = where === 'body' ? bodyValidator(schema, bodies) : textValidator(schema)
  return (given: unknown): { value: unknown } | { error: Error } => {
    const asSent = where === 'body' ? given : lastOfEach(given as Record<string, unknown>)
    const value = where === 'body' ? numbersFromText(schema, given) : { ...(asSent as object) }
    // A percent-encoded NUL passes the URL parser, and PostgreSQL cannot store it.
    const flaws = where === 'body' ? [] : flawsOf(where, value as Record<string, unknown>)
    const wrong = flaws.length === 0 ? validate(value) : undefined
    if (flaws.length === 0 && !wrong) {
      // 1e400 is a valid number as text, and infinite once converted.
      const infinite = where === 'body' ? [] : infinitiesOf(where, value as Record<string, unknown>, asSent)
      return infinite.length === 0 ? { value } : { error: onceRefusal(422, infinite) }
    }
    const errors =
      flaws.length > 0
        ? flaws
        : (wrong ?? [])
            .filter(({ keyword }) => keyword !== 'propertyNames')
            .slice(0, ERRORS_MAX)
            .map((error) => errorOf(where, error, asSent))
    return { error: onceRefusal(422, errors.slice(0, ERRORS_MAX)) }
  }
}

function textValidator(schema: TSchema): BodyValidator {
  const validate = converting.compile(schema)
  return (value) => (validate(value) ? undefined : (validate.errors ?? []))
}

/** Of a repeated parameter, the last one counts. */
const lastOfEach = (given: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(given).map(([name, value]) => [name, [value].flat().at(-1)]))

const flawsOf = (where: string, value: Record<string, unknown>): FieldError[] =>
  Object.entries(value).flatMap(([name, text]) => {
    const flaw = typeof text === 'string' ? textFlaw(text) : undefined
    return flaw ? [{ type: 'value_error', loc: [where, name], msg: `Value error, ${flaw}`, input: text }] : []
  })

const infinitiesOf = (where: string, value: Record<string, unknown>, asSent: unknown): FieldError[] =>
  Object.entries(value).flatMap(([name, it]) =>
    it === Infinity || it === -Infinity
      ? [
          {
            type: 'finite_number',
            loc: [where, name],
            msg: 'Input should be a finite number',
            input: own(asSent as Record<string, unknown>, name),
          },
        ]
      : [],
  )

function errorOf(where: string, error: ErrorObject, whole: unknown): FieldError {
  const { instancePath, keyword, data } = error
  const params = error.params as Record<string, unknown>
  const path = instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    // Array indexes are numbers; no field of ours is named by digits.
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part))
  if (keyword === 'required')
    return {
      type: 'missing',
      loc: [where, ...path, String(params.missingProperty)],
      msg: 'Field required',
      input: data ?? whole,
    }
  // A name in an object, as pydantic says it; the error of the object comes with it.
  if (error.propertyName !== undefined)
    return { ...wordsOf(error, params, where), loc: [where, ...path, error.propertyName, '[key]'], input: data }
  // Converted values are shown as they were sent.
  const input = where === 'body' ? data : own(whole as Record<string, unknown>, String(path[0]))
  return { ...wordsOf(error, params, where), loc: [where, ...path], input }
}

type Words = { type: string; msg: string }

function wordsOf({ keyword, schema, data }: ErrorObject, params: Record<string, unknown>, where: string): Words {
  const limit = params.limit as number
  switch (keyword) {
    case 'type':
      return typeWords([params.type].flat().find((type) => type !== 'null') as string, where, data)
    case 'minimum':
      return { type: 'greater_than_equal', msg: `Input should be greater than or equal to ${limit}` }
    case 'exclusiveMinimum':
      return { type: 'greater_than', msg: `Input should be greater than ${limit}` }
    case 'maximum':
      return { type: 'less_than_equal', msg: `Input should be less than or equal to ${limit}` }
    case 'minLength':
      return { type: 'string_too_short', msg: `String should have at least ${counted(limit, 'character')}` }
    case 'maxLength':
      return { type: 'string_too_long', msg: `String should have at most ${counted(limit, 'character')}` }
    case 'minItems':
      return { type: 'too_short', msg: `List should have at least ${counted(limit, 'item')} after validation` }
    case 'maxItems':
      return { type: 'too_long', msg: `List should have at most ${counted(limit, 'item')} after validation` }
    case 'enum': {
      const words = (params.allowedValues as unknown[]).filter((value) => value !== null).map((value) => `'${value}'`)
      const listed = words.length > 1 ? `${words.slice(0, -1).join(', ')} or ${words.at(-1)}` : words[0]
      return { type: 'literal_error', msg: `Input should be ${listed}` }
    }
    case 'pattern':
      return { type: 'string_pattern_mismatch', msg: `String should match pattern '${params.pattern}'` }
    case 'x-bytes-max':
      return { type: 'value_error', msg: `Value error, must not be larger than ${schema} bytes of JSON` }
    default:
      return { type: 'value_error', msg: 'Value error, is not valid' }
  }
}

const counted = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`

function typeWords(type: string, where: string, data: unknown): Words {
  const isText = where !== 'body' || typeof data === 'string'
  switch (type) {
    case 'integer':
      if (typeof data === 'number')
        return { type: 'int_from_float', msg: 'Input should be a valid integer, got a number with a fractional part' }
      return isText
        ? { type: 'int_parsing', msg: 'Input should be a valid integer, unable to parse string as an integer' }
        : { type: 'int_type', msg: 'Input should be a valid integer' }
    case 'number':
      return isText
        ? { type: 'float_parsing', msg: 'Input should be a valid number, unable to parse string as a number' }
        : { type: 'float_type', msg: 'Input should be a valid number' }
    case 'boolean':
      return { type: 'bool_type', msg: 'Input should be a valid boolean' }
    case 'array':
      return { type: 'list_type', msg: 'Input should be a valid list' }
    case 'object':
      return { type: 'dict_type', msg: 'Input should be a valid dictionary' }
    default:
      return { type: 'string_type', msg: 'Input should be a valid string' }
  }
}
