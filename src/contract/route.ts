// A route is a value: path, scope, schemas and descriptions in one place. Fastify's validation, the OpenAPI document,
// the SDK's types and the CLI's help are all read from it.
import type { Static, TSchema } from 'typebox'
import type { RefusalCode } from '#core/error.ts'
import type { Scope } from '#core/scopes.ts'

export type Route = {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Fastify's notation: `/v1/runs/:run_id`. */
  path: `/${string}`
  /**
   * The scope of the key or the role; 'any_key' for all keys; 'session' for whoever is signed in; 'run_token' for what a
   * running attempt may call, whose token has no scopes; 'nothing' for open routes.
   */
  needs: Scope | 'any_key' | 'session' | 'run_token' | 'nothing'
  /**
   * Beside keys of that scope, the token of the very run that the path names is accepted; with 'of_parent' also that of
   * the run that spawned it, which the route itself checks; with 'of_project' that of any run of the project.
   */
  orRunToken?: true | 'of_parent' | 'of_project'
  /** Callers on the machine of the node need no key, unless the operator says otherwise. */
  orLocal?: true
  /** Name of a cookie that may hold the key, where clients of another product are used to one. Only for reads. */
  keyCookie?: string
  tag: string
  /** Unique, camelCase: the name in the SDK and in OpenAPI. */
  name: string
  summary: string
  description?: string
  params?: TSchema
  query?: TSchema
  body?: TSchema
  /** Set when an empty body stands for `{}`. */
  bodyOptional?: true
  /** For a body that is not an object: the name under which SDK callers pass it and handlers receive it. */
  bodyAs?: string
  /**
   * The name of the list (a body field, or `bodyAs`) whose items are validated one by one: an invalid item is refused
   * in its own result and the others are processed. The handler receives them as `Checked` items.
   */
  itemwise?: string
  /** Bytes of one item's JSON text. */
  itemBytesMax?: number
  /** Bytes; the default is in http/server.ts. */
  bodyBytesMax?: number
  /** Content types that the route reads besides JSON. */
  consumes?: readonly string[]
  /** The route reads bodies compressed with gzip, too. */
  gzip?: true
  /** The content type of replies that are not JSON. */
  produces?: string
  /** The content type of the file or page that a caller may ask for instead of JSON. */
  download?: string
  /** The reply for each success status, e.g. `{ 201: Run }`; null for one without a body. */
  replies: Readonly<Record<number, TSchema | null>>
  /** The refusal codes (core/error.ts) of this route, besides those that every route may answer with. */
  refusals?: readonly RefusalCode[]
  /** Whether a repeated Idempotency-Key is answered with the earlier reply; the default is in http/keeps-reply.ts. */
  keepsReply?: boolean
  /** The route takes an Idempotency-Key and handles it by itself: a repeated key is answered with what the first call made. */
  ownKey?: true
  /** A call may wait for something to do, so its duration says nothing about the server. */
  mayWait?: true
  /** Answers with text/event-stream when the caller accepts it. */
  streamsToo?: true
  /** A stream answers text/event-stream and has no reply schema. */
  stream?: true
}

// An optional field that is absent from the route's literal type reads as `unknown`, which is a TSchema too.
type StaticOr<S> = unknown extends S ? object : S extends TSchema ? Static<S> : object
type BodyOf<R extends Route> = R extends { bodyAs: infer Name extends string }
  ? Record<Name, StaticOr<R['body']>>
  : StaticOr<R['body']>
type ReplyOf<R> = { [Status in keyof R]: R[Status] extends TSchema ? Static<R[Status]> : undefined }[keyof R]

/** What a caller sends, params, query and body in one object. */
export type Input<R extends Route> = StaticOr<R['params']> & StaticOr<R['query']> & BodyOf<R>
export type Output<R extends Route> = ReplyOf<R['replies']>

/** Keeps the literal types of a route; checks that it is one. */
export const route = <const R extends Route>(value: R): R => value
