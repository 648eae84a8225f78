// JSON Schema of payloads, results and outputs: draft 2020-12, as jobs and outputs bring it.
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { LRUCache } from 'lru-cache'
import type { FieldProblem } from '#core/error.ts'

const COMPILED_MAX = 1_000
/** Problems told of one value at most: a list of a million wrong items is one mistake. */
const PROBLEMS_MAX = 20

const compiled = new LRUCache<string, ValidateFunction>({ max: COMPILED_MAX })

function compile(schema: object): ValidateFunction {
  const text = JSON.stringify(schema)
  const known = compiled.get(text)
  if (known) return known
  // An instance of its own for each: two jobs may use the same $id for different schemas.
  const ajv = new Ajv2020({ strict: false, allErrors: false, validateFormats: true, logger: false })
  addFormats.default(ajv)
  const validate = ajv.compile(schema)
  compiled.set(text, validate)
  return validate
}

/** Why this is no JSON Schema; undefined when it is one. */
export function schemaProblem(schema: object): string | undefined {
  try {
    compile(schema)
    return undefined
  } catch (error) {
    return `is no JSON Schema: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** What is wrong with `value` under `schema`, each problem named by its field below `name`; empty when nothing is. */
export function problemsUnder(schema: object, value: unknown, name: string): FieldProblem[] {
  const validate = compile(schema)
  if (validate(value)) return []
  return (validate.errors ?? []).slice(0, PROBLEMS_MAX).map((error) => ({
    field: `${name}${error.instancePath.replaceAll('/', '.')}`,
    message: error.message ?? 'is invalid',
  }))
}
