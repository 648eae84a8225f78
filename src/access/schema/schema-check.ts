// One check of a value, within a bound of steps. It runs to its end in the thread that calls it.
import type { ValidateFunction } from 'ajv/dist/2020.js'
import type { FieldProblem } from '#core/error.ts'
import { cutText } from '#core/storable.ts'
import type { Compiled } from './schema-compile.ts'
import { startCount, TooManySteps } from './schema-steps.ts'

/** Problems told of one value at most: a list of a million wrong items is one mistake. */
const PROBLEMS_MAX = 20
const FIELD_LENGTH_MAX = 500
/** Steps of a probe. */
const PROBE_STEPS_MAX = 20_000_000

/** Throws `TooManySteps`, or RangeError where the stack is at its end. */
export function checkValue({ validate }: Compiled, it: { value: unknown; name: string; stepsMax: number }) {
  startCount(it.stepsMax)
  return isValid(validate, it.value) ? [] : problemsOf(validate, it.name)
}

function isValid(validate: ValidateFunction, value: unknown): boolean {
  const verdict: unknown = validate(value)
  if (typeof verdict === 'boolean') return verdict
  // Whatever it is, it must not be taken for a yes, nor may its failure be nobody's.
  Promise.resolve(verdict).catch(() => {})
  throw new Error('its validator does not say yes or no')
}

const problemsOf = ({ errors }: ValidateFunction, name: string): FieldProblem[] =>
  (errors ?? []).slice(0, PROBLEMS_MAX).map((error) => ({
    field: cutText(`${name}${error.instancePath.replaceAll('/', '.')}`, FIELD_LENGTH_MAX),
    message: error.message ?? 'is invalid',
  }))

// One of each type: a reference that leads back to itself without taking anything of the value does so for one of them.
const PROBES = [null, true, 0, '', [], {}]

/** Why no value could be checked under it. */
export function probeProblem({ validate }: Compiled): string | undefined {
  for (const probe of PROBES) {
    try {
      startCount(PROBE_STEPS_MAX)
      isValid(validate, probe)
    } catch (error) {
      if (error instanceof RangeError) return 'refers to itself in a circle: no value could ever be checked'
      if (error instanceof TooManySteps) return 'takes more steps for the simplest value than a check may'
      throw error
    }
  }
  return undefined
}
