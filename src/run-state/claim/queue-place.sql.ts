// Where a run stands in its lane, and how many of its kind are under way.
import type { Db } from '#postgres/sql.ts'

export async function findQueuePlace(sql: Db, runId: string, max: number): Promise<{ ahead: number } | undefined> {
  const [row] = await sql<{ ahead: number }[]>`
    select (
      select count(*) from (
        select from run_queue q
        where q.ready
          and q.queue = me.queue
          and q.project_id = me.project_id
          and q.rank = me.rank
          and q.job_id = me.job_id
          and q.concurrency_key = me.concurrency_key
          and (q.due_at, q.run_id) < (me.due_at, me.run_id)
        limit ${max}
      ) before
    )::int as ahead
    from run_queue me
    where me.run_id = ${runId}`
  return row
}

export async function countLeases(
  sql: Db,
  jobId: string,
  concurrencyKey: string,
): Promise<{ ofJob: number; ofKey: number }> {
  const [row] = await sql<{ ofJob: number; ofKey: number }[]>`
    select count(*)::int as "ofJob", (count(*) filter (where concurrency_key = ${concurrencyKey}))::int as "ofKey"
    from leases
    where job_id = ${jobId}`
  return row!
}

/** How many starts still count against a throttle, and until when the one behind the first `skipped` of them does. */
export async function readThrottle(
  sql: Db,
  { jobId, key, skipped }: { jobId: string; key: string; skipped: (starts: number) => number },
): Promise<{ starts: number; freeAt: Date | undefined }> {
  const counted = sql`
    from rate_marks
    where job_id = ${jobId}
      and kind = 'start'
      and key = ${key}
      and until > statement_timestamp()`
  const [row] = await sql<{ starts: number }[]>`select count(*)::int as starts ${counted}`
  const { starts } = row!
  if (skipped(starts) < 0) return { starts, freeAt: undefined }
  const [free] = await sql<{ until: Date }[]>`
    select until ${counted} order by until offset ${skipped(starts)} limit 1`
  return { starts, freeAt: free?.until }
}

export type Backlog = { queue: string; oldestAgeMs: number | null }

/** The age of what waits longest, per queue: one index probe per lane, never a walk through the backlog. */
export const readOldestDue = async (sql: Db, { lanesMax }: { lanesMax: number }): Promise<Backlog[]> => [
  ...(await sql<Backlog[]>`
    with recursive lane as (
      (
        select
          queue,
          project_id,
          rank,
          job_id,
          concurrency_key,
          due_at,
          1 as n
        from run_queue
        where ready
        order by queue, project_id, rank, job_id, concurrency_key, due_at limit 1
      )
      union all
      select next.*, lane.n + 1
      from lane
      cross join lateral (
        select
          q.queue,
          q.project_id,
          q.rank,
          q.job_id,
          q.concurrency_key,
          q.due_at
        from run_queue q
        where q.ready
          and (q.queue, q.project_id, q.rank, q.job_id, q.concurrency_key) > (
            lane.queue,
            lane.project_id,
            lane.rank,
            lane.job_id,
            lane.concurrency_key
          )
        order by q.queue, q.project_id, q.rank, q.job_id, q.concurrency_key, q.due_at limit 1
      ) next
      where lane.n < ${lanesMax}
    )
    select queue, greatest(0, extract(epoch from clock_timestamp() - min(due_at)) * 1000)::float8 as "oldestAgeMs"
    from lane
    group by queue`),
]

/** Queues looked at for one project, whoever uses them. */
const QUEUES_MAX = 5_000

/**
 * The same for one project: a loose index scan over the queues, and in each over the lanes of the project alone, so
 * that other projects' lanes hide none of it. `lanesMax` is per queue.
 */
export const readOldestDueOf = async (
  sql: Db,
  { projectId, lanesMax }: { projectId: string; lanesMax: number },
): Promise<Backlog[]> => [
  ...(await sql<Backlog[]>`
    with recursive used as (
      (select queue, 1 as n from run_queue where ready order by queue limit 1)
      union all
      select next.queue, used.n + 1
      from used
      cross join lateral (
        select q.queue from run_queue q where q.ready and q.queue > used.queue order by q.queue limit 1
      ) next
      where used.n < ${QUEUES_MAX}
    )
    select
      used.queue,
      greatest(0, extract(epoch from clock_timestamp() - oldest.due_at) * 1000)::float8 as "oldestAgeMs"
    from used
    cross join lateral (
      with recursive lane as (
        (
          select q.rank, q.job_id, q.concurrency_key, q.due_at, 1 as n
          from run_queue q
          where q.ready and q.queue = used.queue and q.project_id = ${projectId}
          order by q.rank, q.job_id, q.concurrency_key, q.due_at limit 1
        )
        union all
        select next.*, lane.n + 1
        from lane
        cross join lateral (
          select q.rank, q.job_id, q.concurrency_key, q.due_at
          from run_queue q
          where q.ready
            and q.queue = used.queue
            and q.project_id = ${projectId}
            and (q.rank, q.job_id, q.concurrency_key) > (lane.rank, lane.job_id, lane.concurrency_key)
          order by q.rank, q.job_id, q.concurrency_key, q.due_at limit 1
        ) next
        where lane.n < ${lanesMax}
      )
      select min(lane.due_at) as due_at from lane
    ) oldest
    where oldest.due_at is not null`),
]
