// What the text of a schema tells about it before it is compiled.

/** How deep the JSON of a schema may be nested: it is compiled, and checked itself, by recursion. */
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

/** Steps that one look at all of it takes at most. */
export function weightOf(json: unknown): number {
  if (typeof json === 'string') return 1 + json.length / CHARACTERS_PER_STEP
  if (typeof json !== 'object' || json === null) return 1
  let weight = 1
  for (const [name, below] of Object.entries(json)) weight += 1 + name.length / CHARACTERS_PER_STEP + weightOf(below)
  return weight
}

/** Whether the JSON of a schema is nested too deeply even to be written out. */
export const isTooNested = (schema: object): boolean => isNestedBeyond(schema, NESTING_MAX)

function isNestedBeyond(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return depth === 0 || Object.values(value).some((below) => isNestedBeyond(below, depth - 1))
}

/** Throws what no schema may hold, wherever in it. */
export function refuseForbidden(schema: object): void {
  if (isTooNested(schema)) throw new Error(`it ${TOO_NESTED}`)
  // Ajv's own keyword: the validator of such a schema returns a promise, which is true whatever it becomes.
  for (const part of partsOf(schema))
    if (Object.hasOwn(part, '$async')) throw new Error('$async is not a keyword of JSON Schema')
}

/**
 * Whether the steps of a check say how much work it is. They do not where Ajv keeps account of what was evaluated: it
 * merges lists of names without a step.
 */
export function isCountable(schema: object): boolean {
  for (const part of partsOf(schema)) if (UNEVALUATED.some((keyword) => Object.hasOwn(part, keyword))) return false
  return true
}

/** Whether it refers to a schema that every Ajv knows by its address. */
export const namesMetaSchema = (text: string): boolean => text.includes('json-schema.org/')

/** The schema and all schemas in it. */
function* partsOf(schema: unknown): Generator<Record<string, unknown>> {
  if (!isObject(schema)) return
  yield schema
  for (const [keyword, value] of Object.entries(schema)) {
    if (isObject(value) && NAMED.includes(keyword)) for (const below of Object.values(value)) yield* partsOf(below)
    else if (Array.isArray(value) && MANY.includes(keyword)) for (const below of value) yield* partsOf(below)
    else if (ONE.includes(keyword) || UNEVALUATED.includes(keyword)) yield* partsOf(value)
  }
}
