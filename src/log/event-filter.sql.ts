// Which events: filters that all hold together, and the ways along indexes that lead to them.

import { instant } from '#core/time-units.ts'
import { isUuid, normalizeId } from '#postgres/id.ts'
import type { Db, Fragment } from '#postgres/sql.ts'

export type Thing = { type: string; id: string } | { runId: string }

export type EventFilter = {
  projectId: string
  types?: readonly string[] | undefined
  /** Type 'run' means the events that are about their run, and its id the one under which the run is stored. */
  resource?: { types: readonly string[]; id?: string | undefined } | undefined
  /** Events about any of these; a run by the id under which it is stored. Not together with `resource`. */
  things?: readonly Thing[] | undefined
  /** Only events that name what they are about, be it their run. */
  named?: boolean
  actorType?: string | undefined
  actorId?: string | undefined
  correlationId?: string | undefined
  /** The id under which the run is stored. */
  runId?: string | undefined
  agentId?: string | undefined
  /** Inclusive. */
  occurredFrom?: Date | undefined
  /** Exclusive. */
  occurredTo?: Date | undefined
}

/** Kinds of resources that each are read by their own index; many more are filtered out of the order of time. */
const KIND_WAYS_MAX = 20

/**
 * Conditions without overlap that together are the filter; none when nothing can pass it. An index cannot give two
 * types, or two kinds of resource, in one order of time, so each has a way of its own, and the reader merges them.
 */
export function waysTo(sql: Db, filter: EventFilter): Fragment[] {
  const { correlationId, runId } = filter
  const types = filter.types && [...new Set(filter.types)]
  const resource = filter.resource && { ...filter.resource, types: [...new Set(filter.resource.types)] }
  const { things } = filter
  if (types?.length === 0 || resource?.types.length === 0 || things?.length === 0) return []
  const rest = [sql`project_id = ${filter.projectId}`, ...simpleConditions(sql, filter)]
  const ofType = types ? [isOneOf(sql, sql`type`, types)] : []
  const ofResource = resource ? [aboutOneOf(sql, resource)] : []
  if (correlationId !== undefined) {
    const common = [...rest, ...ofType, ...ofResource, sql`correlation_id = ${correlationId}`]
    // Events of runs are not in the index by correlation, which halves it: the runs are, and lead to their events.
    const runs = sql`select id from runs where project_id = ${filter.projectId} and correlation_id = ${correlationId}`
    return [and(sql, [...common, sql`run_id is null`]), and(sql, [...common, sql`run_id in (${runs})`])]
  }
  if (things) return things.map((thing) => and(sql, [...rest, ...ofType, aboutThing(sql, thing)]))
  if (resource && resource.id !== undefined) {
    const ways = resource.types.map((type) => about(sql, type, resource.id))
    return ways.map((way) => and(sql, [...rest, ...ofType, way]))
  }
  if (resource && !types && runId === undefined && resource.types.length <= KIND_WAYS_MAX)
    return resource.types.flatMap((type) => kinds(sql, type)).map((kind) => and(sql, [...rest, kind]))
  if (types && runId === undefined) return types.map((type) => and(sql, [...rest, ...ofResource, sql`type = ${type}`]))
  return [and(sql, [...rest, ...ofType, ...ofResource])]
}

function simpleConditions(sql: Db, filter: EventFilter): Fragment[] {
  const { actorType, actorId, runId, agentId, occurredFrom, occurredTo } = filter
  const parts: Fragment[] = []
  if (filter.named) parts.push(sql`(resource_type is not null or run_id is not null)`)
  if (runId !== undefined) parts.push(sql`run_id = ${runId}::uuid`)
  if (agentId !== undefined) parts.push(sql`agent_id = ${agentId}`)
  if (actorType !== undefined) parts.push(sql`actor_type = ${actorType}`)
  // Most actors have an id of ours, but workers choose their names.
  if (actorId !== undefined) parts.push(isOneOf(sql, sql`actor_id`, [...new Set([actorId, normalizeId(actorId)])]))
  // The index by actor leaves these two out, and is used only where the statement itself says that it does, too.
  if (actorType !== undefined && actorType !== 'system' && actorType !== 'worker') {
    parts.push(sql`actor_type not in ('system', 'worker')`)
  }
  if (occurredFrom) parts.push(sql`occurred_at >= ${instant(occurredFrom)}::text::timestamptz`)
  if (occurredTo) parts.push(sql`occurred_at < ${instant(occurredTo)}::text::timestamptz`)
  return parts
}

/** Events are about their run without saying so; one of no run may name a run like any other thing. */
const kinds = (sql: Db, type: string): Fragment[] => [
  ...(type === 'run' ? [sql`resource_type is null and run_id is not null`] : []),
  sql`resource_type = ${type}`,
]

function about(sql: Db, type: string, id?: string): Fragment {
  if (type === 'run') {
    if (id === undefined) return sql`(${kinds(sql, type).reduce((all, one) => sql`${all} or ${one}`)})`
    return isUuid(id) ? sql`resource_type is null and run_id = ${id}::uuid` : sql`false`
  }
  return id === undefined ? sql`resource_type = ${type}` : sql`resource_type = ${type} and resource_id = ${id}`
}

const aboutThing = (sql: Db, thing: Thing): Fragment =>
  'runId' in thing ? about(sql, 'run', thing.runId) : sql`resource_type = ${thing.type} and resource_id = ${thing.id}`

function aboutOneOf(sql: Db, { types, id }: { types: readonly string[]; id?: string | undefined }): Fragment {
  if (types.length === 1) return about(sql, types[0]!, id)
  if (id !== undefined)
    return sql`(${types.map((type) => about(sql, type, id)).reduce((all, one) => sql`${all} or ${one}`)})`
  const named = types.filter((type) => type !== 'run')
  const ofNamed = isOneOf(sql, sql`resource_type`, named)
  return named.length === types.length ? ofNamed : sql`(${ofNamed} or ${about(sql, 'run')})`
}

const isOneOf = (sql: Db, column: Fragment, values: readonly string[]): Fragment =>
  values.length === 1 ? sql`${column} = ${values[0]!}` : sql`${column} = any(${values as string[]}::text[])`

const and = (sql: Db, parts: readonly Fragment[]): Fragment => parts.reduce((all, part) => sql`${all} and ${part}`)
