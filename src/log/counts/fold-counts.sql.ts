// Folding the counters of events: hours that are over leave `event_counts`, where each writing connection has a row of
// its own, for the sums that reads go by. What is in the one is not in the other, so that a read adds both up.
import type { Db, Fragment } from '#postgres/sql.ts'

/** Rows that one statement folds. */
const ROWS_MAX = 5_000

/** Folds some of the counters of all hours but those that are being written. Returns how many rows of them it took. */
export async function foldCounts(sql: Db, rowsMax = ROWS_MAX): Promise<number> {
  const [row] = await sql<{ taken: number }[]>`
    with taken as materialized (
      delete from event_counts
      where ctid = any(
        array(
          select event_counts.ctid from event_counts
          -- Writers are a little apart from this clock, and a client may say any time, of the past or to come.
          where hour < now() - interval '65 minutes' or hour > now() + interval '5 minutes'
          limit ${rowsMax}::int
          for update skip locked
        )
      )
      returning
        project_id,
        hour,
        type,
        resource_type,
        actor_type,
        actor_id,
        n
    ), ${addToSums(sql, sql`select * from taken`)}
    select count(*)::int as taken from taken`
  return row!.taken
}

/**
 * Takes the events of a partition out of the sums, in the transaction that drops it: what the log does not show is not
 * counted either. Events that are as old as that were folded long ago.
 */
export async function uncountPartition(tx: Db, name: string): Promise<void> {
  await tx`
    with taken as materialized (
      select
        project_id,
        date_bin('1 hour', occurred_at, '2000-01-01Z') as hour,
        type,
        coalesce(resource_type, case when run_id is null then '' else 'run' end) as resource_type,
        actor_type,
        coalesce(actor_id, '') as actor_id,
        -count(*) as n
      from ${tx(name)}
      group by 1, 2, 3, 4, 5, 6
    ), ${addToSums(tx, tx`select * from taken`)}
    select 1`
  await tx`delete from event_sums where n = 0`
  await tx`delete from actor_sums where n = 0`
}

/** Two CTEs that add rows of project_id, hour, type, resource_type, actor_type, actor_id and n to the sums. */
const addToSums = (db: Db, rows: Fragment): Fragment => db`
  spans as materialized (
    select
      project_id,
      span,
      date_trunc(span, hour, 'UTC') as start,
      type,
      resource_type,
      actor_type,
      actor_id,
      sum(n) as n
    from (${rows}) counted
    cross join (values ('month'), ('day'), ('hour')) as s (span)
    group by 1, 2, 3, 4, 5, 6, 7
  ),
  summed as (
    insert into event_sums as s (
      project_id,
      span,
      start,
      type,
      resource_type,
      actor_type,
      n
    )
    select
      project_id,
      span,
      start,
      type,
      resource_type,
      actor_type,
      sum(n)
    from spans
    group by 1, 2, 3, 4, 5, 6
    order by 1, 2, 3, 4, 5, 6
    on conflict (project_id, span, start, type, resource_type, actor_type) do update set n = s.n + excluded.n
  ),
  summed_by_actor as (
    insert into actor_sums as s (
      project_id,
      span,
      start,
      actor_type,
      actor_id,
      type,
      resource_type,
      n
    )
    select
      project_id,
      span,
      start,
      actor_type,
      actor_id,
      type,
      resource_type,
      n
    from spans
    order by 1, 2, 3, 4, 5, 6, 7
    on conflict (project_id, span, start, actor_type, actor_id, type, resource_type) do update set n = s.n + excluded.n
  )`
