// Builds the request of a call: a route of the contract says which fields of the input belong to the path and
// to the query, and that the rest is the body.
import type { Route } from '#contract/route.ts'

export type WireRequest = {
  method: Route['method']
  /** Path and query. */
  target: string
  /** JSON text; undefined for no body. */
  body: string | undefined
}

type Fields = Record<string, unknown>
type Shape = { properties?: Record<string, Fields> }

export function requestOf(route: Route, input: Fields): WireRequest {
  const inPath = propertiesOf(route.params)
  const inQuery = propertiesOf(route.query)
  const path = route.path.replaceAll(/:(\w+)/g, (_, name: string) => segment(name, input[name]))
  const query = new URLSearchParams(
    Object.entries(inQuery).flatMap(([name, schema]) => pairs(name, input[name], schema)),
  ).toString()
  const rest = Object.entries(input).filter(([name]) => !(name in inPath) && !(name in inQuery))
  return { method: route.method, target: query ? `${path}?${query}` : path, body: bodyOf(route, rest) }
}

const propertiesOf = (schema: unknown): Record<string, Fields> => (schema as Shape | undefined)?.properties ?? {}

function segment(name: string, value: unknown): string {
  const text = value === undefined || value === null ? '' : String(value)
  // Every URL parser removes these segments, encoded or not: the call would reach another path.
  if (text === '' || text === '.' || text === '..') throw new TypeError(`${name} must not be "${text}"`)
  return encodeURIComponent(text)
}

function pairs(name: string, value: unknown, schema: Fields): [string, string][] {
  if (value === undefined) return []
  if (!Array.isArray(value)) return [[name, String(value)]]
  // An empty list differs from no list, and only a comma-separated list can express it.
  if (value.length === 0) return schema['x-comma-list'] ? [[name, '']] : []
  return value.map((item) => [name, String(item)])
}

function bodyOf(route: Route, rest: [string, unknown][]): string | undefined {
  if (!route.body) return undefined
  const fields = Object.fromEntries(rest)
  if (route.bodyAs) return JSON.stringify(fields[route.bodyAs])
  return route.bodyOptional && rest.length === 0 ? undefined : JSON.stringify(fields)
}
