import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { TSchema } from 'typebox'
import { expect, test } from 'vitest'
import { REFUSAL_CODES } from '#core/error.ts'
import type { Route } from './route.ts'
import { isRoute, ROUTES } from './routes.ts'

type Shape = {
  type?: string | string[]
  title?: string
  description?: string
  properties?: Record<string, Shape>
  items?: Shape
  anyOf?: Shape[]
  additionalProperties?: unknown
}

/** Every schema below one, with the path of names that leads to it. */
function* below(schema: Shape, path: string): Generator<{ schema: Shape; path: string; isProperty: boolean }> {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    yield { schema: property, path: `${path}.${name}`, isProperty: true }
    yield* below(property, `${path}.${name}`)
  }
  for (const part of [schema.items, ...(schema.anyOf ?? [])]) {
    if (!part) continue
    yield { schema: part, path: `${path}[]`, isProperty: false }
    yield* below(part, `${path}[]`)
  }
}

const partsOf = (route: Route): [string, TSchema][] => [
  ...(['params', 'query', 'body'] as const).flatMap((part): [string, TSchema][] =>
    route[part] ? [[part, route[part]]] : [],
  ),
  ...Object.entries(route.replies).flatMap(([status, schema]): [string, TSchema][] =>
    schema ? [[status, schema]] : [],
  ),
]

test('every route of a file in this folder is in the contract, under the name by which it is exported', async () => {
  const exported: [string, unknown][] = []
  for (const path of readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })) {
    if (!path.endsWith('.ts') || path.endsWith('.test.ts') || path === 'routes.ts') continue
    exported.push(...Object.entries(await import(/* @vite-ignore */ join(import.meta.dirname, path))))
  }
  const found = exported.filter((entry): entry is [string, Route] => isRoute(entry[1]))
  expect(found.map(([name, route]) => [name, ROUTES.includes(route)]).sort()).toEqual(
    ROUTES.map((route) => [route.name, true]).sort(),
  )
})

test('no two routes have the same name, or the same method and path', () => {
  const names = ROUTES.map((route) => route.name)
  const places = ROUTES.map((route) => `${route.method} ${route.path}`)
  expect(new Set(names).size).toBe(names.length)
  expect(new Set(places).size).toBe(places.length)
})

/** The names of the routes, or the places in them, of which something that must never be is true. */
const offenders = (find: (route: Route) => string[] | boolean): string[] =>
  ROUTES.flatMap((route) => {
    const found = find(route)
    return Array.isArray(found) ? found.map((one) => `${route.name}: ${one}`) : found ? [route.name] : []
  })

test('every route has a camelCase name, a summary of one sentence, and a reply', () => {
  expect(offenders((route) => !/^[a-z][A-Za-z]+$/.test(route.name))).toEqual([])
  expect(offenders((route) => !/^[A-Z].*\.$/.test(route.summary))).toEqual([])
  expect(offenders((route) => Object.keys(route.replies).length === 0)).toEqual([])
})

test('every property of every schema has a description', () => {
  const silent = offenders((route) =>
    partsOf(route)
      .flatMap(([part, schema]) => [...below(schema as Shape, part)])
      .filter((one) => one.isProperty && !one.schema.description && !one.schema.title)
      .map((one) => one.path),
  )
  expect(silent).toEqual([])
})

test('every route describes exactly the parameters of its path', () => {
  const inPath = (route: Route) => [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => name)
  const described = (route: Route) => Object.keys((route.params as Shape)?.properties ?? {})
  expect(offenders((route) => inPath(route).sort().join() !== described(route).sort().join())).toEqual([])
})

test('no name occurs twice among the path, query and body of a route, because handlers get one object', () => {
  const names = (route: Route) =>
    (['params', 'query', 'body'] as const).flatMap((part) => Object.keys((route[part] as Shape)?.properties ?? {}))
  expect(offenders((route) => new Set(names(route)).size !== names(route).length)).toEqual([])
})

test('bodies and queries refuse unknown fields', () => {
  const open = offenders((route) =>
    (['query', 'body'] as const).filter((part) => {
      const schema = route[part] as Shape | undefined
      return schema?.type === 'object' && schema.additionalProperties !== false
    }),
  )
  expect(open).toEqual([])
})

test('refusals of routes are existing codes, each listed once', () => {
  const wrong = offenders(({ refusals = [] }) =>
    refusals.filter((code, index) => !REFUSAL_CODES.includes(code) || refusals.indexOf(code) !== index),
  )
  expect(wrong).toEqual([])
})

test('a run token is only accepted by routes whose path names a run', () => {
  const named = (route: Route) => route.path.includes('/:run_id')
  const ofOneRun = ({ needs, orRunToken }: Route) =>
    needs === 'run_token' || (orRunToken !== undefined && orRunToken !== 'of_project')
  expect(offenders((route) => ofOneRun(route) && !named(route))).toEqual([])
})

test('only health checks, the OpenAPI document and signing in need no credential', () => {
  expect(offenders((route) => route.needs === 'nothing').sort()).toEqual([
    'getLive',
    'getOpenapi',
    'getReady',
    'getSignIn',
    'signIn',
  ])
})

test('routes that accept more than a megabyte check their items one by one, each with a size limit', () => {
  const large = ROUTES.filter((route) => route.bodyBytesMax !== undefined)
  expect(large.map((route) => route.name).sort()).toEqual(['appendEvents', 'exportTraces', 'settleRuns', 'triggerRuns'])
  // Spans are checked one by one where they are decoded, with bounds of their own.
  for (const route of large.filter(({ name }) => name !== 'exportTraces')) {
    expect(route.itemwise).toBeDefined()
    expect(route.itemBytesMax).toBeLessThan(route.bodyBytesMax!)
  }
})
