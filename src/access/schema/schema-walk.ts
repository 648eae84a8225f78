// What can be told from the text of a schema before it is compiled.

/** Maximum nesting of a schema's JSON: it is compiled, and validated itself, by recursion. */
const NESTING_MAX = 100
export const TOO_NESTED = `is nested more than ${NESTING_MAX} deep`
const CHARACTERS_PER_STEP = 16

/** Keywords whose value is a schema, a list of schemas, or schemas by name. */
const ONE = ['not', 'if', 'then', 'else', 'items', 'contains', 'additionalProperties', 'propertyNames', 'contentSchema']
const UNEVALUATED = ['unevaluatedItems', 'unevaluatedProperties']
const MANY = ['allOf', 'anyOf', 'oneOf', 'prefixItems', 'items']
const NAMED = ['properties', 'patternProperties', 'dependentSchemas', 'dependencies', '$defs', 'definitions']

const isObject = (it: unknown): it is Record<string, unknown> =>
  typeof it === 'object' && it !== null && !Array.isArray(it)

/** Maximum steps of one walk over a whole schema. */
export function weightOf(json: unknown): number {
  if (typeof json === 'string') return 1 + json.length / CHARACTERS_PER_STEP
  if (typeof json !== 'object' || json === null) return 1
  let weight = 1
  for (const [name, below] of Object.entries(json)) weight += 1 + name.length / CHARACTERS_PER_STEP + weightOf(below)
  return weight
}

/** Whether the JSON of a schema is nested too deeply even to be serialised. */
export const isTooNested = (schema: object): boolean => isNestedBeyond(schema, NESTING_MAX)

function isNestedBeyond(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return depth === 0 || Object.values(value).some((below) => isNestedBeyond(below, depth - 1))
}

/** Throws for anything that no schema may contain, at any depth. */
export function refuseForbidden(schema: object): void {
  if (isTooNested(schema)) throw new Error(`it ${TOO_NESTED}`)
  // Ajv's own keyword: the validator of such a schema returns a promise, which is truthy whatever it resolves to.
  for (const part of partsOf(schema))
    if (Object.hasOwn(part, '$async')) throw new Error('$async is not a keyword of JSON Schema')
}

/**
 * Whether the counted steps of a check cover all of its work. They do not where Ajv tracks evaluated properties: it
 * merges lists of names without a step.
 */
export function isCountable(schema: object): boolean {
  for (const part of partsOf(schema)) if (UNEVALUATED.some((keyword) => Object.hasOwn(part, keyword))) return false
  return true
}

/** Whether it refers to a schema that every Ajv instance has built in. */
export const namesMetaSchema = (text: string): boolean => text.includes('json-schema.org/')

/** The schema and all schemas inside it. */
function* partsOf(schema: unknown): Generator<Record<string, unknown>> {
  if (!isObject(schema)) return
  yield schema
  for (const [keyword, value] of Object.entries(schema)) {
    if (isObject(value) && NAMED.includes(keyword)) for (const below of Object.values(value)) yield* partsOf(below)
    else if (Array.isArray(value) && MANY.includes(keyword)) for (const below of value) yield* partsOf(below)
    else if (ONE.includes(keyword) || UNEVALUATED.includes(keyword)) yield* partsOf(value)
  }
}
