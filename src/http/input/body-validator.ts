// A check of bodies tells everything that is wrong with one. Of a large body it tells the first problem alone: with half
// a million wrong items, a problem for each would hold up all other callers.
import type { Ajv2020, ErrorObject, ValidateFunction } from 'ajv/dist/2020.js'
import type { TSchema } from 'typebox'

/** Values in a body of which all problems are told. */
const VALUES_MAX = 5_000

/** What is wrong with a body; undefined when it is right. */
export type BodyValidator = (body: unknown) => ErrorObject[] | undefined

/** `first` stops at the first problem, and `every` does not. */
export function bodyValidator(schema: TSchema, { first, every }: { first: Ajv2020; every: Ajv2020 }): BodyValidator {
  const isRight = first.compile(schema)
  let inFull: ValidateFunction | undefined
  return (body) => {
    if (isRight(body)) return undefined
    if (holdsMoreThan(body, VALUES_MAX)) return isRight.errors ?? []
    inFull ??= every.compile(schema)
    return inFull(body) ? undefined : (inFull.errors ?? [])
  }
}

function holdsMoreThan(value: unknown, max: number): boolean {
  const left: unknown[] = [value]
  for (let count = 0; left.length > 0; count++) {
    if (count + left.length > max) return true
    const at = left.pop()
    if (typeof at !== 'object' || at === null) continue
    if (Array.isArray(at) && at.length > max) return true
    for (const below of Object.values(at)) left.push(below)
  }
  return false
}
