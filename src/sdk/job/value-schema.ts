// The schema of a payload or a result: any Standard Schema (Zod, Valibot, ArkType and others), or a JSON Schema, which is
// what TypeBox makes. A Standard Schema is checked here; what it can say as JSON Schema is checked by the server too.
import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec'
import type { Static, TSchema } from 'typebox'

export type ValueSchema = StandardSchemaV1 | TSchema

/** What a caller passes. */
export type InputOf<S> = S extends StandardSchemaV1
  ? StandardSchemaV1.InferInput<S>
  : S extends TSchema
    ? Static<S>
    : unknown

/** What the schema makes of it: with defaults filled in, and transformed. */
export type OutputOf<S> = S extends StandardSchemaV1
  ? StandardSchemaV1.InferOutput<S>
  : S extends TSchema
    ? Static<S>
    : unknown

/** One problem of a value with its schema. */
export type Issue = {
  /** Where in the value, such as `items[0].price`; empty for the value itself. */
  path: string
  message: string
}

/** What a schema checks. */
export type Checked = 'payload' | 'result' | 'event' | 'answer'

/** A value that its schema refuses. A payload is refused before anything is sent. */
export class InvalidValue extends Error {
  override readonly name = 'InvalidValue'
  readonly code: `invalid_${Checked}`
  readonly issues: readonly Issue[]
  constructor(what: Checked, issues: readonly Issue[]) {
    const told = issues.slice(0, ISSUES_TOLD_MAX).map(({ path, message }) => (path ? `${path}: ${message}` : message))
    const more = issues.length > told.length ? `; and ${issues.length - told.length} more` : ''
    super(`The ${what} is invalid: ${told.join('; ')}${more}`)
    this.code = `invalid_${what}`
    this.issues = issues
  }
}

const ISSUES_TOLD_MAX = 5
/** The dialect of JSON Schema that the server reads. */
const TARGET = 'draft-2020-12'

/** The value as its schema reads it. A JSON Schema is left to the server. */
export async function checkedValue(schema: ValueSchema | undefined, value: unknown, what: Checked): Promise<unknown> {
  if (schema === undefined || !isStandard(schema)) return value
  const checked = await schema['~standard'].validate(value)
  if (checked.issues) throw new InvalidValue(what, checked.issues.map(issueOf))
  return checked.value
}

/** A JSON Schema as one that is checked here, for values that the server does not check. */
export function checkedHere(schema: ValueSchema | undefined): ValueSchema | undefined {
  if (schema === undefined || isStandard(schema)) return schema
  const validate = async (value: unknown): Promise<StandardSchemaV1.Result<unknown>> => {
    // Loaded where it is needed: most programs that import the client check nothing by it.
    const { Errors } = await import('typebox/schema')
    const [valid, errors] = Errors(schema, value)
    if (valid) return { value }
    return { issues: errors.map(({ message, instancePath }) => ({ message, path: segmentsOf(instancePath) })) }
  }
  return { '~standard': { version: 1, vendor: 'json-schema', validate } }
}

/** Of a JSON Pointer. */
const segmentsOf = (pointer: string): (string | number)[] =>
  pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part))

/** Undefined when the schema cannot be said as JSON Schema, for example because it transforms the value. */
export function jsonSchemaOf(
  schema: ValueSchema | undefined,
  side: 'input' | 'output',
): Record<string, unknown> | undefined {
  if (schema === undefined) return undefined
  if (!isStandard(schema)) return { ...schema }
  const { jsonSchema } = schema['~standard'] as Partial<StandardJSONSchemaV1.Props>
  try {
    return jsonSchema?.[side]({ target: TARGET })
  } catch {
    return undefined
  }
}

// A schema of ArkType is a function.
export const isValueSchema = (value: unknown): value is ValueSchema =>
  (typeof value === 'object' && value !== null && !Array.isArray(value)) ||
  (typeof value === 'function' && '~standard' in value)

const isStandard = (schema: ValueSchema): schema is StandardSchemaV1 => '~standard' in schema

const issueOf = ({ path = [], message }: StandardSchemaV1.Issue): Issue => ({
  path: path.reduce<string>((before, segment) => {
    const key = typeof segment === 'object' ? segment.key : segment
    if (typeof key === 'number') return `${before}[${key}]`
    return before === '' ? String(key) : `${before}.${String(key)}`
  }, ''),
  message,
})
