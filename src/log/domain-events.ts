// Domain events: those of the log that name what they are about, be it their run. Pages of them by number, and how many
// there are in all, which the counters say wherever they can.

import type { Ctx } from '#bell/ctx.ts'
import { derivedId } from '#postgres/id.ts'
import { countKinds } from './counts/count-events.sql.ts'
import { findPlace } from './counts/event-places.ts'
import type { LogEvent } from './event-columns.sql.ts'
import { findChain } from './find-event.sql.ts'
import type { EventFilter, Thing } from './lists/event-filter.sql.ts'
import { countListed } from './lists/list-events.sql.ts'
import { listEvents } from './lists/list-events.ts'
import { findResources } from './resources.sql.ts'

export type Numbered = { limit: number; offset: number }
export type NumberedPage = { rows: LogEvent[]; total: number }

/** Whether things of this kind are meant. */
export type KindTest = (resourceType: string) => boolean

export type DomainFilter = {
  projectId: string
  types?: readonly string[] | undefined
  ofKind?: KindTest | undefined
  from?: Date | undefined
  to?: Date | undefined
}

const COUNT_MAX = 2_147_483_647
/** Types of events that each are read by their own index. */
const TYPE_WAYS_MAX = 20

/** Newest first. */
export async function listDomainEvents(
  { reads }: Ctx,
  { ofKind, ...filter }: DomainFilter,
  { limit, offset }: Numbered,
): Promise<NumberedPage> {
  const all = await countKinds(reads, { ...filter, named: true })
  const meant = ofKind ? all.filter((kind) => ofKind(kind.resourceType)) : all
  const total = sum(meant.map((kind) => kind.count))
  if (offset >= total) return { rows: [], total }
  const resourceTypes = ofKind && [...new Set(meant.map((kind) => kind.resourceType))]
  const place = await findPlace(reads, { ...filter, resourceTypes, named: true }, offset)
  if (!place) return { rows: [], total }
  // Events of runs have no index by kind. Where they are few, those of other things are too many to be passed over, and
  // the types that the counters name lead to them.
  const typesMeant = [...new Set(meant.map((kind) => kind.type))]
  const few = total * 10 < sum(all.map((kind) => kind.count)) && typesMeant.length <= TYPE_WAYS_MAX
  const rows = await listEvents(reads, {
    projectId: filter.projectId,
    types: filter.types ?? (few && resourceTypes?.includes('run') ? typesMeant : undefined),
    resource: resourceTypes && { types: resourceTypes },
    named: true,
    occurredFrom: filter.from,
    occurredTo: place.before,
    order: 'newest first',
    limit,
    offset: place.skip,
  })
  return { rows, total }
}

/** About the things that a UUID stands for, newest first. */
export async function listEventsAbout(
  ctx: Ctx,
  uuid: string,
  { ofKind = () => true, projectId, types, from, to }: DomainFilter,
  page: Numbered,
): Promise<NumberedPage> {
  const resources = (await findResources(ctx.reads, projectId, uuid)).filter((it) => ofKind(it.type))
  // A client may have called its run by a UUID, under which it is not stored.
  const runIds = [uuid, derivedId(projectId, uuid), derivedId(projectId, uuid.toUpperCase())]
  const things: Thing[] = [...(ofKind('run') ? runIds.map((runId) => ({ runId })) : []), ...resources]
  return pageOf(ctx, { projectId, types, things, occurredFrom: from, occurredTo: to }, 'newest first', page)
}

/** Of a whole chain of causes, oldest first. */
export async function listEventsOfChain(ctx: Ctx, projectId: string, correlationId: string, page: Numbered) {
  const chain = await findChain(ctx.reads, projectId, correlationId)
  return pageOf(ctx, { projectId, correlationId: chain, named: true }, 'oldest first', page)
}

async function pageOf(
  { reads }: Ctx,
  filter: EventFilter,
  order: 'newest first' | 'oldest first',
  { limit, offset }: Numbered,
): Promise<NumberedPage> {
  const total = await countListed(reads, filter, COUNT_MAX)
  const rows = offset >= total ? [] : await listEvents(reads, { ...filter, order, limit, offset })
  return { rows, total }
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + n, 0)
