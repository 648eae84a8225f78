// How runs ended, and what failed, from the counters by the hour.
import { type Db, type Fragment, joined } from '#postgres/sql.ts'

export type Hours = { projectId: string; from: Date; to: Date; jobId?: string | undefined }

export type EndGroup = 'hour' | 'day' | 'job' | 'status'
export type EndSum = {
  hour?: Date
  day?: string
  jobId?: string | null
  jobSlug?: string | null
  status?: string
  count: number
}

const NO_JOB = '00000000-0000-0000-0000-000000000000'
const DAY = "date_bin('1 day', hour, '2000-01-01Z')"
const GROUPS: Record<EndGroup, { key: string; shown: string }> = {
  hour: { key: 'hour', shown: 'hour' },
  day: { key: DAY, shown: `to_char(${DAY} at time zone 'UTC', 'YYYY-MM-DD') as day` },
  job: {
    key: 'job_id',
    shown: `nullif(job_id, '${NO_JOB}') as "jobId",
      (select slug from jobs where jobs.id = end_counts.job_id) as "jobSlug"`,
  },
  status: { key: 'state', shown: 'state as status' },
}

/** Hours and days come in order, and within them the most frequent first. */
export async function sumEnds(
  sql: Db,
  it: Hours & { groupBy: readonly EndGroup[]; states?: readonly string[] | undefined; limit: number },
): Promise<EndSum[]> {
  const keys = it.groupBy.map((group) => GROUPS[group].key)
  const times = it.groupBy.filter((group) => group === 'hour' || group === 'day').map((group) => GROUPS[group].key)
  // Only words of the table above are put in as they are.
  const shown = sql.unsafe(it.groupBy.map((group) => `${GROUPS[group].shown}, `).join(''))
  const grouped = sql.unsafe(keys.length === 0 ? '' : `group by ${keys.join(', ')}`)
  const ordered = sql.unsafe([...times, 'sum(n) desc', ...keys].join(', '))
  const rows = await sql<EndSum[]>`
    select ${shown} coalesce(sum(n), 0)::bigint as count
    from end_counts
    where ${within(sql, it)}
      ${it.states === undefined ? sql`` : sql`and state = any(${it.states as string[]}::text[])`}
    ${grouped}
    order by ${ordered} limit ${it.limit}::int`
  return [...rows]
}

export type FailureGroup = {
  errorGroup: string
  jobId: string | null
  jobSlug: string | null
  errorCode: string | null
  count: number
  firstSeenAt: Date
  lastSeenAt: Date
  /** Failures by the versions of the job, the newest first. */
  versions: { version: number; count: number }[]
  /** How many failed in each unit of the window that has some: its number in the window, and the count. */
  buckets: [at: number, count: number][]
  /** The latest; undefined when it is gone. */
  runId: string | null
  error: string | null
}

export type GroupPlace = { lastSeenAt: string; errorGroup: string }

const VERSIONS_MAX = 20

/** Failures of a window, those first that failed again last. Counted are all of them, redriven since or not. */
export async function listFailureGroups(
  sql: Db,
  it: Hours & { errorGroup?: string | undefined; unitMs: number; after: GroupPlace | undefined; limit: number },
): Promise<FailureGroup[]> {
  const ofGroup = sql`${within(sql, it)} and failed_group = page.failed_group`
  const after =
    it.after && sql`where (last_at, failed_group) < (${it.after.lastSeenAt}::timestamptz, ${it.after.errorGroup}::text)`
  const rows = await sql<FailureGroup[]>`
    with page as materialized (
      select * from (
        select failed_group, max(last_at) as last_at, sum(n)::bigint as n from failure_counts
        where ${within(sql, it)}
          ${it.errorGroup === undefined ? sql`` : sql`and failed_group = ${it.errorGroup}`}
        group by failed_group
      ) groups
      ${after ?? sql``}
      order by last_at desc, failed_group desc limit ${it.limit}::int
    )
    select
      page.failed_group as "errorGroup",
      nullif(latest.job_id, ${NO_JOB}::uuid) as "jobId",
      (select slug from jobs where jobs.id = latest.job_id) as "jobSlug",
      latest.error_code as "errorCode",
      page.n as count,
      (
        -- Of all hours that are kept, not only those of the window.
        select min(first_at) from failure_counts
        where project_id = ${it.projectId} and failed_group = page.failed_group
      ) as "firstSeenAt",
      page.last_at as "lastSeenAt",
      (
        select coalesce(jsonb_agg(jsonb_build_object('version', job_version, 'count', n)), '[]') from (
          select job_version, sum(n) as n from failure_counts where ${ofGroup} and job_version > 0
          group by 1 order by 1 desc limit ${VERSIONS_MAX}::int
        ) by_version
      ) as versions,
      (
        select jsonb_agg(jsonb_build_array(at, n) order by at) from (
          select
            floor(extract(epoch from hour - ${it.from}::timestamptz) * 1000 / ${it.unitMs}::float8)::int as at,
            sum(n) as n
          from failure_counts
          where ${ofGroup}
          group by 1
        ) by_unit
      ) as buckets,
      (select coalesce(client_id, id::text) from runs where runs.id = latest.run_id) as "runId",
      latest.error
    from page
    cross join lateral (
      select job_id, error_code, run_id, error from failure_counts where ${ofGroup} order by last_at desc limit 1
    ) latest
    order by page.last_at desc, page.failed_group desc`
  return [...rows]
}

const within = (sql: Db, { projectId, from, to, jobId }: Hours): Fragment =>
  joined(sql, [
    sql`project_id = ${projectId} and hour >= ${from}::timestamptz and hour < ${to}::timestamptz`,
    ...(jobId === undefined ? [] : [sql`and job_id = ${jobId}`]),
  ])
