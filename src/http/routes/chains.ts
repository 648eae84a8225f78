import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/chains.ts'
import { refuse } from '#core/error.ts'
import type { ActorType } from '#core/event.ts'
import { treeOf, withRunCauses } from '#core/log/causes.ts'
import { findChain } from '#log/find-event.sql.ts'
import { listLinks } from '#log/lists/event-links.sql.ts'
import { listEvents } from '#log/lists/list-events.ts'
import { instantText } from '#postgres/instant.ts'
import { implement } from '../implement.ts'
import { decodeCursor, encodeCursor, pageOf, TIME, WHOLE } from '../wire/cursor.ts'
import { eventWire } from '../wire/event-wire.ts'
import { toWire } from '../wire/words.ts'

/** Maximum number of events in a tree. */
const TREE_MAX = 5_000

export function chainRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.listChain, async ({ correlation_id, cursor, limit }, { projectId }) => {
    const after = decodeCursor('chain', cursor, [TIME, WHOLE])
    const rows = await listEvents(ctx.reads, {
      projectId,
      correlationId: await findChain(ctx.reads, projectId, correlation_id),
      order: 'oldest first',
      after: after && { occurredAt: new Date(after[0]!), position: Number(after[1]) },
      limit: limit + 1,
    })
    if (rows.length === 0 && !after) throw refuse('correlation_not_found', { correlationId: correlation_id })
    return pageOf(rows, limit, {
      wire: eventWire,
      cursor: (row) => encodeCursor('chain', [instantText(row.occurredAt), row.position]),
    })
  })

  implement(app, contract.readChainTree, async ({ correlation_id }, { projectId }) => {
    const correlationId = await findChain(ctx.reads, projectId, correlation_id)
    const links = await listLinks(ctx.reads, { projectId, correlationId }, TREE_MAX + 1)
    if (links.length === 0) throw refuse('correlation_not_found', { correlationId: correlation_id })
    const shown = links.slice(0, TREE_MAX)
    const firstOf = new Map(shown.flatMap(({ runId, sequence, id }) => (runId && sequence === 1 ? [[runId, id]] : [])))
    const tree = treeOf(withRunCauses(shown, ({ runId }) => firstOf.get(runId!)))
    return {
      correlation_id: correlationId,
      data: tree.map(({ event, depth, parentId }) => ({
        ...toWire(event),
        actor_type: event.actorType as ActorType,
        depth,
        parent_id: parentId,
      })),
      truncated: links.length > TREE_MAX,
    }
  })
}
