// Counters are kept by the statements that write what they count. The shard is the writing backend: two
// connections never wait for each other's counter row, and readers add the shards up.
import type { Sql } from './sql.ts'

/**
 * CTEs that count moves. `moves` names a CTE with project_id, queue, job_id, state_before (null for a new run) and state.
 */
export const countMoves = (sql: Sql, moves: string) => sql`
  insert into run_counts as c (project_id, queue, job_id, state, shard, n)
  select project_id, queue, job_id, state, pg_backend_pid() % 64, sum(n)
  from (
    select project_id, queue, coalesce(job_id, '00000000-0000-0000-0000-000000000000') as job_id, state, 1 as n from ${sql(moves)}
    union all
    select project_id, queue, coalesce(job_id, '00000000-0000-0000-0000-000000000000'), state_before, -1 from ${sql(moves)}
    where state_before is not null
  ) as each
  group by project_id, queue, job_id, state
  having sum(n) <> 0
  order by project_id, queue, job_id, state
  on conflict (project_id, queue, job_id, state, shard) do update set n = c.n + excluded.n`

/** Counts the events of the CTE `logged`: project_id, occurred_at, type, resource_type, run_id, actor_type, actor_id. */
export const countEvents = (sql: Sql, logged: string) => sql`
  insert into event_counts as c (project_id, hour, type, resource_type, actor_type, actor_id, shard, n)
  select project_id, date_trunc('hour', occurred_at, 'UTC'), type, coalesce(resource_type, case when run_id is null then '' else 'run' end),
    actor_type, coalesce(actor_id, ''), pg_backend_pid() % 64, count(*)
  from ${sql(logged)}
  group by 1, 2, 3, 4, 5, 6
  order by 1, 2, 3, 4, 5, 6
  on conflict (project_id, hour, type, resource_type, actor_type, actor_id, shard) do update set n = c.n + excluded.n`
