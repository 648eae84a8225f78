// Counters are kept by the statements that write what they count. The shard is the writing backend: two connections
// never wait for each other's counter row, and readers add the shards up.
import type { Db, Fragment } from '#postgres/sql.ts'

/**
 * Hours are counted from a fixed moment rather than cut out of the date, which would be done in a time zone and costs
 * several times as much.
 */
export const hourOf = (sql: Db) => sql`date_bin('1 hour', occurred_at, '2000-01-01Z')`

/**
 * Sums a batch up once, for both counters. `moves` names a CTE with project_id, queue, job_id, state_before (null for
 * a new run), state, and the event of each: type, actor_type, actor_id, occurred_at.
 */
export const tally = (sql: Db, moves: string): Fragment => sql`
  select
    project_id,
    queue,
    coalesce(job_id, '00000000-0000-0000-0000-000000000000') as job_id,
    state_before,
    state,
    type,
    actor_type,
    coalesce(actor_id, '') as actor_id,
    ${hourOf(sql)} as hour,
    count(*) as n
  from ${sql(moves)}
  group by 1, 2, 3, 4, 5, 6, 7, 8, 9`

/** Counts the moves of a tally: one more here, one less there. */
export const countMoves = (sql: Db, tallied: string): Fragment => sql`
  insert into run_counts as c (
    project_id,
    queue,
    job_id,
    state,
    shard,
    n
  )
  select
    project_id,
    queue,
    job_id,
    state,
    pg_backend_pid() % 64,
    sum(n)
  from (
    select project_id, queue, job_id, state, n from ${sql(tallied)}
    union all
    select project_id, queue, job_id, state_before, -n from ${sql(tallied)}
    where state_before is not null
  ) as each
  group by project_id, queue, job_id, state
  having sum(n) <> 0
  order by project_id, queue, job_id, state
  on conflict (project_id, queue, job_id, state, shard) do update set n = c.n + excluded.n`

/** Counts the events of a tally, each of which is about its run. */
export const countRunEvents = (sql: Db, tallied: string): Fragment => sql`
  insert into event_counts as c (
    project_id,
    hour,
    type,
    resource_type,
    actor_type,
    actor_id,
    shard,
    n
  )
  select
    project_id,
    hour,
    type,
    'run',
    actor_type,
    actor_id,
    pg_backend_pid() % 64,
    sum(n)
  from ${sql(tallied)}
  group by 1, 2, 3, 4, 5, 6
  order by 1, 2, 3, 4, 5, 6
  on conflict (project_id, hour, type, resource_type, actor_type, actor_id, shard) do update set n = c.n + excluded.n`

/** Counts the events of the CTE `logged`, by its project_id, occurred_at, type, resource_type, run_id and actor. */
export const countEvents = (sql: Db, logged: string): Fragment => sql`
  insert into event_counts as c (
    project_id,
    hour,
    type,
    resource_type,
    actor_type,
    actor_id,
    shard,
    n
  )
  select
    project_id,
    ${hourOf(sql)},
    type,
    coalesce(resource_type, case when run_id is null then '' else 'run' end),
    actor_type,
    coalesce(actor_id, ''),
    pg_backend_pid() % 64,
    count(*)
  from ${sql(logged)}
  group by 1, 2, 3, 4, 5, 6
  order by 1, 2, 3, 4, 5, 6
  on conflict (project_id, hour, type, resource_type, actor_type, actor_id, shard) do update set n = c.n + excluded.n`
