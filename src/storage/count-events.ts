// How many events, by what they are and by who did them. Whole hours come from the counters that are kept as events
// are written; only the two hours that a span begins and ends within are counted in the log.
import { OUTCOME_PATTERNS } from '#core/outcome.ts'
import type { Fragment, Sql } from './sql.ts'

export type CountFilter = {
  projectId: string
  /** Inclusive, and by when events occurred. */
  from?: Date | undefined
  /** Exclusive. */
  to?: Date | undefined
  types?: readonly string[] | undefined
  resourceTypes?: readonly string[] | undefined
}

/** Most frequent first. Events that have no such value are not among them. */
export type Count = { key: string; count: number }
export type EventCounts = { total: number; byType: Count[]; byResourceType: Count[]; byActorType: Count[] }

export async function countEvents(sql: Sql, filter: CountFilter): Promise<EventCounts> {
  const rows = await sql<{ kind: number; key: string | null; count: number }[]>`
    with counted as (${counted(sql, filter)})
    select grouping(type, resource_type, actor_type) as kind, coalesce(type, resource_type, actor_type) as key, sum(n)::bigint as count
    from counted group by grouping sets ((), (type), (resource_type), (actor_type))
    order by count desc, key`
  // grouping() tells by its bits which of the three a row is not about.
  const of = (kind: number) =>
    rows.flatMap((row) => (row.kind === kind && row.key ? [{ key: row.key, count: row.count }] : []))
  const total = rows.find((row) => row.kind === 0b111)?.count ?? 0
  return { total, byType: of(0b011), byResourceType: of(0b101), byActorType: of(0b110) }
}

export type ActorCount = {
  actorType: string
  actorId: string | null
  total: number
  successes: number
  failures: number
}

/** The busiest first. */
export async function countByActor(sql: Sql, filter: CountFilter, limit: number): Promise<ActorCount[]> {
  const rows = await sql<ActorCount[]>`
    with counted as (${counted(sql, filter)}), by_type as (
      select actor_type, actor_id, type, sum(n) as n from counted group by 1, 2, 3
    )
    select actor_type as "actorType", nullif(actor_id, '') as "actorId", sum(n)::bigint as total,
      coalesce(sum(n) filter (where type ~ ${OUTCOME_PATTERNS.success}), 0)::bigint as successes,
      coalesce(sum(n) filter (where type ~ ${OUTCOME_PATTERNS.failure}), 0)::bigint as failures
    from by_type group by actor_type, actor_id
    order by total desc, actor_type, actor_id limit ${limit}::int`
  return [...rows]
}

/** Rows of type, resource_type ('' without one), actor_type, actor_id ('' without one) and n. */
function counted(sql: Sql, filter: CountFilter) {
  const { projectId, types, resourceTypes } = filter
  const { hours, edges } = spansOf(filter)
  const ofTypes = types ? sql`and type = any(${types as string[]}::text[])` : sql``
  const about = sql`coalesce(resource_type, case when run_id is null then '' else 'run' end)`
  const ofResources = (column: Fragment) =>
    resourceTypes ? sql`and ${column} = any(${resourceTypes as string[]}::text[])` : sql``
  const whole = sql`
    select type, resource_type, actor_type, actor_id, n from event_counts
    where project_id = ${projectId} ${within(sql, sql`hour`, hours)} ${ofTypes} ${ofResources(sql`resource_type`)}`
  return edges.reduce(
    (all, edge) => sql`${all} union all
      select type, ${about}, actor_type, coalesce(actor_id, ''), count(*) from events
      where project_id = ${projectId} ${within(sql, sql`occurred_at`, edge)} ${ofTypes} ${ofResources(about)}
      group by 1, 2, 3, 4`,
    whole,
  )
}

type Span = { from?: Date | undefined; to?: Date | undefined }

const within = (sql: Sql, column: Fragment, { from, to }: Span) => sql`
  ${from ? sql`and ${column} >= ${from.toISOString()}::timestamptz` : sql``}
  ${to ? sql`and ${column} < ${to.toISOString()}::timestamptz` : sql``}`

const HOUR_MS = 3_600_000

/** A span as whole hours, and what is left of it at its ends. */
function spansOf({ from, to }: Span): { hours: Span; edges: Required<Span>[] } {
  const firstHour = from && new Date(Math.ceil(from.getTime() / HOUR_MS) * HOUR_MS)
  const endHour = to && new Date(Math.floor(to.getTime() / HOUR_MS) * HOUR_MS)
  if (from && to && firstHour! > endHour!) return { hours: { from: endHour, to: endHour }, edges: [{ from, to }] }
  const edges: Required<Span>[] = []
  if (from && firstHour! > from) edges.push({ from, to: firstHour })
  if (to && endHour! < to) edges.push({ from: endHour, to })
  return { hours: { from: firstHour, to: endHour }, edges }
}
