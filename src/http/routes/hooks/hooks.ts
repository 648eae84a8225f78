import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { RateLimiter } from '#access/rate-limit.ts'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/hooks.ts'
import { refuse, refuseField } from '#core/error.ts'
import { createHook, removeHook, rotateHook } from '#hooks/change-hooks.ts'
import { findHook, type HookRow, listHooks } from '#hooks/hooks.sql.ts'
import { askedBy } from '../../caller.ts'
import { implement } from '../../implement.ts'
import { type PublicAddress, pageUrl } from '../../session/origin.ts'
import { createdCursor, createdKey, encodeCursor, pageOf } from '../../wire/cursor.ts'
import { iso } from '../../wire/words.ts'
import { receivingRoute } from './receiving.ts'

type Parts = { address: PublicAddress; limiter: RateLimiter }

export function hookRoutes(app: FastifyInstance, ctx: Ctx, { address, limiter }: Parts): void {
  const made = (request: FastifyRequest, { row, secret }: { row: HookRow; secret: string }) => ({
    ...hookWire(row),
    url: pageUrl(request, address, `/hooks/${secret}`),
  })
  implement(app, contract.createHook, async ({ event_key, job, signing_secret, ...input }, caller, request) => {
    if (event_key === undefined && job === undefined) throw refuseField('event_key', 'or job is required')
    if (event_key !== undefined && job !== undefined)
      throw refuseField('job', 'may not be given together with event_key')
    const asked = {
      name: input.name,
      sender: input.sender,
      signingSecret: signing_secret ?? null,
      eventKey: event_key ?? null,
      job: job ?? null,
      pass: input.pass,
      rateLimitPerMinute: input.rate_limit_per_minute,
    }
    return made(request, await createHook(ctx, { ...askedBy(caller), ...asked }))
  })
  implement(app, contract.listHooks, async ({ cursor, limit }, { projectId }) => {
    const after = createdCursor('hooks', cursor)
    const rows = await listHooks(ctx.reads, projectId, { after, limit: limit + 1 })
    return pageOf(rows, limit, { wire: hookWire, cursor: (row) => encodeCursor('hooks', createdKey(row)) })
  })
  implement(app, contract.getHook, async ({ hook_id }, { projectId }) => {
    const row = await findHook(ctx.sql, projectId, hook_id)
    if (!row) throw refuse('hook_not_found', { hookId: hook_id })
    return hookWire(row)
  })
  implement(app, contract.rotateHook, async ({ hook_id, grace_secs, signing_secret }, caller, request) =>
    made(
      request,
      await rotateHook(ctx, {
        ...askedBy(caller),
        hookId: hook_id,
        graceSecs: grace_secs,
        signingSecret: signing_secret,
      }),
    ),
  )
  implement(app, contract.deleteHook, async ({ hook_id }, caller) => {
    await removeHook(ctx, { ...askedBy(caller), hookId: hook_id })
    return undefined
  })
  app.register(async (scope) => receivingRoute(scope, ctx, limiter))
}

const hookWire = (row: HookRow) => ({
  id: row.id,
  name: row.name,
  prefix: row.shownPrefix,
  sender: row.sender,
  event_key: row.eventKey,
  job: row.job,
  pass: row.pass,
  rate_limit_per_minute: row.rateLimitPerMinute,
  created_at: row.createdAt.toISOString(),
  created_by: row.createdById,
  old_address_until: iso(row.oldUntil),
})
