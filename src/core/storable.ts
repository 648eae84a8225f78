// PostgreSQL's text holds neither NUL characters nor halves of surrogate pairs. What clients send is refused by
// field; what comes back from a handler is the result of work done, and is kept with those characters replaced.

const REPLACEMENT = '\ufffd'

export const isStorableText = (text: string): boolean => !text.includes('\u0000') && text.isWellFormed()

export const storableText = (text: string): string =>
  isStorableText(text) ? text : text.toWellFormed().replaceAll('\u0000', REPLACEMENT)

/**
 * The beginning of a text, in a form that PostgreSQL can store. The only way to shorten a text that is kept or sent on:
 * a cut may go through the middle of a character, so it comes first, and what it leaves is made storable afterwards.
 */
export function cutText(text: string, lengthMax: number): string {
  if (text.length <= lengthMax) return storableText(text)
  // Half of a surrogate pair is left out, not replaced.
  const isHalf = /[\ud800-\udbff]/.test(text.charAt(lengthMax - 1)) && /[\udc00-\udfff]/.test(text.charAt(lengthMax))
  return storableText(text.slice(0, isHalf ? lengthMax - 1 : lengthMax))
}

/** The value with every string in it storable; the same value when all are. */
export function storableJson(value: unknown): unknown {
  if (typeof value === 'string') return storableText(value)
  if (Array.isArray(value)) return value.map(storableJson)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [storableText(key), storableJson(item)]))
}

/** How deep JSON that is kept may be nested, wherever it came from. */
export const DEPTH_MAX = 100

/** Why the JSON that an endpoint answered with cannot be kept; undefined when it can. */
export const answerProblem = (json: unknown): string | undefined =>
  isWithinDepth(json, DEPTH_MAX) ? undefined : `is nested more than ${DEPTH_MAX} deep`

/**
 * Whether it has no more lists and objects inside each other than this. By levels, since recursion would end where the
 * nesting does not.
 */
export function isWithinDepth(value: unknown, depthMax: number): boolean {
  const isNest = (one: unknown): one is object => typeof one === 'object' && one !== null
  let level = [value].filter(isNest)
  for (let depth = 0; level.length > 0; depth++) {
    if (depth === depthMax) return false
    level = level.flatMap((one) => Object.values(one)).filter(isNest)
  }
  return true
}
