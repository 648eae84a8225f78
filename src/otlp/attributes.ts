// Attributes within bounds. What a client instruments decides how large they are, and prompts are large.
import { own } from '#core/own.ts'
import { cutText } from '#core/storable.ts'
import type { Attributes } from './span.ts'

export const ATTRIBUTE_BOUNDS = {
  /** Of one span; OpenTelemetry's SDKs have the same limit. */
  countMax: 128,
  keyLengthMax: 256,
  textLengthMax: 8_192,
  itemsMax: 128,
  depthMax: 5,
  /** Characters of all keys and texts of one span. */
  lengthMax: 65_536,
} as const

type Budget = { left: number; dropped: number }

/** The attributes, and how many there were besides; undefined if these are no attributes. */
export function readAttributes(listed: unknown): { attributes: Attributes; dropped: number } | undefined {
  if (listed === undefined || listed === null) return { attributes: new Map(), dropped: 0 }
  if (!Array.isArray(listed)) return undefined
  const budget = { left: ATTRIBUTE_BOUNDS.lengthMax, dropped: 0 }
  const attributes = new Map(pairsOf(listed, budget, { max: ATTRIBUTE_BOUNDS.countMax, depth: 0 }))
  return { attributes, dropped: budget.dropped }
}

type At = { max: number; depth: number }

function pairsOf(listed: readonly unknown[], budget: Budget, { max, depth }: At): [string, unknown][] {
  const pairs: [string, unknown][] = []
  for (const one of listed) {
    const key = memberOf(one, 'key')
    const keyText = typeof key === 'string' ? cutText(key, ATTRIBUTE_BOUNDS.keyLengthMax) : ''
    if (keyText === '' || pairs.length === max || budget.left < keyText.length) {
      budget.dropped++
      continue
    }
    budget.left -= keyText.length
    pairs.push([keyText, valueIn(memberOf(one, 'value'), budget, depth)])
  }
  return pairs
}

/** The value of an AnyValue. Which of its fields is set says what it is. */
function valueIn(any: unknown, budget: Budget, depth: number): unknown {
  const text = memberOf(any, 'stringValue')
  if (typeof text === 'string') return textOf(text, budget)
  const flag = memberOf(any, 'boolValue')
  if (typeof flag === 'boolean') return flag
  const whole = memberOf(any, 'intValue')
  if (whole !== undefined) return wholeOf(whole)
  const double = memberOf(any, 'doubleValue')
  if (double !== undefined) return doubleOf(double)
  const bytes = memberOf(any, 'bytesValue')
  if (bytes !== undefined) return textOf(base64Of(bytes), budget)
  const items = memberOf(memberOf(any, 'arrayValue'), 'values')
  const pairs = memberOf(memberOf(any, 'kvlistValue'), 'values')
  if (!Array.isArray(items) && !Array.isArray(pairs)) return null
  if (depth === ATTRIBUTE_BOUNDS.depthMax) {
    budget.dropped++
    return null
  }
  if (Array.isArray(items)) return itemsOf(items, budget, depth + 1)
  // Defines members of its own, whatever their names: none reaches a prototype.
  return Object.fromEntries(pairsOf(pairs as unknown[], budget, { max: ATTRIBUTE_BOUNDS.itemsMax, depth: depth + 1 }))
}

function itemsOf(items: readonly unknown[], budget: Budget, depth: number): unknown[] {
  const { itemsMax } = ATTRIBUTE_BOUNDS
  if (items.length > itemsMax) budget.dropped += items.length - itemsMax
  return items.slice(0, itemsMax).map((item) => valueIn(item, budget, depth))
}

function textOf(text: string, budget: Budget): string {
  const cut = cutText(text, Math.min(ATTRIBUTE_BOUNDS.textLengthMax, budget.left))
  budget.left -= cut.length
  return cut
}

/** Text in JSON, and an object of the decoder in protobuf, for numbers of 64 bits. */
function wholeOf(value: unknown): number | string | null {
  const text = String(value)
  if (!/^-?\d{1,20}$/.test(text)) return null
  return Number.isSafeInteger(Number(text)) ? Number(text) : text
}

function doubleOf(value: unknown): number | string | null {
  const number = typeof value === 'number' ? value : Number(String(value))
  // JSON has no such numbers.
  return Number.isFinite(number) ? number : Number.isNaN(number) ? 'NaN' : String(number)
}

const base64Of = (value: unknown): string =>
  value instanceof Uint8Array ? Buffer.from(value).toString('base64') : typeof value === 'string' ? value : ''

/** The own member of whatever a client sent. */
export const memberOf = (of: unknown, name: string): unknown =>
  typeof of === 'object' && of !== null ? own(of as Record<string, unknown>, name) : undefined
