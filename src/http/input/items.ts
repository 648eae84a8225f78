// Batches whose items are validated one at a time: an invalid item becomes an error of its own, and the handler gets
// the others.

import type { FastifyRequest } from 'fastify'
import type { TSchema } from 'typebox'
import type { Route } from '#contract/route.ts'
import { type FieldProblem, type Refusal, refuse } from '#core/error.ts'
import { printJson } from '#core/json/json.ts'
import { own } from '#core/own.ts'
import { placesOf } from './as-written.ts'
import { type LineBounds, readNdjson } from './body.ts'
import { WHOLE } from './field-path.ts'
import { findFlaws } from './json.ts'
import { checkOf } from './validation.ts'

/** One item of a batch: its value, or why it was refused. `index` is its place in the request, from 0. */
export type Checked<T> =
  | { index: number; value: T; problem?: never }
  | { index: number; value?: never; problem: Refusal }

/** A body that is one item, or many in pages: an array is one page, lines are as many pages as needed. */
export type OneOrMany<T> = { one: T; pages?: never } | { one?: never; pages: AsyncIterable<Checked<T>[]> }

const PAGE_ITEMS_MAX = 500
const LINES_MAX = 100_000

type Shape = { type?: string; properties?: Record<string, Shape>; items?: TSchema; anyOf?: Shape[] }

/** The schema that Fastify validates: the list itself, not its items. */
export function shallowBody(route: Route): TSchema | undefined {
  const body = route.body as Shape | undefined
  if (!body || !route.itemwise) return body
  if (route.bodyAs) {
    const { items: _, ...list } = listOf(body)
    return { ...list, type: ['object', 'array'] }
  }
  const list = { ...own(body.properties ?? {}, route.itemwise), items: {} }
  return { ...body, properties: { ...body.properties, [route.itemwise]: list } }
}

/** The schema of one item. */
export function itemSchema(route: Route): TSchema {
  const body = route.body as Shape
  const list = route.bodyAs ? listOf(body) : own(body.properties ?? {}, route.itemwise!)
  if (!list?.items) throw new Error(`${route.name} has no list ${route.itemwise}`)
  return list.items
}

const listOf = (body: Shape): Shape => body.anyOf?.find((branch) => branch.type === 'array') ?? body

export function checkItems(route: Route, items: unknown[], request: FastifyRequest): Checked<unknown>[] {
  const check = checkItem(route, request)
  return items.map((item, index) => check(item, index))
}

export function oneOrMany(route: Route, request: FastifyRequest): OneOrMany<unknown> {
  const { body } = request
  if (Array.isArray(body)) return { pages: onePage(checkItems(route, body, request)) }
  if (isStream(body)) return { pages: pagesOf(route, body, request) }
  const { value, problem } = checkItem(route, request)(body, 0)
  if (problem) throw problem
  return { one: value }
}

const isStream = (body: unknown): body is AsyncIterable<Buffer> =>
  typeof body === 'object' && body !== null && Symbol.asyncIterator in body

async function* onePage(items: Checked<unknown>[]): AsyncGenerator<Checked<unknown>[]> {
  yield items
}

async function* pagesOf(
  route: Route,
  stream: AsyncIterable<Buffer>,
  request: FastifyRequest,
): AsyncGenerator<Checked<unknown>[]> {
  const places = placesOf(itemSchema(route))
  const bounds: LineBounds = { lineBytesMax: bytesMaxOf(route), linesMax: LINES_MAX, places }
  const check = checkItem(route, request)
  let page: Checked<unknown>[] = []
  let index = 0
  for await (const { value, problem } of readNdjson(stream, bounds)) {
    page.push(problem ? { index, problem } : check(value, index))
    index++
    if (page.length === PAGE_ITEMS_MAX) {
      yield page
      page = []
    }
  }
  if (page.length > 0) yield page
}

const ofItem = ({ field, message }: FieldProblem): FieldProblem => ({
  field: field === WHOLE ? 'item' : field,
  message,
})

const bytesMaxOf = (route: Route): number => route.itemBytesMax ?? Number.MAX_SAFE_INTEGER

function checkItem(route: Route, request: FastifyRequest): (item: unknown, index: number) => Checked<unknown> {
  const check = checkOf(itemSchema(route))
  const bytesMax = bytesMaxOf(route)
  // A small body has no large item; measuring each item would cost as much as parsing it.
  const measured = request.bodyBytes > bytesMax
  return (value, index) => {
    // First: a value that is nested too deeply cannot even be measured.
    const flaws = request.bodySuspect ? findFlaws(value) : []
    if (flaws.length === 0 && measured && Buffer.byteLength(printJson(value)) > bytesMax) {
      return { index, problem: refuse('too_large', { what: `Item ${index}`, bytesMax }) }
    }
    const fields = flaws.length > 0 ? flaws : check(value)
    return fields ? { index, problem: refuse('invalid', { fields: fields.map(ofItem) }) } : { index, value }
  }
}
