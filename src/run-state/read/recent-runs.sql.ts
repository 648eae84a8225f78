// The runs of a project in the order of their last events, newest first. No index holds that order, since every event
// would pay for it: the log itself is walked from its newest event, where a page of recent runs is soon found.
import { ENDINGS, notToldTwice } from '#log/client-endings.sql.ts'
import { column } from '#postgres/column.ts'
import { type Db, type Fragment, joined } from '#postgres/sql.ts'
import { readRunCounts } from './read-runs.sql.ts'
import { secondOf } from './run-timeline.sql.ts'

/** Events that are walked over for one page: so many for each of its runs at first, then ten times that, then all. */
const EVENTS_PER_RUN = 10
const WALK_MAX = 200_000
/** So many runs that the walk did not come to are put into order by their last events, and more by their creation. */
const SORTED_MAX = 2_000
/** A run's last event is the latest of so many that were recorded last, as clients may report about the past. */
const TAIL = 100

export type RecentRun = {
  runId: string
  lastAt: Date
  lastType: string | null
  lastStatus: string | null
  state: string
  eventsCount: number
}
export type RecentRuns = { total: number; runs: RecentRun[] }
export type ReadRecentRuns = { projectId: string; prefix: string | undefined; limit: number; offset: number }

export async function readRecentRuns(sql: Db, read: ReadRecentRuns): Promise<RecentRuns> {
  const { projectId, prefix, limit, offset } = read
  const total = prefix === undefined ? await countAll(sql, projectId) : await countNamed(sql, projectId, prefix)
  if (offset >= total) return { total, runs: [] }
  // Few runs of a large log are found by their names, and not by walking it.
  const walked = prefix !== undefined && total <= SORTED_MAX ? [] : await walk(sql, read)
  const ids = walked.slice(offset, offset + limit)
  if (ids.length < limit && total > walked.length) {
    const rest = { limit: limit - ids.length, offset: Math.max(0, offset - walked.length), except: walked }
    ids.push(
      ...(total - walked.length <= SORTED_MAX ? await sorted(sql, read, rest) : await byCreation(sql, read, rest)),
    )
  }
  return { total, runs: await describe(sql, ids) }
}

async function countAll(sql: Db, projectId: string): Promise<number> {
  return (await readRunCounts(sql, projectId)).reduce((sum, { n }) => sum + n, 0)
}

async function countNamed(sql: Db, projectId: string, prefix: string): Promise<number> {
  const ways = namedWays(sql, projectId, prefix)
  const sums = joined(
    sql,
    ways.map((way, at) => sql`${at > 0 ? sql`+` : sql``} (select count(*) from (${way}) way)`),
  )
  const [row] = await sql<{ n: number }[]>`select ${sums} as n`
  return row!.n
}

const DASHES: ReadonlySet<number> = new Set([8, 13, 18, 23])

/** The ids that begin with a text, as the first and the last of them; undefined when none can. */
function idsBetween(prefix: string): [string, string] | undefined {
  const isBegin = [...prefix].every((char, at) => at < 36 && (DASHES.has(at) ? char === '-' : /[0-9a-f]/.test(char)))
  if (!isBegin) return undefined
  const filled = (digit: string) =>
    prefix + '8-4-4-4-12'.replaceAll(/\d+/g, (n) => digit.repeat(+n)).slice(prefix.length)
  return [filled('0'), filled('f')]
}

/** The last of all characters: whatever begins with a text sorts before the text with this behind it. */
const LAST = '\u{10FFFF}'

/** The runs whose public ids begin with `prefix`: clients' own names, and ids of ours. */
function namedWays(sql: Db, projectId: string, prefix: string): Fragment[] {
  const ids = idsBetween(prefix)
  return [
    sql`
      select id, created_at from runs
      where project_id = ${projectId}
        and client_id is not null
        and client_id >= ${prefix}
        and client_id < ${prefix + LAST}`,
    ...(ids
      ? [
          sql`
            select id, created_at from runs
            where project_id = ${projectId}
              and client_id is null
              and id between ${ids[0]}::uuid and ${ids[1]}::uuid`,
        ]
      : []),
  ]
}

const candidates = (sql: Db, { projectId, prefix }: ReadRecentRuns): Fragment => {
  const [first, second] = prefix === undefined ? [] : namedWays(sql, projectId, prefix)
  if (!first) return sql`select id, created_at from runs where project_id = ${projectId}`
  return second ? sql`${first} union all ${second}` : first
}

