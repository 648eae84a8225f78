// Collects titled schemas as components, so that each is written once and has a name.
import { AS_WRITTEN } from '#contract/common.ts'

export type JsonSchema = Record<string, unknown>

// Keywords that contain schemas; every other keyword contains plain data.
const ONE_BELOW = new Set(['items', 'additionalProperties', 'propertyNames'])
const LIST_BELOW = new Set(['anyOf', 'oneOf', 'allOf'])
const MAP_BELOW = new Set(['properties'])
// Keywords of our own, between contract and server, about the form of input.
const INTERNAL = new Set([AS_WRITTEN, 'x-comma-list', 'x-own-id'])

export function componentsOf() {
  const schemas: Record<string, JsonSchema> = {}

  /** The schema as it appears in the document: a reference if it has a title. */
  const take = (schema: object): JsonSchema => {
    const entries = Object.entries(schema).filter(([key]) => !INTERNAL.has(key))
    const plain = Object.fromEntries(entries.map(([key, value]) => [key, takeBelow(key, value)]))
    const { title } = schema as { title?: string }
    if (!title) return plain
    const known = schemas[title]
    if (known && JSON.stringify(known) !== JSON.stringify(plain)) throw new Error(`two schemas are called ${title}`)
    schemas[title] = plain
    return { $ref: `#/components/schemas/${title}` }
  }

  const takeBelow = (key: string, value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value
    if (ONE_BELOW.has(key)) return take(value)
    if (LIST_BELOW.has(key)) return (value as object[]).map(take)
    if (MAP_BELOW.has(key)) return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, take(one)]))
    return value
  }

  return { schemas, take }
}
