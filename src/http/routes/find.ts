import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import { findThings } from '#contract/find.ts'
import { holdsScope, type Scope } from '#core/scopes.ts'
import { type Found, findAgents, findJobs, findOperations, findRuns, type Wanted } from '#insight/find.sql.ts'
import { findEvent, hasChain } from '#log/find-event.sql.ts'
import { isUuid } from '#postgres/id.ts'
import { implement } from '../implement.ts'

type Result = Omit<Found, 'type'> & { type: Found['type'] | 'event' | 'correlation' }

export function findRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, findThings, async ({ q, limit }, { projectId, scopes }) => {
    const wanted: Wanted = { projectId, text: q.trim(), limit }
    const may = (scope: Scope, find: (ctx: Ctx, wanted: Wanted) => Promise<Result[]>) =>
      holdsScope(scopes, scope) ? find(ctx, wanted) : []
    const found = await Promise.all([
      findRuns(ctx.reads, wanted),
      may('jobs:read', ({ reads }) => findJobs(reads, wanted)),
      may('agents:read', ({ reads }) => findAgents(reads, wanted)),
      findOperations(ctx.reads, wanted),
    ])
    const things: Result[] = found.flat()
    // An id that is known already is none of an event, whose ids no index holds.
    return { data: things.length > 0 ? things : await may('events:read', findInLog) }
  })
}

async function findInLog({ reads }: Ctx, { projectId, text }: Wanted): Promise<Result[]> {
  const event = isUuid(text) ? await findEvent(reads, projectId, text.toLowerCase()) : undefined
  const isChain = await hasChain(reads, projectId, text)
  return [
    ...(event ? [{ type: 'event' as const, id: event.id, name: event.type }] : []),
    ...(isChain ? [{ type: 'correlation' as const, id: text, name: null }] : []),
  ]
}
