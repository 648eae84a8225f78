// Whose turn it is: from the lanes that were found to the runs that are chosen. The CTEs of a claim, in their order.
// What they decide, and an example, stands in claim-runs.sql.ts.
import type { Db, Fragment } from '#postgres/sql.ts'
import { slot } from '#postgres/statement.ts'

/** Which runs a claim may take, and what it must leave alone. */
export type Kind = {
  /** Runs of the jobs of the slot limited_jobs, whose locks the caller holds; else those of jobs without a limit. */
  ofLimited: boolean
  order: 'strict' | 'loose'
}

export const turnsOf = (sql: Db, kind: Kind): Fragment => sql`
    known as materialized (${openLanes(sql, kind)}),
    weighed as materialized (${weighedLanes(sql, kind)}),
    busy as materialized (${busyJobs(sql)}),
    roomy as (${roomLeft(sql)}),
    urgent as materialized (${urgentLanes(sql)}),
    shared as (${sharesOfRoom(sql)}),
    numbered as (${numberedLanes(sql)}),
    turned as (${lanesByTurn(sql)}),
    served as materialized (${servedLanes(sql)}),
    picked as materialized (${lockedHeads(sql)}),
    chosen as materialized (${chosenRuns(sql)})`

const turn = (sql: Db): Fragment => sql`${slot(sql, 'turn')}::bigint`

/** The job of a lane: looked up by its id, however many jobs there are. */
export const jobOf = (sql: Db, lanes: string): Fragment => sql`
  select
    paused_at, deleted_at, max_concurrency, max_concurrency_per_key, throttle_limit, throttle_per_key, limited
  from jobs
  where id = ${sql(lanes)}.job_id offset 0`

/** Lanes of jobs that are neither paused nor deleted, with their limits. */
const openLanes = (sql: Db, { ofLimited }: Kind): Fragment => sql`
  select
    place.*,
    j.max_concurrency,
    j.max_concurrency_per_key,
    j.throttle_limit,
    j.throttle_per_key,
    j.limited,
    ${ofLimited ? sql`job_id = any(${slot(sql, 'limited_jobs')}::uuid[])` : sql`not j.limited`} as mine
  from place cross join lateral (${jobOf(sql, 'place')}) j
  where j.paused_at is null and j.deleted_at is null`

/** What another claim has to take matters only where it is more urgent than what this one may take. */
const weighedLanes = (sql: Db, { ofLimited, order }: Kind): Fragment => {
  // What has no limit has room for certain; the leases of other jobs are counted only where that may matter.
  const others = ofLimited ? sql`not limited` : sql`limited and rank < own_rank`
  return sql`
  select * from (
    select known.*, min(rank) filter (where mine) over (partition by project_id) as own_rank from known
  ) all_known
  where mine ${order === 'strict' ? sql`or ${others}` : sql``}`
}

const busyJobs = (sql: Db): Fragment => sql`
  select job_id, count(*) as n from leases
  where job_id = any(array(select distinct weighed.job_id from weighed where max_concurrency > 0))
  group by job_id`

/** How many more of a job, and of a concurrency key of it, may start; null without a limit. */
const roomLeft = (sql: Db): Fragment => sql`
  select
    weighed.*,
    least(
      case when max_concurrency > 0
        then max_concurrency - coalesce((select n from busy where busy.job_id = weighed.job_id), 0)
      end,
      case when throttle_limit > 0 and not throttle_per_key then ${throttleRoom(sql, sql`''`)} end
    ) as job_room,
    least(
      case when max_concurrency_per_key > 0 and concurrency_key <> ''
        then max_concurrency_per_key - (
          select count(*) from leases l
          where l.job_id = weighed.job_id and l.concurrency_key = weighed.concurrency_key)
      end,
      case when throttle_limit > 0 and throttle_per_key then ${throttleRoom(sql, sql`weighed.concurrency_key`)} end
    ) as key_room
  from weighed`

