// From a schema to its validator. Each schema gets its own Ajv instance, since two jobs may use the same $id for
// different schemas; one shared instance checks whether a schema is valid at all.
import { Ajv2020, type Options, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { countKeywords } from './schema-keywords.ts'
import { linearPattern } from './schema-patterns.ts'
import { startCount } from './schema-steps.ts'
import { isCountable, namesMetaSchema, refuseForbidden, weightOf } from './schema-walk.ts'

export type Compiled = {
  text: string
  validate: ValidateFunction
  weight: number
  /** The steps that a check counts are all of its work. */
  countable: boolean
}

/** Step limit for checking a schema itself; its text is bounded. */
const SCHEMA_STEPS_MAX = 500_000_000
const META_SCHEMA_WEIGHT = 500

const OPTIONS: Options = {
  strict: false,
  allErrors: false,
  validateFormats: true,
  // Own members only: `required: ["toString"]` must not be satisfied by what every object inherits.
  ownProperties: true,
  logger: false,
  // A schema that refers a thousand times to a large part of itself must not become a thousand copies of its code.
  inlineRefs: false,
  code: { regExp: linearPattern },
}

let metaSchema: Ajv2020 | undefined

/** Throws if it is not a schema. This is the most expensive part of examining one, and is done only once. */
export function checkIsSchema(schema: object): void {
  refuseForbidden(schema)
  startCount(SCHEMA_STEPS_MAX)
  metaSchema ??= instance(META_SCHEMA_WEIGHT, {})
  metaSchema.validateSchema(schema, true)
}

/** Throws if it cannot be compiled. `text` is the schema as JSON. */
export function compileSchema(schema: object, text: string): Compiled {
  refuseForbidden(schema)
  const weight = weightOf(schema)
  const ajv = instance(weight, { validateSchema: false, meta: namesMetaSchema(text) })
  startCount(SCHEMA_STEPS_MAX)
  return { text, weight, countable: isCountable(schema) && !namesMetaSchema(text), validate: ajv.compile(schema) }
}

function instance(weight: number, options: Options): Ajv2020 {
  const ajv = new Ajv2020({ ...OPTIONS, ...options })
  addFormats.default(ajv)
  countKeywords(ajv, weight)
  return ajv
}
