// Counters of how runs ended, and of failures in groups, by the hour. Kept like those of events: by the statements that
// end runs, a shard for each writing backend, folded into one row once an hour is over.
import { FAILURE_STATES, OVER_STATES } from '#core/run.ts'
import { type Db, type Fragment, literals } from '#postgres/sql.ts'
import { hourOf } from './counts.sql.ts'

/** The shard of what was folded; no backend writes there. */
const FOLDED = -1
/** So much of an error is kept as the sample of its group. */
const SAMPLE_LENGTH_MAX = 1_000

/** Counts the runs of a tally that ended. A dead letter that is dismissed ended before. */
export const countEnds = (sql: Db, tallied: string): Fragment => sql`
  insert into end_counts as c (project_id, hour, job_id, state, shard, n)
  select project_id, hour, job_id, state, pg_backend_pid() % 64, sum(n)
  from ${sql(tallied)}
  where state in (${literals(sql, OVER_STATES)}) and state_before not in (${literals(sql, OVER_STATES)})
  group by 1, 2, 3, 4
  order by 1, 2, 3, 4
  on conflict (project_id, hour, job_id, state, shard) do update set n = c.n + excluded.n`

/** Counts the failures of a CTE with what a run is, its `failed_group`, `error_code` and `error`, and occurred_at. */
export const countFailures = (sql: Db, moves: string): Fragment => sql`
  insert into failure_counts as c (
    project_id, hour, failed_group, job_version, shard, n, job_id, error_code, first_at, last_at, run_id, error)
  select
    project_id,
    ${hourOf(sql)},
    failed_group,
    coalesce(job_version, 0),
    pg_backend_pid() % 64,
    count(*),
    coalesce(job_id, '00000000-0000-0000-0000-000000000000'),
    min(error_code),
    min(occurred_at),
    max(occurred_at),
    (array_agg(run_id order by occurred_at desc))[1],
    (array_agg(left(error, ${sql.unsafe(String(SAMPLE_LENGTH_MAX))}) order by occurred_at desc))[1]
  from ${sql(moves)}
  where failed_group is not null
    and state in (${literals(sql, FAILURE_STATES)})
    and state_before not in (${literals(sql, OVER_STATES)})
  group by project_id, ${hourOf(sql)}, failed_group, job_version, job_id
  order by 1, 2, 3, 4
  on conflict (project_id, hour, failed_group, job_version, shard) do update set
    n = c.n + excluded.n,
    last_at = excluded.last_at,
    run_id = excluded.run_id,
    error = excluded.error`

/** Folds the counters of hours that are over, so many rows of each table. Returns the most that it took of one. */
export async function foldEnds(sql: Db, rowsMax: number): Promise<number> {
  const over = (table: string) => sql`
    delete from ${sql(table)} where ctid = any(array(
      select ctid from ${sql(table)}
      -- A literal, as in the condition of the indexes of what is not folded.
      where hour < now() - interval '65 minutes' and shard >= 0
      limit ${rowsMax}::int
      for update skip locked
    ))`
  const [ends] = await sql<{ taken: number }[]>`
    with taken as materialized (${over('end_counts')} returning project_id, hour, job_id, state, n),
    folded as (
      insert into end_counts as c (project_id, hour, job_id, state, shard, n)
      select project_id, hour, job_id, state, ${FOLDED}::smallint, sum(n) from taken
      group by 1, 2, 3, 4
      on conflict (project_id, hour, job_id, state, shard) do update set n = c.n + excluded.n
    )
    select count(*)::int as taken from taken`
  const [failures] = await sql<{ taken: number }[]>`
    with taken as materialized (
      ${over('failure_counts')}
      returning
        project_id, hour, failed_group, job_version, n, job_id, error_code, first_at, last_at, run_id, error
    ), latest as (
      select distinct on (project_id, hour, failed_group, job_version)
        *,
        sum(n) over each as total,
        min(first_at) over each as earliest
      from taken
      window each as (partition by project_id, hour, failed_group, job_version)
      order by project_id, hour, failed_group, job_version, last_at desc
    ), folded as (
      insert into failure_counts as c (
        project_id, hour, failed_group, job_version, shard, n, job_id, error_code, first_at, last_at, run_id, error)
      select
        project_id, hour, failed_group, job_version, ${FOLDED}::smallint, total, job_id, error_code, earliest, last_at,
        run_id, error
      from latest
      on conflict (project_id, hour, failed_group, job_version, shard) do update set
        n = c.n + excluded.n,
        first_at = least(c.first_at, excluded.first_at),
        last_at = greatest(c.last_at, excluded.last_at),
        run_id = case when excluded.last_at > c.last_at then excluded.run_id else c.run_id end,
        error = case when excluded.last_at > c.last_at then excluded.error else c.error end
    )
    select count(*)::int as taken from taken`
  return Math.max(ends!.taken, failures!.taken)
}

/** Deletes counters of hours that began more than `days` ago; returns the most that it took of one table. */
export async function deleteOldEnds(sql: Db, days: number, limit: number): Promise<number> {
  const before = sql`now() - ${days}::float8 * interval '1 day'`
  const old = (table: string) => sql`
    delete from ${sql(table)}
    where ctid = any(array(select ctid from ${sql(table)} where hour < ${before} limit ${limit}::int))
    returning 1`
  return Math.max((await old('end_counts')).length, (await old('failure_counts')).length)
}
