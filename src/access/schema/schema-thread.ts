// A thread that compiles schemas and checks values, one after the other. The pool terminates it when one takes too
// long, so nothing here needs to stop by itself.
import { parentPort } from 'node:worker_threads'
import { LRUCache } from 'lru-cache'
import type { FieldProblem } from '#core/error.ts'
import { checkValue, probeProblem } from './schema-check.ts'
import { type Compiled, checkIsSchema, compileSchema } from './schema-compile.ts'
import { TooManySteps } from './schema-steps.ts'

/** `valueText` undefined: only examine the schema. */
export type SchemaTask = { schemaText: string; value?: { text: string | undefined; name: string } }

export type SchemaAnswer = {
  /** Why the schema cannot be used. */
  unusable?: string
  problems: FieldProblem[]
  /** CPU time that compiling the schema took. */
  compileMs: number
}

/** A message without an answer says that the thread is ready. */
export type SchemaMessage = {
  answer?: SchemaAnswer
  /** CPU time of the thread so far. */
  cpuMs: number
}

type Looked = { compiled: Compiled; unusable?: undefined } | { compiled?: undefined; unusable: string }
type Known = Looked & { compileMs: number }

/** About a second of checking. */
const STEPS_MAX = 200_000_000
const KEPT_BYTES_MAX = 32 * 1024 * 1024
/** Memory of a compiled schema: per character of its text, and fixed. */
const BYTES_PER_CHARACTER = 50
const BYTES_EACH = 20_000

const known = new LRUCache<string, Known>({
  maxSize: KEPT_BYTES_MAX,
  sizeCalculation: (_, text) => text.length * BYTES_PER_CHARACTER + BYTES_EACH,
})

function answer({ schemaText, value }: SchemaTask): SchemaAnswer {
  const it = known.get(schemaText) ?? timed(schemaText)
  known.set(schemaText, it)
  const { unusable, compileMs } = it
  if (unusable !== undefined) return { unusable, problems: [], compileMs }
  return { problems: value ? problemsOf(it.compiled, value) : [], compileMs }
}

function timed(schemaText: string): Known {
  const beganMs = cpuMs()
  const looked = lookAt(schemaText)
  return { ...looked, compileMs: cpuMs() - beganMs }
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

function lookAt(schemaText: string): Looked {
  try {
    const schema = JSON.parse(schemaText) as object
    checkIsSchema(schema)
    const compiled = compileSchema(schema, schemaText)
    const unusable = probeProblem(compiled)
    return unusable === undefined ? { compiled } : { unusable }
  } catch (error) {
    return { unusable: `is not a usable JSON Schema: ${(error as Error).message}` }
  }
}

function problemsOf(compiled: Compiled, { text, name }: { text: string | undefined; name: string }): FieldProblem[] {
  const value: unknown = text === undefined ? undefined : JSON.parse(text)
  try {
    return checkValue(compiled, { value, name, stepsMax: STEPS_MAX })
  } catch (error) {
    if (error instanceof TooManySteps) return [{ field: name, message: error.message }]
    if (error instanceof RangeError)
      return [{ field: name, message: 'is nested deeper than its schema can be checked' }]
    return [{ field: name, message: `cannot be checked under its schema: ${(error as Error).message}` }]
  }
}

// Warm-up: the first schema of a thread takes many times as long as the next, and would not be judged fairly.
const WARM_UP = { type: 'object', properties: { a: { pattern: '^a', format: 'uuid' } }, $defs: { b: { items: {} } } }
answer({ schemaText: JSON.stringify(WARM_UP), value: { text: '{"a":"a"}', name: 'value' } })

const say = (message: SchemaMessage) => parentPort!.postMessage(message)
parentPort!.on('message', (task: SchemaTask) => say({ answer: answer(task), cpuMs: cpuMs() }))
say({ cpuMs: cpuMs() })
