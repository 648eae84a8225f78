// Lanes: what shares one place in the turn order, (queue, project, rank, job, concurrency key). They are found by one
// index probe each (a loose index scan), whatever the backlog behind them.
import type { Db, Fragment } from '#postgres/sql.ts'

/** Lanes looked at in one claim; with more, later claims go on where this one ended. */
export const LANES_MAX = 256

export type Lane = { projectId: string; rank: number; jobId: string; concurrencyKey: string }
const BEFORE_ALL: Lane = {
  projectId: '',
  rank: -32_768,
  jobId: '00000000-0000-0000-0000-000000000000',
  concurrencyKey: '',
}

type View = { projectId?: string | undefined; queues: readonly string[]; after?: Lane | undefined }

/**
 * The CTEs `lane`, which are those of this view, and `place`, which are all that are to be weighed. A view that begins
 * in the middle of a project's lanes is weighed together with the first ones of that project, marked `early`: what goes
 * before them all may have come since.
 */
export function lanesOf(sql: Db, { projectId, queues, after }: View): Fragment {
  const from = after ?? BEFORE_ALL
  const own = projectId === undefined ? sql`` : sql`and project_id = ${projectId}`
  // Beside an equality with the project the comparison must begin behind it: one that begins with the project would
  // be read from the head of the lane instead of from where it says.
  const beyond =
    projectId === undefined
      ? sql`(project_id, rank, job_id, concurrency_key) > (${from.projectId}::text, ${from.rank}::int, ${from.jobId}::uuid, ${from.concurrencyKey}::text)`
      : sql`(rank, job_id, concurrency_key) > (${from.rank}::int, ${from.jobId}::uuid, ${from.concurrencyKey}::text)`
  const next =
    projectId === undefined
      ? sql`(q.project_id, q.rank, q.job_id, q.concurrency_key) > (lane.project_id, lane.rank, lane.job_id, lane.concurrency_key)`
      : sql`(q.rank, q.job_id, q.concurrency_key) > (lane.rank, lane.job_id, lane.concurrency_key)`
  const lane = sql`lane as (
      (select queue_name as queue, head.project_id, head.rank, head.job_id, head.concurrency_key, 1 as n
       from unnest(${queues as string[]}::text[]) as q (queue_name) cross join lateral (
         select project_id, rank, job_id, concurrency_key from run_queue
         where ready and queue = queue_name ${own}
           and ${beyond}
         order by project_id, rank, job_id, concurrency_key limit 1) head)
      union all
      select lane.queue, next.project_id, next.rank, next.job_id, next.concurrency_key, lane.n + 1
      from lane cross join lateral (
        select project_id, rank, job_id, concurrency_key from run_queue q
        where ready and q.queue = lane.queue ${own}
          and ${next}
        order by project_id, rank, job_id, concurrency_key limit 1) next
      where lane.n < ${LANES_MAX}::int
    )`
  if (!after) return sql`${lane}, place as (select lane.*, false as early from lane)`
  return sql`${lane}, ${firstOf(sql, queues, after)}, place as (
      select lane.*, false as early from lane union all select first_lane.*, true from first_lane)`
}

/** The first lanes of the project in whose middle a view begins, as far as the view. */
const firstOf = (sql: Db, queues: readonly string[], after: Lane): Fragment => {
  const upTo = sql`(rank, job_id, concurrency_key) <= (${after.rank}::int, ${after.jobId}::uuid, ${after.concurrencyKey}::text)`
  return sql`first_lane as (
      (select queue_name as queue, head.project_id, head.rank, head.job_id, head.concurrency_key, 1 as n
       from unnest(${queues as string[]}::text[]) as q (queue_name) cross join lateral (
         select project_id, rank, job_id, concurrency_key from run_queue
         where ready and queue = queue_name and project_id = ${after.projectId}::text and ${upTo}
         order by rank, job_id, concurrency_key limit 1) head)
      union all
      select first_lane.queue, next.project_id, next.rank, next.job_id, next.concurrency_key, first_lane.n + 1
      from first_lane cross join lateral (
        select project_id, rank, job_id, concurrency_key from run_queue q
        where ready and q.queue = first_lane.queue and project_id = ${after.projectId}::text and ${upTo}
          and (q.rank, q.job_id, q.concurrency_key) > (first_lane.rank, first_lane.job_id, first_lane.concurrency_key)
        order by rank, job_id, concurrency_key limit 1) next
      where first_lane.n < ${LANES_MAX}::int
    )`
}
