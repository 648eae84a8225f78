// The schedules that are due. The row of a job is its timer: whoever moves it forward fires it.
import { column } from '#postgres/column.ts'
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

/**
 * Locks up to about `limit` jobs that are due, each project's share the longest due first: the thousand jobs of one
 * project are no reason for another's to be late. Those that another node holds are its own to fire.
 */
export async function lockDueCrons(tx: Db, after: string, limit: number): Promise<DueCrons> {
  const rows = await tx<{ id: string | null; now: Date; project: string | null; n: number }[]>`
    with recursive place as (
      (select project_id, 1 as n from jobs where next_cron_at is not null and project_id > ${after} order by project_id limit 1)
      union all
      select next.project_id, place.n + 1 from place cross join lateral (
        select project_id from jobs where next_cron_at is not null and project_id > place.project_id order by project_id limit 1) next
      where place.n < ${PROJECTS_MAX}::int
    ), served as materialized (
      -- "now()" and not the clock, here and below: it stays the same, so an index can be searched for it.
      select place.*, count(*) over () as projects from place
      where exists (select from jobs j where j.project_id = place.project_id and j.next_cron_at <= now() and j.deleted_at is null)
    ), held as materialized (
      select served.n, head.id, head.next_cron_at from served cross join lateral (
        select j.id, j.next_cron_at from jobs j
        where j.project_id = served.project_id and j.next_cron_at <= now() and j.deleted_at is null
        order by j.next_cron_at limit ceil(${limit}::numeric / served.projects)::bigint
        for update skip locked) head
    ), numbered as (
      select held.*, row_number() over (partition by n order by next_cron_at, id) as nth from held
    )
    (select id, clock_timestamp() as now, null::text as project, 0 as n from numbered order by nth, numbered.n)
    union all
    select null, clock_timestamp(), (select project_id from place order by n desc limit 1), (select count(*)::int from place)`
  const summary = rows.at(-1)!
  return {
    now: summary.now,
    jobIds: rows.slice(0, -1).map((row) => row.id!),
    after: summary.n === PROJECTS_MAX ? summary.project! : undefined,
  }
}

export type NextCron = { jobId: string; at: Date | undefined }

export const setNextCrons = (sql: Db, next: readonly NextCron[]) => sql`
  update jobs set next_cron_at = t.at from unnest(
    ${column(next.map((it) => it.jobId))}::uuid[], ${column(next.map((it) => it.at?.toISOString() ?? null))}::timestamptz[]) as t (id, at)
  where jobs.id = t.id`
