// Validates path and query against the contract in the words of FastAPI: all errors at once, those of the path first,
// in contract order. Valid values are converted, and reach the handler.

import type { FastifyRequest } from 'fastify'
import type { TSchema } from 'typebox'
import { own } from '#core/own.ts'
import { textFlaw } from '#http/input/json.ts'
import { unknownParametersOf } from '../dialect.ts'
import { type Parse, parseInteger, parseOneOf, parseTime, parseUuid } from './pydantic.ts'
import { BadParameters, type FieldError } from './wording.ts'

export async function checkRequest(request: FastifyRequest): Promise<void> {
  const { route } = request.routeOptions.config
  const { params, query } = route ?? {}
  const errors: FieldError[] = []
  request.params = checkPart('path', params, request.params, errors)
  const given = request.query as Record<string, string>
  request.query = checkPart('query', query, given, errors)
  // An ignored filter would show more than was asked for.
  for (const name of route ? unknownParametersOf(route, given) : [])
    errors.push({
      type: 'extra_forbidden',
      loc: ['query', name],
      msg: 'Extra inputs are not permitted',
      input: own(given, name) ?? '',
    })
  if (errors.length > 0) throw new BadParameters(errors)
}

type Property = {
  type: string
  format?: string
  enum?: string[]
  minimum?: number
  maximum?: number
  default?: unknown
}

function checkPart(part: 'path' | 'query', schema: TSchema | undefined, given: unknown, errors: FieldError[]): object {
  const { properties = {} } = (schema ?? {}) as { properties?: Record<string, Property> }
  const values: Record<string, unknown> = {}
  for (const [name, property] of Object.entries(properties)) {
    // Of a repeated parameter, the last one counts.
    const input = [own(given as Record<string, string | string[]>, name)].flat().at(-1)
    if (input === undefined) {
      if (property.default !== undefined) values[name] = property.default
      continue
    }
    const parsed = parserOf(property)(input)
    if ('value' in parsed) values[name] = parsed.value
    else
      errors.push({
        type: parsed.type,
        loc: [part, name],
        msg: parsed.msg,
        input,
        ...(parsed.ctx && { ctx: parsed.ctx }),
      })
  }
  return values
}

function parserOf(property: Property): Parse {
  if (property.enum) return parseOneOf(property.enum)
  if (property.type === 'integer') return parseInteger(property)
  if (property.format === 'uuid') return parseUuid
  if (property.format === 'date-time') return parseTime
  return parseText
}

/** PostgreSQL cannot store NUL, for which FastAPI has no error. */
const parseText: Parse = (text) => {
  const flaw = textFlaw(text)
  return flaw ? { type: 'value_error', msg: `Value error, ${flaw}`, ctx: { error: flaw } } : { value: text }
}
