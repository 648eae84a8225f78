// PostgreSQL's text can hold neither NUL characters nor unpaired surrogates. Client input with them is refused by
// field; a handler's output is the result of work done, so it is stored with those characters replaced.
import { Json } from './json/json.ts'
import { hasHugeNumber, TOO_MANY_DIGITS } from './json/json-text.ts'

const REPLACEMENT = '\ufffd'

export const isStorableText = (text: string): boolean => !text.includes('\u0000') && text.isWellFormed()

export const storableText = (text: string): string =>
  isStorableText(text) ? text : text.toWellFormed().replaceAll('\u0000', REPLACEMENT)

/**
 * Truncates text to a form that PostgreSQL can store. The only way to shorten text that is stored or sent on:
 * truncation may split a character, so it comes first, and the rest is made storable afterwards.
 */
export function cutText(text: string, lengthMax: number): string {
  if (text.length <= lengthMax) return storableText(text)
  // An unpaired surrogate is dropped, not replaced.
  const isHalf = /[\ud800-\udbff]/.test(text.charAt(lengthMax - 1)) && /[\udc00-\udfff]/.test(text.charAt(lengthMax))
  return storableText(text.slice(0, isHalf ? lengthMax - 1 : lengthMax))
}

/** The value with every string made storable. */
export function storableJson(value: unknown): unknown {
  if (typeof value === 'string') return storableText(value)
  if (Array.isArray(value)) return value.map(storableJson)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [storableText(key), storableJson(item)]))
}

/** JSON that an endpoint answered, as it was written: only such characters are replaced. `value`: what it was parsed to. */
export function storableAnswer(text: string, value: unknown): Json {
  // Only an escape can put such a character into well-formed text.
  return !text.includes('\\u') || isStorableJson(value) ? Json.written(text, value) : Json.written(mended(text))
}

/** Pairs of surrogates are taken whole, and other escapes too, so that what follows a backslash is not read alone. */
const ESCAPES = /\\(?:ud[89ab][\da-f]{2}\\ud[c-f][\da-f]{2}|u([\da-f]{4})|.)/gi
const mended = (text: string): string =>
  text.replace(ESCAPES, (found, code?: string) =>
    code === undefined || isStorableText(String.fromCharCode(Number.parseInt(code, 16))) ? found : REPLACEMENT,
  )

function isStorableJson(value: unknown): boolean {
  if (typeof value === 'string') return isStorableText(value)
  if (Array.isArray(value)) return value.every(isStorableJson)
  if (value === null || typeof value !== 'object') return true
  return Object.entries(value).every(([key, item]) => isStorableText(key) && isStorableJson(item))
}

/** Maximum nesting of stored JSON, wherever it came from. */
export const DEPTH_MAX = 100

/** Why an endpoint's JSON response cannot be stored; undefined when it can. */
export function answerProblem(text: string, value: unknown): string | undefined {
  if (!isWithinDepth(value, DEPTH_MAX)) return `is nested more than ${DEPTH_MAX} deep`
  return hasHugeNumber(text) ? `has a number ${TOO_MANY_DIGITS}` : undefined
}

/**
 * Whether its lists and objects are nested no deeper than this. Level by level, because recursion would overflow on
 * the very input that this refuses.
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
