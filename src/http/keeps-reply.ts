import type { Route } from '#contract/route.ts'

/** Triggers answer a repeated key with the run itself. */
const TRIGGERS: ReadonlySet<string> = new Set(['triggerRun'])
/** Their answers hold secrets, which are shown once and kept nowhere. */
const SECRETIVE: ReadonlySet<string> = new Set([
  'createKey',
  'rotateKey',
  'createProject',
  'createJob',
  'createInvitation',
  'createUserLink',
])

/** Whether a call of this route may carry an Idempotency-Key and have its reply stored. */
export const keepsReply = (route: Route): boolean => route.keepsReply ?? keepsReplyByItself(route)

const keepsReplyByItself = (route: Route): boolean =>
  route.method !== 'GET' &&
  route.needs !== 'run_token' &&
  route.needs !== 'nothing' &&
  // They are about the session itself, and a password is not to be compared with a kept request.
  route.needs !== 'session' &&
  // Leases fence the calls of workers, and events have ids: they repeat safely by themselves.
  route.needs !== 'workers' &&
  route.name !== 'appendEvents' &&
  !TRIGGERS.has(route.name) &&
  !SECRETIVE.has(route.name)

/** Whether the header has a meaning on this route. */
export const takesIdempotencyKey = (route: Route): boolean =>
  TRIGGERS.has(route.name) || route.name === 'spawnRun' || keepsReply(route)
