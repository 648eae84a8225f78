// Counts events by what they are and by who did them. Whole months, days and hours come from the sums, and what is not
// folded into those yet from the counters; only where a span does not end on the hour is the log itself counted.
import { type OutcomePatterns, outcomePatterns } from '#core/log/outcome.ts'
import { cutSpan, instant, type Part, roundToHours, type Span, type Unit } from '#core/time-units.ts'
import { type Db, type Fragment, joined } from '#postgres/sql.ts'

export type CountFilter = {
  projectId: string
  /** Inclusive, and by when events occurred. */
  from?: Date | undefined
  /** Exclusive. */
  to?: Date | undefined
  types?: readonly string[] | undefined
  resourceTypes?: readonly string[] | undefined
  /** Only events that name what they are about, be it their run. */
  named?: boolean
}

/** Most frequent first. Events that have no such value are not among them. */
export type Count = { key: string; count: number }
export type EventCounts = { total: number; byType: Count[]; byResourceType: Count[]; byActorType: Count[] }

export async function countEvents(sql: Db, filter: CountFilter): Promise<EventCounts> {
  const rows = await sql<{ kind: number; key: string | null; count: number }[]>`
    with counted as (${counted(sql, filter, 'event_sums')})
    select
      grouping(type, resource_type, actor_type) as kind,
      coalesce(type, resource_type, actor_type) as key,
      sum(n)::bigint as count
    from counted
    group by grouping sets ((), (type), (resource_type), (actor_type))
    having sum(n) <> 0
    order by count desc, key`
  // grouping() tells by its bits which of the three a row is not about.
  const of = (kind: number) =>
    rows.flatMap((row) => (row.kind === kind && row.key ? [{ key: row.key, count: row.count }] : []))
  const total = rows.find((row) => row.kind === 0b111)?.count ?? 0
  return { total, byType: of(0b011), byResourceType: of(0b101), byActorType: of(0b110) }
}

export type KindCount = { type: string; resourceType: string; count: number }

/** Every pair of a type and a kind of resource ('' without one) that there is. */
export async function countKinds(sql: Db, filter: CountFilter): Promise<KindCount[]> {
  const rows = await sql<KindCount[]>`
    with counted as (${counted(sql, filter, 'event_sums')})
    select type, resource_type as "resourceType", sum(n)::bigint as count from counted group by 1, 2 having sum(n) <> 0`
  return [...rows]
}

export type ActorCount = {
  actorType: string
  actorId: string | null
  total: number
  successes: number
  failures: number
}

/** The busiest first. */
export async function countByActor(
  sql: Db,
  filter: CountFilter,
  limit: number,
  outcomes: OutcomePatterns = outcomePatterns(),
): Promise<ActorCount[]> {
  const rows = await sql<ActorCount[]>`
    with counted as (${counted(sql, filter, 'actor_sums')}), by_type as (
      select actor_type, actor_id, type, sum(n) as n from counted group by 1, 2, 3
    ), outcomes as (
      -- Each type is looked at once, however many have done it.
      select type, type ~ ${outcomes.success} as success, type ~ ${outcomes.failure} as failure
      from (select distinct type from by_type) types
    )
    select actor_type as "actorType", nullif(actor_id, '') as "actorId", sum(n)::bigint as total,
      coalesce(sum(n) filter (where success), 0)::bigint as successes,
      coalesce(sum(n) filter (where failure and not success), 0)::bigint as failures
    from by_type join outcomes using (type) group by actor_type, actor_id having sum(n) <> 0
    order by total desc, actor_type, actor_id limit ${limit}::int`
  return [...rows]
}

/** Events in each day or hour of a span that begins and ends with an hour, the latest first. */
export async function countByUnit(
  sql: Db,
  filter: CountFilter,
  unit: Exclude<Unit, 'month'>,
): Promise<{ start: Date; count: number }[]> {
  const rows = await sql<{ start: Date; count: number }[]>`
    with counted as (${counted(sql, filter, 'event_sums', unit === 'day' ? ['day', 'hour'] : ['hour'])})
    select date_trunc(${unit}, start, 'UTC') as start, sum(n)::bigint as count
    from counted
    group by 1
    having sum(n) <> 0
    order by 1 desc`
  return [...rows]
}

type Sums = 'event_sums' | 'actor_sums'

/**
 * Rows of type, resource_type ('' without one), actor_type, with `actor_sums` actor_id ('' without one), and n; and
 * start, when the unit that they were counted in began.
 */
function counted(sql: Db, filter: CountFilter, sums: Sums, units?: readonly Unit[]): Fragment {
  const actor = sums === 'actor_sums' ? sql`actor_type, actor_id` : sql`actor_type`
  const { whole, parts } = roundToHours(filter)
  const ways = [
    ...(whole ? cutSpan(whole, units) : []).map(
      ({ unit, sign, ...span }) => sql`
        select type, resource_type, ${actor}, ${sign}::int * n, start from ${sql(sums)}
        where span = ${unit} ${within(sql, sql`start`, span)} ${conditions(sql, filter, sql`resource_type`)}`,
    ),
    ...parts.map((part) => countedInLog(sql, filter, part, sums)),
  ]
  return joined(sql, [
    sql`
      select type, resource_type, ${actor}, n, hour as start from event_counts
      where ${whole ? sql`true ${within(sql, sql`hour`, whole)}` : sql`false`}
        ${conditions(sql, filter, sql`resource_type`)}`,
    ...ways.map((way) => sql`union all ${way}`),
  ])
}

function countedInLog(sql: Db, filter: CountFilter, { sign, ...span }: Part, sums: Sums): Fragment {
  const about = sql`coalesce(resource_type, case when run_id is null then '' else 'run' end)`
  const actor = sums === 'actor_sums' ? sql`actor_type, coalesce(actor_id, '')` : sql`actor_type`
  return sql`
    select type, ${about}, ${actor}, ${sign}::int * count(*), null::timestamptz from events
    where true ${within(sql, sql`occurred_at`, span)} ${conditions(sql, filter, about)}
    group by type, ${about}, ${actor}`
}

function conditions(sql: Db, { projectId, types, resourceTypes, named }: CountFilter, about: Fragment): Fragment {
  return sql`and project_id = ${projectId}
    ${types ? sql`and type = any(${types as string[]}::text[])` : sql``}
    ${resourceTypes ? sql`and ${about} = any(${resourceTypes as string[]}::text[])` : sql``}
    ${named ? sql`and ${about} <> ''` : sql``}`
}

const within = (sql: Db, column: Fragment, { from, to }: Span) => sql`
  ${from ? sql`and ${column} >= ${instant(from)}::text::timestamptz` : sql``}
  ${to ? sql`and ${column} < ${instant(to)}::text::timestamptz` : sql``}`
