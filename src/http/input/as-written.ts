// Where the contract says that JSON is kept and given on as it was written (`anyJson`), a parsed body holds a `Json`
// instead of the value that JSON.parse made of it: its slice of the body's text.
import type { TSchema } from 'typebox'
import { AS_WRITTEN } from '#contract/common.ts'
import { Json, parsedJson } from '#core/json/json.ts'
import { eachItem, eachMember, skipSpace } from '#core/json/json-text.ts'
import { own } from '#core/own.ts'

/** Where such places are in a body: the body itself, or somewhere below. */
export type Places = {
  here?: 'any' | 'object'
  /** By name. With `others`, members that are no such place are in it as well. */
  members?: ReadonlyMap<string, Places | undefined>
  others?: Places
  items?: Places
}

type Shape = {
  [AS_WRITTEN]?: true
  type?: string | readonly string[]
  properties?: Record<string, Shape>
  additionalProperties?: Shape | boolean
  items?: Shape
  anyOf?: Shape[]
}

const found = new WeakMap<object, { places: Places | undefined }>()

/** Undefined when the schema has no such place. */
export function placesOf(schema: TSchema | undefined): Places | undefined {
  if (!schema) return undefined
  let known = found.get(schema)
  if (!known) {
    known = { places: placesIn(schema as Shape) }
    found.set(schema, known)
  }
  return known.places
}

function placesIn(shape: Shape): Places | undefined {
  if (shape[AS_WRITTEN]) return { here: shape.type === undefined ? 'any' : 'object' }
  const { properties = {}, additionalProperties: more, items, anyOf = [] } = shape
  const others = typeof more === 'object' ? placesIn(more) : undefined
  const members = Object.entries(properties)
    .map(([name, below]) => [name, placesIn(below)] as const)
    .filter(([, places]) => places || others)
  const ofItems = items && placesIn(items)
  const places: Places = {
    ...(members.length > 0 && { members: new Map(members) }),
    ...(others && { others }),
    ...(ofItems && { items: ofItems }),
    ...Object.assign({}, ...anyOf.map(placesIn)),
  }
  return Object.keys(places).length > 0 ? places : undefined
}

/** The value, with a `Json` in each of these places. It is changed in place. `text` is what it was parsed from. */
export const asWritten = (text: string, value: unknown, places: Places | undefined): unknown =>
  places ? replaced({ text, from: skipSpace(text, 0), to: text.length }, value, places) : value

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

type Slice = { text: string; from: number; to: number }

function replaced({ text, from, to }: Slice, value: unknown, places: Places): unknown {
  // A name that occurs twice has been here before, and its value is that of the last.
  const parsed = parsedJson(value)
  if (places.here === 'any' || (places.here && isObject(parsed))) return Json.written(text.slice(from, to), parsed)
  if (Array.isArray(value)) {
    const { items } = places
    if (items)
      eachItem(text, from, (index, at, end) => {
        value[index] = replaced({ text, from: at, to: end }, value[index], items)
      })
  } else if (isObject(value)) {
    eachMember(text, from, (name, at, end) => {
      const below = places.members?.has(name) ? places.members.get(name) : places.others
      if (!below) return
      const made = replaced({ text, from: at, to: end }, own(value, name), below)
      // Defined, not assigned: the name may be that of a setter on Object.prototype.
      Object.defineProperty(value, name, { value: made, enumerable: true, writable: true, configurable: true })
    })
  }
  return value
}
