// The only place that knows how a route of the contract becomes a route of Fastify.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Static, TArray, TObject, TSchema } from 'typebox'
import type { Route } from '#contract/route.ts'
import { printJson } from '#core/json/json.ts'
import { own } from '#core/own.ts'
import type { CallerOf } from './caller.ts'
import { Download, Page } from './download.ts'
import { type Checked, checkItems, type OneOrMany, oneOrMany, shallowBody } from './input/items.ts'
import { printable, printerOf } from './wire/printable.ts'

/** A value as the handler finds it: what has a default is there. */
type Filled<S> = unknown extends S
  ? object
  : S extends TObject<infer P>
    ? Static<S> & { [K in keyof P as P[K] extends { default: unknown } ? K : never]-?: Static<P[K]> }
    : S extends TSchema
      ? Static<S>
      : object

type Properties<S> = S extends TObject<infer P> ? P : never
type ItemOf<S> = S extends TArray<infer I> ? Filled<I> : never
type ItemOfBody<S> = S extends TSchema ? Extract<Static<S>, readonly unknown[]>[number] : never

type BodyInput<R extends Route> = R extends { bodyAs: infer Name extends string; itemwise: string }
  ? Record<Name, OneOrMany<ItemOfBody<R['body']>>>
  : R extends { bodyAs: infer Name extends string }
    ? Record<Name, Filled<R['body']>>
    : R extends { itemwise: infer Name extends string }
      ? Omit<Filled<R['body']>, Name> & Record<Name, Checked<ItemOf<Properties<R['body']>[Name]>>[]>
      : Filled<R['body']>

/** Params, query and body in one object, checked, converted and with defaults filled in. */
export type HandlerInput<R extends Route> = Filled<R['params']> & Filled<R['query']> & BodyInput<R>

type ReplyBody<S> = S extends TSchema ? Static<S> : undefined
type Replies<R extends Route> = R['replies']
type IsUnion<T, U = T> = T extends unknown ? ([U] extends [T] ? false : true) : never
type Status<R extends Route> = keyof Replies<R> & number

/** The body alone where a route has one success status, `{ status, body }` where it has several. */
export type Answer<R extends Route> = R extends { stream: true }
  ? undefined
  : true extends IsUnion<Status<R>>
    ? { [S in Status<R>]: { status: S; body: ReplyBody<Replies<R>[S]> } }[Status<R>]
    : ReplyBody<Replies<R>[Status<R>]>

/** For a route with several success statuses. (In a bare object literal the compiler would forget the very number.) */
export const answer = <const S extends number, B>(status: S, body: B): { status: S; body: B } => ({ status, body })

export type Handler<R extends Route> = (
  input: HandlerInput<R>,
  caller: CallerOf<R>,
  request: FastifyRequest,
  reply: FastifyReply,
) => Promise<Given<R>> | Given<R>
type Given<R extends Route> = Answer<R> | (R extends { download: string } ? Download | Page : never)

/**
 * Mounts one route of the contract: checks, scope, conversion and reply come from it. The handler of a stream takes
 * over the reply by itself (`reply.hijack()`) and gives nothing back.
 */
export function implement<const R extends Route>(app: FastifyInstance, route: R, handle: Handler<R>): void {
  const response = Object.fromEntries(
    Object.entries(route.replies).flatMap(([status, schema]) =>
      isShaped(schema) ? [[status, printable(schema)]] : [],
    ),
  )
  const body = shallowBody(route)
  const readInput = inputReader(route)
  const send = sender(route)
  app.route({
    method: route.method,
    url: route.path,
    // HEAD goes with every GET by itself, except where the answer never ends.
    ...(route.stream && { exposeHeadRoute: false }),
    ...(route.bodyBytesMax !== undefined && { bodyLimit: route.bodyBytesMax }),
    ...(route.bodyOptional && { preValidation: takeEmptyBody }),
    config: { route },
    schema: {
      ...(route.params && { params: route.params }),
      ...(route.query && { querystring: route.query }),
      ...(body && { body }),
      response,
    },
    handler: async (request, reply) => {
      const input = readInput(request) as HandlerInput<R>
      const answered = await handle(input, request.caller as CallerOf<R>, request, reply)
      return route.stream ? reply : send(reply, answered)
    },
  })
}

// A reply of free-form JSON may be a bare string or null, which Fastify would send as text or as nothing.
const isShaped = (schema: TSchema | null): schema is TSchema => schema !== null && 'type' in schema

function takeEmptyBody(request: FastifyRequest, _: FastifyReply, done: () => void): void {
  if (request.body === undefined) request.body = {}
  done()
}

function inputReader(route: Route): (request: FastifyRequest) => object {
  const { bodyAs, itemwise } = route
  const bodyOf = (request: FastifyRequest): object => {
    if (bodyAs) return { [bodyAs]: itemwise ? oneOrMany(route, request) : request.body }
    const body = request.body as Record<string, unknown> | undefined
    if (!itemwise || !body) return body ?? {}
    return { ...body, [itemwise]: checkItems(route, own(body, itemwise) as unknown[], request) }
  }
  // The path goes last: it was checked against the caller, and nothing else may stand in for it.
  return (request) => ({
    ...(route.query && (request.query as object)),
    ...(route.body && bodyOf(request)),
    ...(route.params && (request.params as object)),
  })
}

function sender(route: Route): (reply: FastifyReply, answered: unknown) => FastifyReply {
  const statuses = Object.keys(route.replies).map(Number)
  const only = statuses.length === 1 ? statuses[0]! : undefined
  return (reply, answered) => {
    if (answered instanceof Download || answered instanceof Page) return answered.send(reply, route.download!)
    const { status, body } =
      only === undefined ? (answered as { status: number; body: unknown }) : { status: only, body: answered }
    const schema = route.replies[status]
    if (schema === undefined) throw new Error(`${route.name} has no reply ${status}`)
    reply.code(status)
    if (schema === null) return reply.send()
    if (route.produces) return reply.type(route.produces).send(body)
    if (body === undefined && isShaped(schema)) return reply.send()
    const print = isShaped(schema) ? printerOf(reply, status) : undefined
    return reply.type('application/json; charset=utf-8').send(printJson(body ?? null, print))
  }
}
