// How the runs of a job that were triggered lately have ended, and how long they took.
import { OVER_STATES } from '#core/run.ts'
import type { Db } from '#postgres/sql.ts'

/** So many runs are looked at, the latest first: a job may have had millions in a week. */
export const HEALTH_RUNS_MAX = 10_000

export type JobHealthRow = {
  since: Date
  completed: number
  failed: number
  timedOut: number
  crashed: number
  canceled: number
  expired: number
  avgSecs: number
  p95Secs: number
  p99Secs: number
}

/** Of the runs triggered in the last `windowSecs` that are over. Durations are those of their latest attempts. */
export async function readJobHealth(sql: Db, jobId: string, windowSecs: number): Promise<JobHealthRow> {
  const n = (...states: string[]) => sql`(count(*) filter (where state = any(${states}::text[])))::int`
  const [row] = await sql<JobHealthRow[]>`
    with span as materialized (
      select clock_timestamp() - ${windowSecs}::float8 * interval '1 s' as since
    ), recent as materialized (
      select id from runs
      where job_id = ${jobId} and created_at >= (select since from span)
      order by created_at desc, id desc limit ${HEALTH_RUNS_MAX}::int
    ), ended as (
      select s.state, extract(epoch from s.finished_at - s.started_at)::float8 as secs
      from recent
      cross join lateral (select * from run_states where run_id = recent.id offset 0) s
      where s.state = any(${OVER_STATES as string[]}::text[])
    )
    select
      (select since from span) as since,
      ${n('completed')} as completed,
      ${n('failed', 'dead_letter')} as failed,
      ${n('timed_out')} as "timedOut",
      ${n('crashed', 'system_failed')} as crashed,
      ${n('canceled')} as canceled,
      ${n('expired')} as expired,
      coalesce(avg(secs), 0) as "avgSecs",
      coalesce(percentile_cont(0.95) within group (order by secs), 0) as "p95Secs",
      coalesce(percentile_cont(0.99) within group (order by secs), 0) as "p99Secs"
    from ended`
  return row!
}
