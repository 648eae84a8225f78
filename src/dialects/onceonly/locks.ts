// check-lock: deduplication by key. The first caller may proceed; all others learn that the key was seen.

import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { Ctx } from '#bell/ctx.ts'
import { jsonObject, nullable, optional, text, time, whole } from '#contract/common.ts'
import { route } from '#contract/route.ts'
import { YEAR_SECS } from '#core/durations.ts'
import { Refusal, refuse } from '#core/error.ts'
import { ttlWithin } from '#core/usage/plan.ts'
import { implement } from '#http/implement.ts'
import { isOutage } from '#http/problems.ts'
import { takeLockOnPlan } from '#usage/lock-on-plan.ts'
import { planOf } from '#usage/plan-of.ts'

const METADATA_BYTES_MAX = 2048

export const checkLock = route({
  method: 'POST',
  path: '/v1/check-lock',
  needs: 'runs:write',
  tag: 'Locks',
  name: 'checkLock',
  summary: 'Take a lock on a key unless it is already taken; it expires by itself.',
  description: `Of concurrent callers with the same key, exactly one gets \`locked\`. The ttl is clamped to the bounds of the
plan. The X-OnceOnly-Status header repeats the status of the body. While the database is unavailable the response is 503, and
the client acts as it is configured to; a node that is too busy answers 429, which does not permit the caller to proceed.`,
  body: Type.Object({
    key: text(256, 'Idempotency key of the work.', { minLength: 1 }),
    ttl: optional(nullable(whole(1, 100 * YEAR_SECS, 'Seconds until the key is free again.'))),
    metadata: optional(nullable(jsonObject('Stored with the lock.', METADATA_BYTES_MAX))),
  }),
  keepsReply: false,
  replies: {
    200: Type.Object({
      success: Type.Boolean({ description: 'Whether the caller was the first.' }),
      status: Type.String({ description: 'locked or duplicate.' }),
      key: Type.String(),
      ttl: Type.Integer({ description: 'Seconds, within the bounds of the plan.' }),
      first_seen_at: nullable(time('When another caller took the key.')),
    }),
  },
  refusals: ['overloaded', 'unavailable'],
})

export const LOCK_ROUTES = [checkLock]

export function lockRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, checkLock, async ({ key, ttl, metadata }, { projectId }, { log }, reply) => {
    const plan = await planOf(ctx, projectId).catch(asOutage(log))
    const ttlSecs = ttlWithin(plan, ttl ?? undefined)
    const request = { projectId, key, ttlSecs, metadata: metadata ?? undefined }
    const { taken, firstSeenAt } = await takeLockOnPlan(ctx, request, plan).catch(asOutage(log))
    reply.header('x-onceonly-status', taken ? 'locked' : 'duplicate')
    return {
      success: taken,
      status: taken ? 'locked' : 'duplicate',
      key,
      ttl: ttlSecs,
      first_seen_at: taken ? null : firstSeenAt.toISOString(),
    }
  })
}

type Log = { error: (about: object, message: string) => void }

/** Clients cannot tell a bug from an outage, and must not learn of either: both get the same answer. */
const asOutage =
  (log: Log) =>
  (error: unknown): never => {
    if (error instanceof Refusal || isOutage(error)) throw error
    log.error({ err: error }, 'could not take a lock')
    throw refuse('unavailable', { what: 'The lock', retryAfterMs: 1000 })
  }
