// The work of one check, counted while it is done. A step is about as much as comparing two values.

export class TooManySteps extends Error {}

/** Characters times instructions of patterns in one check at most, which takes about a second at its worst. */
const PATTERN_WORK_MAX = 25_000_000
/** Patterns mostly take far less than their worst case. */
const PATTERN_WORK_PER_STEP = 4

// One check runs at a time in a thread, and to its end, so that one counter serves all.
let steps = 0
let stepsMax = 0
let patternWork = 0

/** Begins a new check, which throws `TooManySteps` beyond `max`. */
export function startCount(max: number): void {
  steps = 0
  stepsMax = max
  patternWork = 0
}

export function charge(count: number): void {
  steps += count
  if (steps > stepsMax) throw new TooManySteps('takes more steps to check under its schema than a check may')
}

/** For what is done once for each name of an object. */
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
