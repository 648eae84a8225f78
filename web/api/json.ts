// JSON as it was written: a number that JavaScript would round is kept as its digits.

/** A number beyond what a double holds exactly. */
export class ExactNumber {
  readonly digits: string
  constructor(digits: string) {
    this.digits = digits
  }
  /** In place of the number wherever a value is written out again by `jsonText`. */
  toString(): string {
    return this.digits
  }
}

/** Only texts with such a run of digits need the slower way. */
const LONG_NUMBER = /\d{16}|\d[eE]/

export function parseJson(text: string): unknown {
  if (!LONG_NUMBER.test(text)) return JSON.parse(text)
  return JSON.parse(text, keepExact)
}

// Older browsers do not hand on the source, and then the number is as they read it.
function keepExact(_: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || context?.source === undefined) return value
  return String(value) === context.source || isSame(value, context.source) ? value : new ExactNumber(context.source)
}

/** 1.50 and 1.5e0 say the same as 1.5; 9007199254740993 does not say 9007199254740992. */
function isSame(value: number, source: string): boolean {
  if (!Number.isFinite(value)) return false
  if (Number.isInteger(value)) return Number.isSafeInteger(value)
  return source.replace(/\D/g, '').length <= 16
}

/** Indented JSON text, with exact numbers as they came. */
export function jsonText(value: unknown, indent = 2): string {
  const exact: string[] = []
  const mark = `exact-${Math.random().toString(36).slice(2)}-`
  const text = JSON.stringify(
    value,
    (_, it: unknown) => (it instanceof ExactNumber ? mark + (exact.push(it.digits) - 1) : it),
    indent,
  )
  if (text === undefined) return 'null'
  return exact.length === 0 ? text : text.replace(new RegExp(`"${mark}(\\d+)"`, 'g'), (_, at) => exact[Number(at)]!)
}