/** Ids of the runs of the newest events, each once; as many as are wanted, or as a bounded walk comes to. */
async function walk(sql: Db, { projectId, prefix, limit, offset }: ReadRecentRuns): Promise<string[]> {
  const ids = prefix === undefined ? undefined : idsBetween(prefix)
  const named =
    prefix === undefined
      ? sql``
      : sql`and ((run_ref >= ${prefix} and run_ref < ${prefix + LAST})
          ${ids ? sql`or (run_ref is null and run_id between ${ids[0]}::uuid and ${ids[1]}::uuid)` : sql``})`
  let found: string[] = []
  const first = Math.min(WALK_MAX, (offset + limit) * EVENTS_PER_RUN)
  for (const events of [first, Math.min(WALK_MAX, first * 10), WALK_MAX]) {
    const rows = await sql<{ runId: string | null; walked: number }[]>`
      with walked as materialized (
        select run_id, run_ref, ${secondOf(sql)} as second, position, ${notToldTwice(sql, 'e')} as shown from events e
        where project_id = ${projectId} order by occurred_at desc, position desc limit ${events}
      ), latest as (
        select distinct on (run_id) run_id, second, position from walked
        where run_id is not null and shown ${named} order by run_id, second desc, position desc
      )
      select l.run_id as "runId", (select count(*)::int from walked) as walked
      from (select) always left join latest l on exists (select from runs where id = l.run_id)
      order by l.second desc, l.position desc`
    found = rows.flatMap(({ runId }) => runId ?? [])
    if (found.length >= offset + limit || rows[0]!.walked < events || events === WALK_MAX) break
  }
  return found
}

type Rest = { limit: number; offset: number; except: readonly string[] }

/** "not in" is hashed in every plan; a join would be nested in one that was made without knowing how many there are. */
const unseen = (sql: Db, except: readonly string[]): Fragment =>
  sql`id not in (select unnest(${column(except)}::uuid[]))`

const lastOf = (sql: Db): Fragment => sql`
  left join lateral (
    select * from (
      select e.occurred_at, e.position, e.type, e.status, e.data, e.parsed_data from events e
      where e.run_id = r.id
      order by e.sequence desc limit ${TAIL}
    ) e
    where ${notToldTwice(sql, 'e')}
    order by ${secondOf(sql)} desc, e.position desc limit 1
  ) last on true`

async function sorted(sql: Db, read: ReadRecentRuns, { limit, offset, except }: Rest): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    with r as materialized (
      select id, created_at from (${candidates(sql, read)}) all_of_them where ${unseen(sql, except)}
    )
    select r.id from r ${lastOf(sql)}
    order by date_trunc(
      'second',
      coalesce(last.occurred_at, r.created_at)
    ) desc, last.position desc nulls last, r.id desc
    limit ${limit}
    offset ${offset}`
  return rows.map(({ id }) => id)
}

async function byCreation(sql: Db, read: ReadRecentRuns, { limit, offset, except }: Rest): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from (${candidates(sql, read)}) all_of_them where ${unseen(sql, except)}
    order by created_at desc, id desc limit ${limit} offset ${offset}`
  return rows.map(({ id }) => id)
}

/** In the order of `ids`. Of an external run every number of its sequence is an event; of others some are deltas. */
async function describe(sql: Db, ids: readonly string[]): Promise<RecentRun[]> {
  const rows = await sql<RecentRun[]>`
    select
      coalesce(r.client_id, r.id::text) as "runId",
      coalesce(last.occurred_at, s.state_since) as "lastAt",
      last.type as "lastType",
      last.status as "lastStatus",
      s.state,
      case
        when r.execution = 'external' then s.last_sequence
        else (select count(*) from events where run_id = r.id)
      end - coalesce(twice.n, 0) as "eventsCount"
    from unnest(${ids as string[]}::uuid[]) with ordinality as wanted (id, ord)
    cross join lateral (select * from runs where id = wanted.id offset 0) r
    cross join lateral (
      select state, state_since, finished_at, last_sequence from run_states where run_id = r.id offset 0
    ) s
    ${lastOf(sql)}
    left join lateral (
      -- A run ends once, and the search goes back to where it did.
      select case when ${notToldTwice(sql, 'e')} then 0 else 1 end as n
      from events e
      where r.execution = 'external'
        and s.finished_at is not null
        and e.run_id = r.id
        and e.type = any(${ENDINGS}::text[])
      order by e.sequence desc limit 1
    ) twice on true
    order by wanted.ord`
  return [...rows]
}
