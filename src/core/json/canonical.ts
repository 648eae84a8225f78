import { Json } from './json.ts'
import { canonicalNumber } from './json-text.ts'

/** JSON with its keys sorted at every level: equal values have equal text. Numbers are compared by all their digits. */
export function canonicalJson(value: unknown): string {
  if (value instanceof Json) return canonicalText(value)
  if (value instanceof ExactNumber) return value.text
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item === undefined ? null : item)).join(',')}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(',')}}`
}

/** A number that no double holds. */
class ExactNumber {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** Without a sequence like these, every number of a text is a double. What is inside of strings may look so as well. */
const MAY_BE_EXACT = /[\d.]{16}|\d[eE]/

type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown

const exactNumbers: Reviver = (_, value, { source }) => {
  if (typeof value !== 'number' || source === undefined) return value
  const text = canonicalNumber(source)
  return text === JSON.stringify(value) ? value : new ExactNumber(text)
}

function canonicalText({ text, value }: Json): string {
  return canonicalJson(MAY_BE_EXACT.test(text) ? JSON.parse(text, exactNumbers as never) : value)
}
