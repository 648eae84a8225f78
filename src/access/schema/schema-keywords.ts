// Ajv's keywords, instrumented with a cost model; two of them are also corrected. Every keyword whose work grows with
// the value charges that work in advance, multiplied by the weight of the schema that it applies. Work outside loops
// and references is done at most once and is covered by that weight.
import { _, type Ajv, type Code, type CodeKeywordDefinition, type KeywordCxt } from 'ajv'
import { charge, chargeNames } from './schema-steps.ts'
import { weightOf } from './schema-walk.ts'

/** A reference into the meta-schema leads to more than the weight of the schema itself. */
const META_SCHEMA_WEIGHT = 500
const CHARACTERS_PER_STEP = 8

type Cost = (cxt: KeywordCxt, rootWeight: number) => { each: 'item' | 'name' | 'once'; steps: Code }

const perItem: Cost = ({ schema }) => ({ each: 'item', steps: _`${weightOf(schema)}` })
const perName: Cost = ({ schema, parentSchema }) => ({
  each: 'name',
  // Each name is also compared with those that have their own schema.
  steps: _`${weightOf(schema) + Object.keys(parentSchema.patternProperties ?? {}).length}`,
})
const perReference: Cost = (_cxt, rootWeight) => ({ each: 'once', steps: _`${rootWeight + META_SCHEMA_WEIGHT}` })
const perCharacter: Cost = ({ data }) => ({ each: 'once', steps: _`1 + ${data}.length / ${CHARACTERS_PER_STEP}` })
const perFormat: Cost = ({ schema, data }) => ({
  each: 'once',
  // The regular expression for `url` backtracks at each colon.
  steps:
    schema === 'url'
      ? _`typeof ${data} == "string" ? 1 + ${data}.length ** 2 / ${CHARACTERS_PER_STEP} : 1`
      : _`typeof ${data} == "string" ? 1 + ${data}.length / ${CHARACTERS_PER_STEP} : 1`,
})

const COSTS: ReadonlyMap<string, Cost> = new Map([
  ['items', perItem],
  ['contains', perItem],
  ['additionalProperties', perName],
  ['patternProperties', perName],
  ['propertyNames', perName],
  ['minProperties', perName],
  ['maxProperties', perName],
  ['minLength', perCharacter],
  ['maxLength', perCharacter],
  ['format', perFormat],
  ['$ref', perReference],
  ['$dynamicRef', perReference],
  ['$recursiveRef', perReference],
])

/** Adds the costs to the keywords of this instance, which will compile a schema of this weight. */
export function countKeywords(ajv: Ajv, rootWeight: number): void {
  for (const [keyword, cost] of COSTS) {
    const definition = ajv.getKeyword(keyword) as CodeKeywordDefinition
    const { code } = definition
    definition.code = (cxt: KeywordCxt, ruleType?: string) => {
      const { each, steps } = cost(cxt, rootWeight)
      const count = (by: typeof charge | typeof chargeNames) => cxt.gen.scopeValue('func', { ref: by })
      if (each === 'name') cxt.gen.code(_`${count(chargeNames)}(${cxt.data}, ${steps})`)
      else if (each === 'item') cxt.gen.code(_`${count(charge)}(${cxt.data}.length * ${steps})`)
      else cxt.gen.code(_`${count(charge)}(${steps})`)
      code(cxt, ruleType)
    }
  }
  ajv.removeKeyword('uniqueItems').addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    validate: (wanted: boolean, items: unknown[]) => !wanted || areDifferent(items),
    error: { message: 'must NOT have duplicate items' },
  })
  ajv.removeKeyword('multipleOf').addKeyword({
    keyword: 'multipleOf',
    type: 'number',
    schemaType: 'number',
    validate: (divisor: number, value: number) => isMultiple(value, divisor),
    error: { message: ({ schema }) => `must be multiple of ${schema}` },
  })
}

// Comparing each item with every other takes minutes for a payload of a megabyte.
function areDifferent(items: readonly unknown[]): boolean {
  const seen = new Set<unknown>()
  for (const item of items) {
    const key = keyOf(item)
    if (seen.has(key)) return false
    seen.add(key)
  }
  return true
}

// Each list and object is represented by a string; strings are marked, so that none is mistaken for one of those.
function keyOf(item: unknown): unknown {
  charge(typeof item === 'string' ? 2 + item.length / CHARACTERS_PER_STEP : 2)
  if (typeof item === 'string') return `"${item}`
  return typeof item === 'object' ? canonical(item) : item
}

const STEPS_OF_A_PART = 5

const canonical = (value: unknown): string =>
  JSON.stringify(value, (_name, at: unknown) => {
    charge(STEPS_OF_A_PART + (typeof at === 'string' ? at.length / CHARACTERS_PER_STEP : 0))
    if (typeof at !== 'object' || at === null) return at
    // Both become lists; the first item says which it was.
    if (Array.isArray(at)) return ['list', ...at]
    return ['object', ...Object.entries(at).sort(([a], [b]) => (a < b ? -1 : 1))]
  })

/** Decimal arithmetic: 19.99 is a multiple of 0.01, although the quotient of the two doubles is not an integer. */
export function isMultiple(value: number, divisor: number): boolean {
  if (Number.isSafeInteger(value) && Number.isSafeInteger(divisor)) return value % divisor === 0
  if (!Number.isFinite(value)) return false
  charge(STEPS_OF_A_PART * 2)
  const [a, b] = [decimalOf(value), decimalOf(divisor)]
  const exponent = Math.min(a.exponent, b.exponent)
  const whole = (it: Decimal) => it.digits * 10n ** BigInt(it.exponent - exponent)
  return whole(a) % whole(b) === 0n
}

type Decimal = { digits: bigint; exponent: number }

/** The shortest decimal that denotes this double, which is how JSON writes it. */
function decimalOf(value: number): Decimal {
  const [mantissa = '', exponent = '0'] = value.toExponential().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  return { digits: BigInt(whole + fraction), exponent: Number(exponent) - fraction.length }
}
