// The six reads, in VirtuousAI's words.

import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import { refuse } from '#core/error.ts'
import type { Json } from '#core/json/json.ts'
import { withRunCauses } from '#core/log/causes.ts'
import { implement } from '#http/implement.ts'
import { countByActor, countEvents } from '#log/counts/count-events.sql.ts'
import {
  listDomainEvents,
  listEventsAbout,
  listEventsOfChain,
  type Numbered,
  type NumberedPage,
} from '#log/domain-events.ts'
import type { LogEvent } from '#log/event-columns.sql.ts'
import { findEvent } from '#log/find-event.sql.ts'
import { readFirstEvents } from '#log/first-events.sql.ts'
import { outcomesOf } from '#log/outcomes.ts'
import { resourceUuid } from '#log/resources.sql.ts'
import * as contract from './contract.ts'
import { type ResourceType, shownAs } from './resource-types.ts'

/** The list of actors has no pages. */
const ACTORS_MAX = 10_000

export function vaiEventRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.listEvents, async ({ event_type, resource_type, resource_id, ...asked }, { projectId }) => {
    const filter = {
      projectId,
      types: event_type === undefined ? undefined : [event_type],
      ofKind: ofKind(resource_type),
      ...spanOf(asked),
    }
    const page =
      resource_id === undefined
        ? await listDomainEvents(ctx, filter, asked)
        : await listEventsAbout(ctx, resource_id, filter, asked)
    return shown(page, asked)
  })
  implement(app, contract.aggregateEvents, async (asked, { projectId }) => {
    const counts = await countEvents(ctx.reads, { projectId, ...spanOf(asked), named: true })
    return {
      total: counts.total,
      byEventType: counts.byType,
      byResourceType: summed(counts.byResourceType),
      byActorType: counts.byActorType,
    }
  })
  implement(app, contract.listEventsByCorrelation, async ({ correlation_id, ...asked }, { projectId }) =>
    shown(await listEventsOfChain(ctx, projectId, correlation_id, asked), asked),
  )
  implement(app, contract.listEventsByResource, async ({ resource_type, resource_id, ...asked }, { projectId }) =>
    shown(await listEventsAbout(ctx, resource_id, { projectId, ofKind: ofKind(resource_type) }, asked), asked),
  )
  implement(app, contract.statsByActor, async (asked, { projectId }) => ({
    actors: await countByActor(ctx.reads, { projectId, ...spanOf(asked), named: true }, ACTORS_MAX, outcomesOf(ctx)),
  }))
  implement(app, contract.getEvent, async ({ event_id }, { projectId }) => {
    const row = await findEvent(ctx.reads, projectId, event_id)
    // Events without a subject are not shown here.
    if (!row?.resourceType) throw refuse('event_not_found', { eventId: event_id })
    const [whole] = await withCauses([row])
    return eventWire(whole!)
  })

  const shown = async (page: NumberedPage, asked: Numbered) =>
    pageWire({ ...page, rows: await withCauses(page.rows) }, asked)

  async function withCauses(rows: readonly LogEvent[]): Promise<LogEvent[]> {
    const runIds = new Set(rows.flatMap((row) => (row.causationId === null && row.runUuid ? [row.runUuid] : [])))
    const first = await readFirstEvents(ctx.reads, [...runIds])
    return withRunCauses(rows, ({ runUuid }) => first.get(runUuid!))
  }
}

const spanOf = ({ from, to }: { from?: string; to?: string }) => ({
  from: from === undefined ? undefined : new Date(from),
  to: to === undefined ? undefined : new Date(to),
})

const ofKind = (asked: ResourceType | undefined) =>
  asked === undefined ? undefined : (resourceType: string) => shownAs(resourceType) === asked

const pageWire = ({ rows, total }: NumberedPage, { limit, offset }: Numbered) => ({
  events: rows.map(eventWire),
  total,
  limit,
  offset,
  hasNext: offset + rows.length < total,
})

const eventWire = (row: LogEvent) => ({
  id: row.id,
  tenantId: row.projectId,
  eventType: row.type,
  resourceType: shownAs(row.resourceType!),
  resourceId: row.resourceId === null ? null : resourceUuid(row.projectId, row.resourceType!, row.resourceId),
  actorType: row.actorType,
  actorId: row.actorId,
  correlationId: row.correlationId,
  causationId: row.causationId,
  occurredAt: row.occurredAt.toISOString(),
  payload: payloadOf(row.data),
})

/** Always an object; anything else is wrapped. */
const payloadOf = (data: Json | null) => (data === null || data.isObject ? asObject(data ?? {}) : { value: data })

/** What the contract calls an object may be one as it was written. */
const asObject = (json: object) => json as Record<string, unknown>

/** Several of our types may map to one here. Most frequent first, like all counts. */
function summed(counts: readonly { key: string; count: number }[]) {
  const sums = new Map<string, number>()
  for (const { key, count } of counts) sums.set(shownAs(key), (sums.get(shownAs(key)) ?? 0) + count)
  return [...sums].map(([key, count]) => ({ key, count })).sort((a, b) => b.count - a.count || (a.key < b.key ? -1 : 1))
}
