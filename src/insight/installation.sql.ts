// Counts of the whole installation, for its operator. All of them are bounded, and none walks through the log.
import type { Db } from '#postgres/sql.ts'

/** Stands for all jobs beyond those that are told by name; no slug begins so. */
export const OTHER_JOBS = '@other'

export type JobSize = { project: string; job: string; state: string; n: number }

/** From counters. The jobs with the most runs by name, all others together. */
export const readJobSizes = async (sql: Db, jobsMax: number): Promise<JobSize[]> => [
  ...(await sql<JobSize[]>`
    with sizes as materialized (
      select project_id, job_id, state, sum(n)::bigint as n
      from run_counts
      group by project_id, job_id, state
      having sum(n) <> 0
    ), largest as (
      select project_id, job_id from sizes
      group by project_id, job_id
      order by sum(n) desc, project_id, job_id limit ${jobsMax}::int
    )
    select
      coalesce(l.project_id, ${OTHER_JOBS}::text) as project,
      case when l.job_id is null then ${OTHER_JOBS}::text else coalesce(j.slug, l.job_id::text) end as job,
      s.state,
      sum(s.n)::bigint as n
    from sizes s
    left join largest l on l.project_id = s.project_id and l.job_id = s.job_id
    left join jobs j on j.id = l.job_id
    group by 1, 2, 3`),
]

/** By id; a job that is deleted keeps its name. */
export async function readJobNames(
  sql: Db,
  jobIds: readonly string[],
): Promise<Map<string, { project: string; job: string }>> {
  if (jobIds.length === 0) return new Map()
  const rows = await sql<{ id: string; project: string; job: string }[]>`
    select id, project_id as project, slug as job from jobs where id = any(${jobIds as string[]}::uuid[])`
  return new Map(rows.map(({ id, ...names }) => [id, names]))
}

export type InstallationCounts = {
  questions: number
  spentTodayMicrousd: number
  webhooksActive: number
  webhooksPaused: number
  webhooksDisabled: number
  webhooksFailing: number
  alertsFiring: number
  messagesPending: number
}

/** Counting further would cost more than it tells. */
const COUNT_MAX = 100_000

export async function readInstallationCounts(sql: Db): Promise<InstallationCounts> {
  const [row] = await sql<InstallationCounts[]>`
    select
      (
        select count(*) from (select from input_requests where state = 'pending' limit ${COUNT_MAX}) pending
      )::int as questions,
      (
        select coalesce(sum(tools_microusd + models_microusd), 0) from spend_sums
        where kind = 'project' and day = (clock_timestamp() at time zone 'UTC')::date
      )::float8 as "spentTodayMicrousd",
      w.*,
      (select count(*) from alerts where resolved_at is null)::int as "alertsFiring",
      (
        select count(*)
        from (
          select from alert_messages where sent_at is null and given_up_at is null limit ${COUNT_MAX}
        ) waiting
      )::int as "messagesPending"
    from (
      select
        (count(*) filter (where disabled_at is null and paused_at is null))::int as "webhooksActive",
        (count(*) filter (where disabled_at is null and paused_at is not null))::int as "webhooksPaused",
        (count(*) filter (where disabled_at is not null))::int as "webhooksDisabled",
        (count(*) filter (where disabled_at is null and failing_since is not null))::int as "webhooksFailing"
      from webhooks
    ) w`
  return row!
}

/** With indexes, and without what other databases of the server have. */
export async function readDatabaseBytes(sql: Db): Promise<number> {
  const [row] = await sql<{ bytes: number }[]>`select pg_database_size(current_database())::float8 as bytes`
  return row!.bytes
}
