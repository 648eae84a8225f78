// Authentication and authorization of a request: who calls, what they may do, how often. Runs before the body is read.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Route } from '#contract/route.ts'
import { refuse } from '#core/error.ts'
import { holdsScope } from '#core/scopes.ts'
import { normalizeId } from '#postgres/id.ts'
import type { Caller, RunCaller, ViewCaller } from './caller.ts'
import type { OpenStreams } from './session/open-streams.ts'

/** Throws the refusal `unauthorized` when the request has no valid credential. */
export type Authenticate = (request: FastifyRequest) => Promise<Caller>

/** Throws the refusal `rate_limited` when over the limit; may return the state of the limit. */
export type RateLimit = (caller: Caller, route: Route) => Promise<RateLimitStanding | undefined>
export type RateLimitStanding = { limit: number; remaining: number; resetMs: number }

/** Throws when the attempt of a run token no longer holds its run: such a call reaches no route of the contract. */
export type FenceAttempt = (caller: RunCaller) => Promise<void>

export type AccessOptions = {
  authenticate: Authenticate
  fence: FenceAttempt
  rateLimit?: RateLimit
  /** Watches a stream for as long as it is open. */
  follow?: OpenStreams['follow']
  /** Which callers need no key on routes open to local callers; none by default. */
  isLocal?: (request: FastifyRequest) => boolean
}

export function checkAccess({ authenticate, fence, rateLimit, follow, isLocal }: AccessOptions) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const route = request.routeOptions.config?.route
    // Paths outside the contract bring their own checks: dialects, the documents, unknown paths.
    if (!route || route.needs === 'nothing') return
    if (route.orLocal && isLocal?.(request)) return
    const caller = await authenticate(request)
    request.caller = caller
    if (rateLimit) showStanding(reply, await rateLimit(caller, route))
    admit(caller, route, request.params as Record<string, string>)
    if (caller.kind === 'run') await fence(caller)
    if (route.stream || route.streamsToo) follow?.(caller, route.needs, reply.raw)
  }
}

/** Asks for no scope. */
const OPEN_TO_ALL: ReadonlySet<string> = new Set(['any_key', 'session', 'nothing'])

/** Checks a caller against what a route needs. */
export function admit(caller: Caller, route: Route, params: Record<string, string>): void {
  const { needs } = route
  if (caller.kind === 'view') {
    admitView(caller, route, params)
    return
  }
  if (caller.kind !== 'run') {
    if (needs === 'run_token') throw refuse('wrong_credential', { needs: 'the token of a running attempt' })
    if (needs === 'session' && !caller.session) throw refuse('wrong_credential', { needs: 'the cookie of a session' })
    if (needs === 'any_key' && caller.kind !== 'key') throw refuse('wrong_credential', { needs: 'an API key' })
    if (OPEN_TO_ALL.has(needs) || holdsScope(caller.scopes, needs)) return
    throw refuse('forbidden', { scope: needs, ...(caller.kind === 'user' && { holder: 'role' as const }) })
  }
  if (needs !== 'run_token' && !route.orRunToken) throw refuse('wrong_credential', { needs: 'an API key' })
  // Which runs are its children is not in the token: the route looks at the run that it has read.
  if (route.orRunToken === 'of_project' || route.orRunToken === 'of_parent') return
  // For this token other runs do not exist, in its own project or elsewhere.
  const runId = params.run_id ?? ''
  if (normalizeId(runId) !== caller.runId) throw refuse('run_not_found', { runId })
}

/** It reads what belongs to its run, and nothing that asks for more than the reading of runs. */
function admitView({ viewedRunId }: ViewCaller, route: Route, params: Record<string, string>): void {
  const { orRunToken } = route
  const ofRun = orRunToken === true || orRunToken === 'of_parent'
  if (route.method !== 'GET' || route.needs !== 'runs:read' || !ofRun)
    throw refuse('wrong_credential', { needs: 'an API key' })
  const runId = params.run_id ?? ''
  // The id of an external run is its client's own, and may look like one of ours in another case.
  if (runId !== viewedRunId && normalizeId(runId) !== viewedRunId) throw refuse('run_not_found', { runId })
}

function showStanding(reply: FastifyReply, standing: RateLimitStanding | undefined): void {
  if (!standing) return
  reply.header('x-ratelimit-limit', standing.limit)
  reply.header('x-ratelimit-remaining', standing.remaining)
  reply.header('x-ratelimit-reset', Math.ceil(standing.resetMs / 1000))
}
