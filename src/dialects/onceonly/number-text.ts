// Numbers sent as text, which OnceOnly accepts: `"ttl": "60"`.
import { own } from '#core/own.ts'

/** The part of a schema that is examined. */
type Shape = {
  type?: string | readonly string[]
  properties?: Readonly<Record<string, Shape>>
  additionalProperties?: Shape | boolean
  items?: Shape
}

const WHOLE = /^[+-]?\d+(\.0*)?$/
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/
const TEXT_LENGTH_MAX = 64

/**
 * Converts text to numbers where the schema has numbers. Text that is not a number stays, and is refused by
 * its field. The value is changed in place; its depth is bounded by that of the schema, its size by that of a body.
 */
export function numbersFromText(shape: Shape, value: unknown): unknown {
  if (typeof value === 'string') return numberOf(shape, value) ?? value
  if (Array.isArray(value)) {
    const { items } = shape
    if (items) for (const [index, item] of value.entries()) value[index] = numbersFromText(items, item)
  } else if (typeof value === 'object' && value !== null) {
    const object = value as Record<string, unknown>
    for (const name of Object.keys(object)) {
      const below = shapeOf(shape, name)
      // Defined, not assigned: the name may be that of a setter on Object.prototype.
      if (below) Object.defineProperty(object, name, { value: numbersFromText(below, own(object, name)) })
    }
  }
  return value
}

function shapeOf({ properties, additionalProperties }: Shape, name: string): Shape | undefined {
  const known = properties && own(properties, name)
  if (known) return known
  return typeof additionalProperties === 'object' ? additionalProperties : undefined
}

function numberOf({ type }: Shape, text: string): number | undefined {
  const types = [type].flat()
  if (types.includes('string') || text.length > TEXT_LENGTH_MAX) return undefined
  const pattern = types.includes('number') ? DECIMAL : types.includes('integer') ? WHOLE : undefined
  const number = Number(text.trim())
  return pattern?.test(text.trim()) && Number.isFinite(number) ? number : undefined
}