/** The time of the statement, as a range of an index must not move while it is read. */
const throttleRoom = (sql: Db, key: Fragment): Fragment => sql`
  throttle_limit - (
    select count(*) from rate_marks m
    where m.job_id = weighed.job_id and m.kind = 'start' and m.key = ${key} and m.until > statement_timestamp())`

/** Priority counts within a project only: one project's urgent backlog is no reason to starve another's run. */
const urgentLanes = (sql: Db): Fragment => sql`
  select
    roomy.*,
    min(rank) over (partition by project_id) as top_rank,
    bool_or(mine and not early) over (partition by project_id, rank) as in_view
  from roomy
  where coalesce(job_room, 1) > 0 and coalesce(key_room, 1) > 0`

/** What a limit leaves is split over the lanes that it covers; what does not divide goes round by turns. */
const sharesOfRoom = (sql: Db): Fragment => sql`
  select
    urgent.*,
    job_room / count(*) over by_job + (
      (row_number() over (by_job order by queue, concurrency_key) + ${turn(sql)}) % count(*) over by_job
        < job_room % count(*) over by_job
    )::int as job_share,
    key_room / count(*) over by_key + (
      row_number() over (by_key order by queue) <= key_room % count(*) over by_key
    )::int as key_share
  from urgent
  -- The lanes of the view have their turn now; earlier ones of the same rank had it, and will again.
  where rank = top_rank and mine and (not early or not in_view)
  window by_job as (partition by job_id), by_key as (partition by job_id, concurrency_key)`

const numberedLanes = (sql: Db): Fragment => sql`
  select
    shared.*,
    coalesce(least(job_share, key_share), ${slot(sql, 'limit')}::bigint) as lane_room,
    dense_rank() over (order by project_id) as project_number,
    row_number() over (partition by project_id order by job_id, queue, concurrency_key) as lane_number,
    count(*) over (partition by project_id) as lanes
  from shared where coalesce(least(job_share, key_share), 1) > 0`

/** Round robin, of projects and of the lanes of each: who is first moves on by one with every turn. */
const lanesByTurn = (sql: Db): Fragment => sql`
  select
    numbered.*,
    (project_number + ${turn(sql)}) % max(project_number) over () as project_turn,
    (lane_number + ${turn(sql)} / max(project_number) over ()) % lanes as lane_turn
  from numbered`

/** No more lanes than runs are wanted: a row that is locked here and not taken is hidden from everybody else. */
const servedLanes = (sql: Db): Fragment => sql`
  select line.*, count(*) over () as lanes_served
  from (
    select turned.*, row_number() over (partition by project_id order by lane_turn) as nth_of_project from turned
    order by nth_of_project, project_turn limit ${slot(sql, 'limit')}::int
  ) line`

/** The heads of the lanes, as many as are each one's share; what others hold is passed (skip locked). */
const lockedHeads = (sql: Db): Fragment => sql`
  select head.run_id, head.due_at, head.agent_id, served.project_id, served.project_turn, served.lane_turn
  from served cross join lateral (
    select q.run_id, q.due_at, q.agent_id from run_queue q
    where q.ready and q.queue = served.queue and q.project_id = served.project_id and q.rank = served.rank
      and q.job_id = served.job_id and q.concurrency_key = served.concurrency_key
    order by q.due_at, q.run_id
    limit least(served.lane_room, ceil(${slot(sql, 'limit')}::numeric / served.lanes_served))::bigint
    for update skip locked
  ) head`

/** One of each project, then the second of each, and so on. */
const chosenRuns = (sql: Db): Fragment => sql`
  select
    p.run_id, p.due_at, p.project_id, p.agent_id,
    row_number() over (order by nth, project_turn, lane_turn) as ord
  from (
    select
      picked.*,
      row_number() over (partition by project_turn order by lane_turn, due_at, run_id) as nth
    from picked
  ) p
  order by nth, project_turn, lane_turn
  limit ${slot(sql, 'limit')}::int`
