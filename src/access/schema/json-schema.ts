// JSON Schema of payloads, results and outputs: draft 2020-12, as jobs and outputs bring it. Strangers write both the
// schema and the value, and both are checked on the one thread there is: whatever they say, a check has to end soon.
import { _, type CodeKeywordDefinition, type KeywordCxt } from 'ajv'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import * as ref from 'ajv/dist/vocabularies/core/ref.js'
import * as dynamicRef from 'ajv/dist/vocabularies/dynamic/dynamicRef.js'
import addFormats from 'ajv-formats'
import { LRUCache } from 'lru-cache'
import { RE2JS, RE2JSException } from 're2js'
import type { FieldProblem } from '#core/error.ts'

const COMPILED_MAX = 1_000
/** Problems told of one value at most: a list of a million wrong items is one mistake. */
const PROBLEMS_MAX = 20
/** How deep the JSON of a schema may be nested: it is compiled, and checked itself, by recursion. */
const NESTING_MAX = 100
/** References followed in one check at most: two at each step of a nested value double the work with each step. */
const STEPS_MAX = 1_000_000
const PATTERN_LENGTH_MAX = 1_000
/** Instructions of a compiled pattern: the time for a text is at worst its length times this. */
const PATTERN_SIZE_MAX = 2_000
/** Characters times instructions in one check at most. At its worst that takes two seconds, and mostly next to none. */
const PATTERN_WORK_MAX = 50_000_000
const PATTERNS_MAX = 5_000

const compiled = new LRUCache<string, ValidateFunction>({ max: COMPILED_MAX })
const patterns = new LRUCache<string, Pattern>({ max: PATTERNS_MAX })

type Pattern = { test: (text: string) => boolean }

class TooManySteps extends Error {}

// One check runs at a time, and to its end, so that one counter serves all.
let steps = 0
let patternWork = 0

function startCount(): void {
  steps = 0
  patternWork = 0
}

function step(): void {
  if (++steps > STEPS_MAX) throw new TooManySteps('takes more steps to check than a schema may')
}

function compile(schema: object): ValidateFunction {
  if (isNestedBeyond(schema, NESTING_MAX)) throw new Error(`it is nested more than ${NESTING_MAX} deep`)
  const text = JSON.stringify(schema)
  const known = compiled.get(text)
  if (known) return known
  // An instance of its own for each: two jobs may use the same $id for different schemas.
  const ajv = new Ajv2020({
    strict: false,
    allErrors: false,
    validateFormats: true,
    logger: false,
    // A schema that refers a thousand times to a large part of itself must not become a thousand copies of its code.
    inlineRefs: false,
    code: { regExp: linearPattern },
  })
  addFormats.default(ajv)
  for (const definition of [ref.default, dynamicRef.default] as unknown as CodeKeywordDefinition[])
    ajv.removeKeyword(String(definition.keyword)).addKeyword(counted(definition))
  ajv.removeKeyword('uniqueItems').addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    validate: (wanted: boolean, items: unknown[]) => !wanted || areDifferent(items),
    error: { message: 'must NOT have duplicate items' },
  })
  startCount()
  const validate = ajv.compile(schema)
  compiled.set(text, validate)
  return validate
}

/** The same keyword, each use of which counts as a step. Only references make more work than the schema is long. */
const counted = (definition: CodeKeywordDefinition): CodeKeywordDefinition => ({
  ...definition,
  code(cxt: KeywordCxt, ruleType?: string) {
    cxt.gen.code(_`${cxt.gen.scopeValue('func', { ref: step })}()`)
    definition.code(cxt, ruleType)
  },
})

// JavaScript's own engine tries every way to match, which an unlucky pattern makes exponential. RE2 reads the text
// once; what it cannot do in linear time it refuses.
function linearPattern(pattern: string): Pattern {
  const known = patterns.get(pattern)
  if (known) return known
  const fail = (why: string) => new Error(`the pattern ${JSON.stringify(pattern.slice(0, 80))} ${why}`)
  if (pattern.length > PATTERN_LENGTH_MAX) throw fail(`is longer than ${PATTERN_LENGTH_MAX} characters`)
  let made: RE2JS
  try {
    made = RE2JS.compile(RE2JS.translateRegExp(pattern))
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    throw fail(
      `is not supported: patterns are those of RE2, without look-around and back-references (${error.message})`,
    )
  }
  if (made.programSize() > PATTERN_SIZE_MAX) throw fail('is too large once its repetitions are written out')
  const size = made.programSize()
  const counting = {
    test(text: string) {
      patternWork += text.length * size
      if (patternWork > PATTERN_WORK_MAX) throw new TooManySteps('is too long for the patterns of its schema')
      return made.test(text)
    },
    // Ajv tells the patterns of a schema apart by their text.
    toString: () => pattern,
  }
  patterns.set(pattern, counting)
  return counting
}
linearPattern.code = 'linearPattern'

// Comparing each item with each other takes minutes for a payload of a megabyte.
function areDifferent(items: readonly unknown[]): boolean {
  const seen = new Set<unknown>()
  for (const item of items) {
    // A text of its own stands for each list and object; texts are marked, so that none is taken for one of those.
    const key = typeof item === 'string' ? `"${item}` : typeof item === 'object' ? canonical(item) : item
    if (seen.has(key)) return false
    seen.add(key)
  }
  return true
}

const canonical = (value: unknown): string =>
  JSON.stringify(value, (_name, at: unknown) =>
    typeof at === 'object' && at !== null && !Array.isArray(at)
      ? Object.entries(at).sort(([a], [b]) => (a < b ? -1 : 1))
      : at,
  )

function isNestedBeyond(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return depth === 0 || Object.values(value).some((below) => isNestedBeyond(below, depth - 1))
}

// One of each type: a reference that leads back to itself without taking anything of the value does so for one of them.
const PROBES = [null, true, 0, '', [], {}]

/** Why this is no JSON Schema, or none that can be checked; undefined when it is one. */
export function schemaProblem(schema: object): string | undefined {
  let validate: ValidateFunction
  try {
    validate = compile(schema)
  } catch (error) {
    return `is no JSON Schema that can be used: ${error instanceof Error ? error.message : String(error)}`
  }
  for (const probe of PROBES) {
    try {
      startCount()
      validate(probe)
    } catch (error) {
      if (error instanceof RangeError) return 'refers to itself in a circle: no value could ever be checked'
      if (error instanceof TooManySteps) return error.message
      throw error
    }
  }
  return undefined
}

/** What is wrong with `value` under `schema`, each problem named by its field below `name`; empty when nothing is. */
export function problemsUnder(schema: object, value: unknown, name: string): FieldProblem[] {
  let validate: ValidateFunction
  try {
    validate = compile(schema)
  } catch (error) {
    return [{ field: name, message: `cannot be checked, as its schema is not usable: ${(error as Error).message}` }]
  }
  try {
    startCount()
    if (validate(value)) return []
  } catch (error) {
    if (error instanceof RangeError)
      return [{ field: name, message: 'is nested deeper than its schema can be checked' }]
    if (error instanceof TooManySteps) return [{ field: name, message: error.message }]
    throw error
  }
  return (validate.errors ?? []).slice(0, PROBLEMS_MAX).map((error) => ({
    field: `${name}${error.instancePath.replaceAll('/', '.')}`,
    message: error.message ?? 'is invalid',
  }))
}
