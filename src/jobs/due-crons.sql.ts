// Schedules that are due. The row of a job is its timer: whoever moves it forward fires it.
import { rowsOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'

/** Projects looked at in one go; with more, the next one goes on behind them. */
const PROJECTS_MAX = 500

export type DueCrons = {
  now: Date
  /** In the order in which they are to be fired: each project's first, then each project's second, and so on. */
  jobIds: string[]
  /** The last project looked at, when there may be more of them. */
  after: string | undefined
}

type DueCron = { id: string | null; now: Date; lastProject: string | null; projects: number }

/**
 * Locks up to about `limit` jobs that are due, each project's share the longest due first: the thousand jobs of one
 * project are no reason for another's to be late. Those that another node holds are its own to fire.
 */
export async function lockDueCrons(tx: Db, after: string, limit: number): Promise<DueCrons> {
  const rows = await tx<DueCron[]>`
    with recursive scheduled as (
      (
        select project_id, 1 as n from jobs
        where next_cron_at is not null and project_id > ${after}
        order by project_id limit 1
      )
      union all
      select next.project_id, scheduled.n + 1
      from scheduled
      cross join lateral (
        select project_id from jobs
        where next_cron_at is not null and project_id > scheduled.project_id
        order by project_id limit 1
      ) next
      where scheduled.n < ${PROJECTS_MAX}::int
    ), served as materialized (
      -- "now()" and not the clock, here and below: it stays the same, so an index can be searched for it.
      select scheduled.*, count(*) over () as projects from scheduled
      where exists (
        select from jobs j
        where j.project_id = scheduled.project_id
          and j.next_cron_at <= now()
          and j.deleted_at is null
      )
    ), held as materialized (
      select served.n, head.id, head.next_cron_at
      from served
      cross join lateral (
        select j.id, j.next_cron_at from jobs j
        where j.project_id = served.project_id
          and j.next_cron_at <= now()
          and j.deleted_at is null
        order by j.next_cron_at limit ceil(${limit}::numeric / served.projects)::bigint for update skip locked
      ) head
    ), numbered as (
      select held.*, row_number() over (partition by n order by next_cron_at, id) as nth from held
    )
    select
      numbered.id,
      clock_timestamp() as now,
      (select project_id from scheduled order by n desc limit 1) as "lastProject",
      (select count(*)::int from scheduled) as projects
    from (select) always
    left join numbered on true
    order by numbered.nth, numbered.n`
  const { now, lastProject, projects } = rows[0]!
  return {
    now,
    jobIds: rows.flatMap(({ id }) => id ?? []),
    after: projects === PROJECTS_MAX ? lastProject! : undefined,
  }
}

export type NextCron = { jobId: string; at: Date | undefined }

export const setNextCrons = (sql: Db, next: readonly NextCron[]) => sql`
  update jobs set next_cron_at = t.at
  from ${rowsOf(sql, next, {
    'id uuid': (it) => it.jobId,
    'at timestamptz': (it) => it.at?.toISOString(),
  })}
  where jobs.id = t.id`
