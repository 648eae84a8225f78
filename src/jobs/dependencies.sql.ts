// Jobs that depend on other jobs: a run of theirs begins when the latest run of each has ended as wanted.
import { type DependencyCondition, metStates } from '#core/dependency.ts'
import { OVER_STATES, type RunState } from '#core/run.ts'
import { newId } from '#postgres/id.ts'
import type { Db } from '#postgres/sql.ts'

export type DependencyRow = {
  id: string
  jobId: string
  dependsOnJobId: string
  condition: DependencyCondition
  createdAt: Date
}

const columns = (sql: Db) => sql`
  d.id, d.job_id as "jobId", d.depends_on_job_id as "dependsOnJobId", d.condition, d.created_at as "createdAt"`

/** Oldest first. */
export const listDependencies = async (sql: Db, jobId: string): Promise<DependencyRow[]> => [
  ...(await sql<DependencyRow[]>`
    select ${columns(sql)} from job_dependencies d where d.job_id = ${jobId} order by d.created_at, d.id`),
]

/** Undefined when there is one between these two jobs already. The caller holds the lock of the job's row. */
export async function insertDependency(
  sql: Db,
  it: { jobId: string; dependsOnJobId: string; condition: DependencyCondition },
): Promise<DependencyRow | undefined> {
  const [row] = await sql<DependencyRow[]>`
    insert into job_dependencies as d (id, job_id, depends_on_job_id, condition)
    values (${newId()}, ${it.jobId}, ${it.dependsOnJobId}, ${it.condition})
    on conflict (job_id, depends_on_job_id) do nothing
    returning ${columns(sql)}`
  return row
}

/** By its own id, or by the id of the job that it points at. */
export async function deleteDependency(sql: Db, jobId: string, dependency: string): Promise<DependencyRow | undefined> {
  const [row] = await sql<DependencyRow[]>`
    delete from job_dependencies d
    where d.job_id = ${jobId}
      and (d.id = ${dependency} or d.depends_on_job_id = ${dependency})
    returning ${columns(sql)}`
  return row
}

/** Writes down how many dependencies the job has, and locks its row: triggers compare the number. */
export const countDependencies = (sql: Db, jobId: string) => sql`
  update jobs
  set dependencies = (select count(*) from job_dependencies where job_id = ${jobId}), updated_at = clock_timestamp()
  where id = ${jobId}`

/** A job that is no more waits for nothing. */
export const dropDependencies = (sql: Db, jobId: string) => sql`
  with dropped as (delete from job_dependencies where job_id = ${jobId} returning job_id)
  update jobs set dependencies = 0 where id = any(array(select dropped.job_id from dropped))`

/** Runs of a job that wait for its dependencies are looked at now: it has others than they began to wait for. */
export const wakeDependents = (sql: Db, jobId: string) => sql`
  with due as materialized (select run_id from waits where job_id = ${jobId} order by run_id for update)
  update waits set check_at = clock_timestamp() where run_id = any(array(select due.run_id from due))`

/** Whether `jobId` depends on `targetId`, directly or through others. */
export async function dependsOn(sql: Db, jobId: string, targetId: string): Promise<boolean> {
  const [row] = await sql<{ found: boolean }[]>`
    with recursive reached as (
      select depends_on_job_id as id from job_dependencies where job_id = ${jobId}
      union
      select d.depends_on_job_id from reached join job_dependencies d on d.job_id = reached.id
    )
    select exists (select from reached where id = ${targetId}) as found`
  return row!.found
}

export type DependencyStanding = DependencyRow & {
  /** The run that decides, and how it ended; null when none has ended yet. */
  runId: string | null
  state: RunState | null
  met: boolean
}

/** Runs of a job that are looked at for one that is over, when none is remembered. */
const LOOKED_AT_MAX = 500

/**
 * Each dependency of a job with the latest run of its target that is over, narrowed to runs with the same key: an
 * idempotency key (`i:…`) or a dependency key (`d:…`) as `matchKeyOf` makes them.
 */
export async function readDependencyStandings(
  sql: Db,
  jobId: string,
  matchKey: string | null,
): Promise<DependencyStanding[]> {
  const rows = await sql<Omit<DependencyStanding, 'met'>[]>`
    select ${columns(sql)}, latest.id as "runId", latest.state
    from job_dependencies d left join lateral (${matchKey ? withKey(sql, matchKey) : remembered(sql)}) latest on true
    where d.job_id = ${jobId} order by d.created_at, d.id`
  return rows.map((row) => ({
    ...row,
    met: row.state !== null && metStates(row.condition).includes(row.state),
  }))
}

function withKey(sql: Db, matchKey: string) {
  const key = matchKey.slice(2)
  return sql`
    select r.id, s.state
    from runs r
    join run_states s on s.run_id = r.id
    where r.job_id = d.depends_on_job_id
      and s.state = any(${OVER_STATES as string[]}::text[])
      and ${
        matchKey.startsWith('i:')
          ? sql`r.idempotency_key = ${key}`
          : sql`r.metadata ? 'dependency_key' and r.metadata->>'dependency_key' = ${key}
        and hashtextextended(r.metadata->>'dependency_key', 0) = hashtextextended(${key}, 0)`
      }
    order by r.created_at desc limit 1`
}

/** The end that is remembered, unless that run was redriven since; then the latest among the newest runs. */
const remembered = (sql: Db) => sql`
  select * from (
    (
      select e.run_id as id, coalesce(s.state, e.state) as state
      from job_ends e
      left join run_states s on s.run_id = e.run_id
      where e.job_id = d.depends_on_job_id
        and coalesce(s.state, e.state) = any(${OVER_STATES as string[]}::text[])
    )
    union all
    (
      select r.id, s.state from (
        select id, created_at from runs
        where job_id = d.depends_on_job_id
        order by created_at desc, id desc limit ${LOOKED_AT_MAX}
      ) r
      join run_states s on s.run_id = r.id
      where s.state = any(${OVER_STATES as string[]}::text[])
      order by r.created_at desc limit 1
    )
  ) known
  limit 1`

/** Remembers the latest end of a job that others begin to depend on: from now on every end is. */
export const rememberLatestEnd = (sql: Db, jobId: string) => sql`
  insert into job_ends as e (job_id, run_id, state, created_at)
  select r.job_id, r.id, s.state, r.created_at from runs r join run_states s on s.run_id = r.id
  where r.job_id = ${jobId} and s.state = any(${OVER_STATES as string[]}::text[])
  order by r.created_at desc limit 1
  on conflict (job_id) do update set run_id = excluded.run_id, state = excluded.state, created_at = excluded.created_at
  where excluded.created_at >= e.created_at`

/** One at a time per project: two that each look fine may close a circle together. */
export const lockDependencies = (sql: Db, projectId: string) =>
  sql`select pg_advisory_xact_lock(hashtextextended('dependencies ' || ${projectId}::text, 3))`

/** Slugs of the jobs that depend on this one. */
export const readDependents = async (sql: Db, jobId: string): Promise<string[]> =>
  (
    await sql<{ slug: string }[]>`
      select j.slug from jobs j
      where j.id = any(array(select job_dependencies.job_id from job_dependencies where depends_on_job_id = ${jobId}))
        and j.deleted_at is null
      order by j.slug limit 100`
  ).map((row) => row.slug)
