// Which events: filters that all hold together, and the ways along indexes that lead to them.
import { instant } from '#core/time-units.ts'
import { isUuid, normalizeId } from '#postgres/id.ts'
import type { Db, Fragment } from '#postgres/sql.ts'
import { CALL_TYPES, CALLS_ARE_ABOUT, EVERYDAY_TYPES, hasRareType, isCall, isNoCall } from './everyday.sql.ts'
import { runsOfChain } from './runs-of-chain.sql.ts'

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

/** `everyday`: events that no index but the one by time leads to, by what the counters call them. */
export type Way = { where: Fragment; everyday?: { types: readonly string[]; resourceTypes?: readonly string[] } }

/**
 * Conditions without overlap that together are the filter; none when nothing can pass it. An index cannot give two
 * types, or two kinds of resource, in one order of time, so each has a way of its own, and the reader merges them.
 */
export function waysTo(sql: Db, filter: EventFilter): Way[] {
  const { correlationId, runId, things } = filter
  const types = filter.types && [...new Set(filter.types)]
  const resource = filter.resource && { ...filter.resource, types: [...new Set(filter.resource.types)] }
  if (types?.length === 0 || resource?.types.length === 0 || things?.length === 0) return []
  const rest = [sql`project_id = ${filter.projectId}`, ...simpleConditions(sql, filter)]
  const ofType = types ? [isOneOf(sql, sql`type`, types)] : []
  const ofResource = resource ? [aboutOneOf(sql, resource)] : []
  const along = (...conditions: Fragment[]): Way => ({ where: and(sql, [...rest, ...conditions]) })
  if (correlationId !== undefined) {
    const common = [...ofType, ...ofResource, sql`correlation_id = ${correlationId}`]
    // Events of runs are not in the index by correlation, which halves it: the runs are, and lead to their events.
    const runs = runsOfChain(sql, filter.projectId, correlationId)
    return [along(...common, sql`run_id is null`), along(...common, sql`run_id in (${runs})`)]
  }
  if (things) return things.flatMap((thing) => aboutThing(sql, thing)).map((way) => along(...ofType, way))
  if (resource && resource.id !== undefined) {
    const { id } = resource
    return resource.types.flatMap((type) => about(sql, type, id)).map((way) => along(...ofType, way))
  }
  if (resource && !types && runId === undefined && resource.types.length <= KIND_WAYS_MAX)
    return resource.types.flatMap((type) => kinds(sql, type, along))
  if (types && runId === undefined) {
    const [often, seldom] = [types.filter(isEveryday), types.filter((type) => !isEveryday(type))]
    const everyday = { types: often, ...(resource && { resourceTypes: resource.types }) }
    return [
      ...seldom.map((type) => along(...ofResource, hasRareType(sql), sql`type = ${type}`)),
      ...(often.length > 0 ? [{ ...along(...ofResource, isOneOf(sql, sql`type`, often)), everyday }] : []),
    ]
  }
  return [along(...ofType, ...ofResource)]
}

const isEveryday = (type: string): boolean => EVERYDAY_TYPES.includes(type)

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
const kinds = (sql: Db, type: string, along: (...conditions: Fragment[]) => Way): Way[] => [
  ...(type === 'run' ? [along(ofARun(sql))] : []),
  along(isNoCall(sql), sql`resource_type = ${type}`),
  ...(type === CALLS_ARE_ABOUT
    ? [{ ...along(isCall(sql)), everyday: { types: CALL_TYPES, resourceTypes: [CALLS_ARE_ABOUT] } }]
    : []),
]

const ofARun = (sql: Db): Fragment => sql`resource_type is null and run_id is not null`

/** About one thing. Those about a run are found by the run, and calls of an agent by the agent. */
function about(sql: Db, type: string, id: string): Fragment[] {
  if (type === 'run') return isUuid(id) ? [sql`resource_type is null and run_id = ${id}::uuid`] : []
  return aboutNamed(sql, type, id)
}

const aboutNamed = (sql: Db, type: string, id: string): Fragment[] => [
  sql`${isNoCall(sql)} and resource_type = ${type} and resource_id = ${id}`,
  ...(type === CALLS_ARE_ABOUT ? [sql`${isCall(sql)} and agent_id = ${id}`] : []),
]

const aboutThing = (sql: Db, thing: Thing): Fragment[] =>
  'runId' in thing ? about(sql, 'run', thing.runId) : aboutNamed(sql, thing.type, thing.id)

/** As a filter, for what another index leads to. */
function aboutOneOf(sql: Db, { types, id }: { types: readonly string[]; id?: string | undefined }): Fragment {
  if (id !== undefined)
    return either(
      sql,
      types.map((type) => aboutById(sql, type, id)),
    )
  const named = types.filter((type) => type !== 'run')
  return either(sql, [
    ...(named.length > 0 ? [isOneOf(sql, sql`resource_type`, named)] : []),
    ...(named.length < types.length ? [sql`${ofARun(sql)} or resource_type = 'run'`] : []),
  ])
}

const aboutById = (sql: Db, type: string, id: string): Fragment =>
  type === 'run' ? either(sql, about(sql, type, id)) : sql`resource_type = ${type} and resource_id = ${id}`

const either = (sql: Db, parts: readonly Fragment[]): Fragment => {
  const [first, ...others] = parts
  return first ? sql`(${others.reduce((all, one) => sql`${all} or ${one}`, first)})` : sql`false`
}

const isOneOf = (sql: Db, column: Fragment, values: readonly string[]): Fragment =>
  values.length === 1 ? sql`${column} = ${values[0]!}` : sql`${column} = any(${values as string[]}::text[])`

const and = (sql: Db, parts: readonly Fragment[]): Fragment => parts.reduce((all, part) => sql`${all} and ${part}`)
