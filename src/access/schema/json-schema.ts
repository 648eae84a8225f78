// JSON Schema (draft 2020-12) of payloads, results, outputs and forms. Strangers write both the schema and the value,
// so no check may block other callers. Everything starts in a separate thread (schema-pool.ts); a schema that compiled
// quickly there is compiled here as well, and a value is checked here as long as that takes few steps. This is the only
// entry point: nothing else compiles clients' schemas.

import { LRUCache } from 'lru-cache'
import type { FieldProblem } from '#core/error.ts'
import { parsedJson, printJson } from '#core/json/json.ts'
import { isWithinDepth } from '#core/storable.ts'
import { checkValue } from './schema-check.ts'
import { type Compiled, compileSchema } from './schema-compile.ts'
import { schemaPool } from './schema-pool.ts'
import type { SchemaAnswer, SchemaTask } from './schema-thread.ts'
import { isTooNested, TOO_NESTED } from './schema-walk.ts'

/** Time limit of one check, whatever it contains. */
const CPU_MS_MAX = 2_000
const WALL_MS_MAX = 10_000
const THREADS = 2
/** Steps that are checked on the event loop: a millisecond or two. */
const STEPS_HERE_MAX = 50_000
const WEIGHT_HERE_MAX = 2_000
const COMPILE_HERE_MS_MAX = 10

/** Values that are nested deeper cannot be serialised for a thread. */
const VALUE_NESTING_MAX = 1_000

/** Memory of a compiled schema: per character of its text, and fixed. */
const BYTES_PER_CHARACTER = 50
const BYTES_EACH = 20_000
const KEPT_BYTES_MAX = 64 * 1024 * 1024

/** A schema that a thread has examined. */
type Known = { unusable?: string | undefined; text: string; here?: Compiled | undefined }

const sizeOf = ({ text, here }: Known): number => text.length * (here ? BYTES_PER_CHARACTER : 2) + BYTES_EACH
const known = new LRUCache<string, Known>({ maxSize: KEPT_BYTES_MAX, sizeCalculation: sizeOf })
/** Parsed schemas are never modified, so their text is built only once. */
const texts = new WeakMap<object, string>()
const pool = schemaPool({ threads: THREADS, cpuMsMax: CPU_MS_MAX, wallMsMax: WALL_MS_MAX })

const TOO_LONG = 'takes too long to be compiled'

/** Why this is not a JSON Schema, or not one that can be checked; undefined when it is valid. */
export async function schemaProblem(schema: object, projectId: string): Promise<string | undefined> {
  const text = textOf(schema)
  if (text === undefined) return TOO_NESTED
  const found = known.get(text)
  if (found) return found.unusable
  const answer = await ask(projectId, { schemaText: text })
  if (answer !== 'too_long') return answer.unusable
  // Cached like any other result; otherwise each repeat would cost as much again.
  known.set(text, { text, unusable: TOO_LONG, here: undefined })
  return TOO_LONG
}

type Check = {
  /** Project of the check: projects take turns. */
  projectId: string
  schema: object
  value: unknown
  /** Name of the value in error messages. */
  name: string
}

/** What is wrong with the value: each problem names its field below `name`; empty when nothing is. */
export async function problemsUnder({ projectId, schema, value: given, name }: Check): Promise<FieldProblem[]> {
  const schemaText = textOf(schema)
  if (schemaText === undefined) return [unusableProblem(name, TOO_NESTED)]
  const found = known.get(schemaText)
  if (found?.unusable !== undefined) return [unusableProblem(name, found.unusable)]
  const value = parsedJson(given)
  const here = found?.here && problemsHere(found.here, value, name)
  if (here) return here
  if (!isWithinDepth(value, VALUE_NESTING_MAX)) return [{ field: name, message: 'is nested too deeply to be checked' }]
  const answer = await ask(projectId, { schemaText, value: { text: printJson(given), name } })
  if (answer === 'too_long') return [{ field: name, message: 'takes too long to check under its schema' }]
  return answer.unusable === undefined ? answer.problems : [unusableProblem(name, answer.unusable)]
}

/** Undefined: it is nested too deeply to be serialised. */
function textOf(schema: object): string | undefined {
  const known = texts.get(schema)
  if (known !== undefined) return known
  if (isTooNested(schema)) return undefined
  const text = JSON.stringify(schema)
  texts.set(schema, text)
  return text
}

/** Undefined: only a thread can decide. */
function problemsHere(compiled: Compiled, value: unknown, name: string): FieldProblem[] | undefined {
  try {
    return checkValue(compiled, { value, name, stepsMax: STEPS_HERE_MAX })
  } catch {
    // Usually the step limit was reached. Whatever else it was, the thread reports it.
    return undefined
  }
}

const unusableProblem = (field: string, why: string): FieldProblem => ({
  field,
  message: `cannot be checked, as its schema ${why}`,
})

async function ask(projectId: string, task: SchemaTask): Promise<SchemaAnswer | 'too_long'> {
  const answer = await pool.run(projectId, task)
  const text = task.schemaText
  if (answer === 'too_long' || known.has(text)) return answer
  const { unusable, compileMs } = answer
  known.set(text, { text, unusable, here: unusable === undefined ? compiledHere(text, compileMs) : undefined })
  return answer
}

function compiledHere(text: string, compileMs: number): Compiled | undefined {
  if (compileMs > COMPILE_HERE_MS_MAX) return undefined
  const compiled = compileSchema(JSON.parse(text) as object, text)
  return compiled.countable && compiled.weight <= WEIGHT_HERE_MAX ? compiled : undefined
}
