// The work of one check, counted as it is done. A step is roughly the comparison of two values.

export class TooManySteps extends Error {}

/** Limit of characters times pattern instructions per check, which takes about a second in the worst case. */
const PATTERN_WORK_MAX = 25_000_000
/** Most patterns take far less than their worst case. */
const PATTERN_WORK_PER_STEP = 4

// A thread runs one check at a time, to completion, so one counter is enough.
let steps = 0
let stepsMax = 0
let patternWork = 0

/** Starts a new check, which throws `TooManySteps` beyond `max`. */
export function startCount(max: number): void {
  steps = 0
  stepsMax = max
  patternWork = 0
}

export function charge(count: number): void {
  steps += count
  if (steps > stepsMax) throw new TooManySteps('takes more steps to check under its schema than a check may')
}

/** For work that is done once per name of an object. */
export function chargeNames(it: object, count: number): void {
  let names = 0
  for (const _ in it) names++
  charge(names * count)
}

export function chargePattern(work: number): void {
  patternWork += work
  if (patternWork > PATTERN_WORK_MAX) throw new TooManySteps('is too long for the patterns of its schema')
  charge(work / PATTERN_WORK_PER_STEP)
}
