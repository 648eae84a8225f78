import type { Route } from '#contract/route.ts'

/** No key, or no need: leases fence the calls of workers; those about a session must not be compared with a kept request. */
const KEPT_BY_NOBODY: ReadonlySet<Route['needs']> = new Set(['run_token', 'nothing', 'session', 'workers'])

/** Whether a call of this route may carry an Idempotency-Key and have its reply stored. */
export const keepsReply = ({ keepsReply, method, needs }: Route): boolean =>
  keepsReply ?? (method !== 'GET' && !KEPT_BY_NOBODY.has(needs))

/** Whether the header has a meaning on this route. */
export const takesIdempotencyKey = (route: Route): boolean => route.ownKey === true || keepsReply(route)
