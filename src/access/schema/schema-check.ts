// One check of a value, within a limit of steps. It runs to completion in the calling thread.
import type { ValidateFunction } from 'ajv/dist/2020.js'
import type { FieldProblem } from '#core/error.ts'
import { cutText } from '#core/storable.ts'
import type { Compiled } from './schema-compile.ts'
import { startCount, TooManySteps } from './schema-steps.ts'

/** Maximum number of problems reported for one value: a list of a million invalid items is one mistake. */
const PROBLEMS_MAX = 20
const FIELD_LENGTH_MAX = 500
/** Step limit of a probe. */
const PROBE_STEPS_MAX = 20_000_000

/** Throws `TooManySteps`, or RangeError when the stack overflows. */
export function checkValue({ validate }: Compiled, it: { value: unknown; name: string; stepsMax: number }) {
  startCount(it.stepsMax)
  return isValid(validate, it.value) ? [] : problemsOf(validate, it.name)
}

function isValid(validate: ValidateFunction, value: unknown): boolean {
  const verdict: unknown = validate(value)
  if (typeof verdict === 'boolean') return verdict
  // Whatever it is, it must not count as valid, nor go unreported.
  Promise.resolve(verdict).catch(() => {})
  throw new Error('its validator does not say yes or no')
}

const problemsOf = ({ errors }: ValidateFunction, name: string): FieldProblem[] =>
  (errors ?? []).slice(0, PROBLEMS_MAX).map((error) => ({
    field: cutText(`${name}${error.instancePath.replaceAll('/', '.')}`, FIELD_LENGTH_MAX),
    message: error.message ?? 'is invalid',
  }))

// One value of each type: a reference that leads back to itself without consuming anything loops for one of them.
const PROBES = [null, true, 0, '', [], {}]

/** Why no value can be checked under it. */
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
