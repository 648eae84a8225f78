// Who is calling: a key of a project, a person who is signed in, or a running attempt with its token. Set once per
// request, by access.ts.
import type { FastifyRequest } from 'fastify'
import type { LiveSession } from '#access/people/sessions.sql.ts'
import type { Route } from '#contract/route.ts'
import { refuseField } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import { headerText } from './input/header-text.ts'

export type KeyCaller = {
  kind: 'key'
  projectId: string
  keyId: string
  scopes: ReadonlySet<string>
  actor: Actor
  /** Set when the key opened a session, and the call comes with its cookie. */
  session?: LiveSession
}
export type UserCaller = {
  kind: 'user'
  projectId: string
  userId: string
  scopes: ReadonlySet<string>
  actor: Actor
  session: LiveSession
}
export type RunCaller = {
  kind: 'run'
  projectId: string
  runId: string
  attempt: number
  leaseToken: string
  actor: Actor
}
/** Whoever may do what scopes say. */
export type ScopedCaller = KeyCaller | UserCaller
export type SessionCaller = (KeyCaller & { session: LiveSession }) | UserCaller
/** Somebody with a token that only reads one run, such as a page in a browser. */
export type ViewCaller = {
  kind: 'view'
  projectId: string
  /** The id that clients know the run by. */
  viewedRunId: string
  /** From when the request came. */
  expiresInMs: number
  actor: Actor
}
export type Caller = ScopedCaller | RunCaller | ViewCaller

/** For actions: the project that they concern, and who asks for them. */
export const askedBy = ({ projectId, actor }: ScopedCaller) => ({ projectId, actor })

/** The type of caller that a route's handler gets, given its `needs`. */
export type CallerOf<R extends Route> = R['needs'] extends 'nothing'
  ? null
  : R['needs'] extends 'run_token'
    ? RunCaller
    : R['needs'] extends 'any_key'
      ? KeyCaller
      : R['needs'] extends 'session'
        ? SessionCaller
        : R extends { orRunToken: true | 'of_parent' | 'of_project' }
          ? Caller
          : ScopedCaller

/** Whose calls are counted together. */
export function rateLimitNameOf(caller: Caller): string {
  switch (caller.kind) {
    case 'key':
      return caller.keyId
    case 'user':
      return caller.userId
    case 'run':
      return caller.runId
    case 'view':
      return `view:${caller.projectId}/${caller.viewedRunId}`
  }
}

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | null
  }
  interface FastifyContextConfig {
    route?: Route
  }
}

/** For code behind a route that requires a caller. */
export function callerOf(request: FastifyRequest): Caller {
  if (!request.caller)
    throw new Error(`${request.method} ${request.routeOptions.url} asks for a caller, and needs none`)
  return request.caller
}

const IDEMPOTENCY_KEY_LENGTH_MAX = 256

/**
 * The idempotency key from the header (with or without the older X-), or from the body where a call has the field; both
 * may be sent if they agree.
 */
export function idempotencyKeyOf(request: FastifyRequest, field?: string): string | undefined {
  const header = request.headers['idempotency-key'] ?? request.headers['x-idempotency-key']
  if (header === undefined) return field
  const key = headerText(String(header))
  // In code points, as in a body.
  if (key.length === 0 || [...key].length > IDEMPOTENCY_KEY_LENGTH_MAX) {
    throw refuseField('Idempotency-Key', `must have 1 to ${IDEMPOTENCY_KEY_LENGTH_MAX} characters`)
  }
  if (field !== undefined && field !== key)
    throw refuseField('idempotency_key', 'differs from the header Idempotency-Key')
  return key
}
