// Lanes: what shares one place in the turn order, (queue, project, rank, job, concurrency key). They are found by one
// index probe each (a loose index scan), whatever the backlog behind them.
import type { Db, Fragment } from '#postgres/sql.ts'
import { slot } from '#postgres/statement.ts'

/** Lanes looked at in one claim; with more, later claims go on where this one ended. */
export const LANES_MAX = 256

export type Lane = { projectId: string; rank: number; jobId: string; concurrencyKey: string }
export const BEFORE_ALL: Lane = {
  projectId: '',
  rank: -32_768,
  jobId: '00000000-0000-0000-0000-000000000000',
  concurrencyKey: '',
}

/** Whose lanes are looked at, and whether from the middle of them. */
export type View = { ofProject: boolean; fromMiddle: boolean }

/**
 * The CTEs `lane`, which are those of this view, and `place`, which are all that are to be weighed. A view that begins
 * in the middle of a project's lanes is weighed together with the first ones of that project, marked `early`: what goes
 * before them all may have come since. Slots: queues, project, and from_… for where the view begins.
 */
export const lanesOf = (sql: Db, view: View): Fragment => {
  const lane = laneWalk(sql, view, LANES_MAX)
  if (!view.fromMiddle) return sql`lane as (${lane}), place as (select lane.*, false as early from lane)`
  return sql`
    lane as (${lane}),
    first_lane as (${firstLanes(sql)}),
    place as (
      select lane.*, false as early from lane
      union all
      select first_lane.*, true from first_lane
    )`
}

const columns = (sql: Db): Fragment => sql`project_id, rank, job_id, concurrency_key`

/** In a recursive CTE named `lane`: the first lane of each queue, and from each the next one. */
export const laneWalk = (sql: Db, { ofProject }: Pick<View, 'ofProject'>, lanesMax: number): Fragment => {
  const project = slot(sql, 'project')
  const own = ofProject ? sql`and q.project_id = ${project}::text` : sql``
  const from = sql`${slot(sql, 'from_rank')}::int, ${slot(sql, 'from_job')}::uuid, ${slot(sql, 'from_key')}::text`
  // Beside an equality with the project the comparison must begin behind it: one that begins with the project would
  // be read from the head of the lane instead of from where it says.
  const beyond = ofProject
    ? sql`(q.rank, q.job_id, q.concurrency_key) > (${from})`
    : sql`(q.project_id, q.rank, q.job_id, q.concurrency_key) > (${slot(sql, 'from_project')}::text, ${from})`
  const behind = ofProject
    ? sql`(q.rank, q.job_id, q.concurrency_key) > (lane.rank, lane.job_id, lane.concurrency_key)`
    : sql`(q.project_id, q.rank, q.job_id, q.concurrency_key)
            > (lane.project_id, lane.rank, lane.job_id, lane.concurrency_key)`
  return sql`
      (
        select asked.queue, head.project_id, head.rank, head.job_id, head.concurrency_key, 1 as n
        from unnest(${slot(sql, 'queues')}::text[]) as asked (queue) cross join lateral (
          select ${columns(sql)} from run_queue q
          where q.ready and q.queue = asked.queue ${own} and ${beyond}
          order by ${columns(sql)} limit 1
        ) head
      )
      union all
      select lane.queue, next.project_id, next.rank, next.job_id, next.concurrency_key, lane.n + 1
      from lane cross join lateral (
        select ${columns(sql)} from run_queue q
        where q.ready and q.queue = lane.queue ${own} and ${behind}
        order by ${columns(sql)} limit 1
      ) next
      where lane.n < ${sql.unsafe(String(lanesMax))}`
}

/** The first lanes of the project in whose middle a view begins, as far as the view. */
const firstLanes = (sql: Db): Fragment => {
  const inView = sql`
    q.project_id = ${slot(sql, 'from_project')}::text
    and (q.rank, q.job_id, q.concurrency_key)
      <= (${slot(sql, 'from_rank')}::int, ${slot(sql, 'from_job')}::uuid, ${slot(sql, 'from_key')}::text)`
  return sql`
      (
        select asked.queue, head.project_id, head.rank, head.job_id, head.concurrency_key, 1 as n
        from unnest(${slot(sql, 'queues')}::text[]) as asked (queue) cross join lateral (
          select ${columns(sql)} from run_queue q
          where q.ready and q.queue = asked.queue and ${inView}
          order by rank, job_id, concurrency_key limit 1
        ) head
      )
      union all
      select first_lane.queue, next.project_id, next.rank, next.job_id, next.concurrency_key, first_lane.n + 1
      from first_lane cross join lateral (
        select ${columns(sql)} from run_queue q
        where q.ready and q.queue = first_lane.queue and ${inView}
          and (q.rank, q.job_id, q.concurrency_key)
            > (first_lane.rank, first_lane.job_id, first_lane.concurrency_key)
        order by rank, job_id, concurrency_key limit 1
      ) next
      where first_lane.n < ${sql.unsafe(String(LANES_MAX))}`
}
