// A backlog that nobody works off: runs for another day, and dead letters; half of each job's.
import type { Sql } from '../../src/postgres/sql.ts'
import { fillInChunks, settleDown } from '../lib/fill.ts'

/** Writes `count` runs, one half delayed and the other dead letters, of all jobs there are. */
export async function park(url: string, count: number): Promise<void> {
  await fillInChunks(url, count, parkSome)
  await settleDown(url, ['runs', 'run_states', 'run_bodies', 'run_queue'])
}

const parkSome = (sql: Sql, from: number, to: number) => sql`
  with parked as materialized (
    select uuidv7() as id, j.id as job_id, j.project_id, j.version, j.execution, case when j.execution = 'http' then '@http' else j.queue end as queue,
      case when n / 2 % 2 = 0 then 'delayed' else 'dead_letter' end as state,
      date_trunc('milliseconds', now()) as created_at, now() + interval '1 day' + n * interval '100 ms' as due_at
    from generate_series(${from}::int, ${to}::int) n
    join (select *, row_number() over (order by id) - 1 as nth, count(*) over () as of from jobs) j on j.nth = n % j.of
  ), asked as (
    insert into runs (id, project_id, job_id, job_version, execution, queue, triggered_by, created_by_type, created_by_id, correlation_id, rank,
      timeout_secs, max_attempts, created_at)
    select id, project_id, job_id, version, execution, queue, 'manual', 'api_key', 'bench', id::text, 0, 300, 3, created_at from parked
  ), states as (
    insert into run_states (run_id, project_id, state, last_sequence, attempt, created_at, state_since, due_at, scheduled_at, error, error_code)
    select id, project_id, state, 1, case when state = 'delayed' then 1 else 3 end, created_at, created_at,
      case when state = 'delayed' then due_at end, case when state = 'delayed' then due_at end,
      case when state = 'dead_letter' then 'it failed' end, case when state = 'dead_letter' then 'failed' end
    from parked
  ), bodies as (
    insert into run_bodies (run_id, payload) select id, '{"n": 1}' from parked
  )
  insert into run_queue (run_id, project_id, queue, job_id, rank, ready, due_at)
  select id, project_id, queue, job_id, 0, false, due_at from parked where state = 'delayed'`
