// Where runs that move now belong, as parts of moveRuns: the queue, or nowhere but at rest. They read its CTEs `moved`
// and `joined`. Deletes go by arrays: queue and leases may have been empty when this was planned, and a join with an
// empty table is planned as a walk through it for each run.
import { type RunPlace, statesIn } from '#core/run.ts'
import { type Db, type Fragment, literals } from '#postgres/sql.ts'

const leftFrom = (sql: Db, place: RunPlace): Fragment => {
  const there = literals(sql, statesIn(place))
  return sql`
    run_id = any(array(
      select moved.run_id from moved where state_before in (${there}) and state not in (${there})
    ))`
}

export const unqueued = (sql: Db): Fragment => sql`delete from run_queue where ${leftFrom(sql, 'queue')}`

export const released = (sql: Db): Fragment => sql`delete from leases where ${leftFrom(sql, 'lease')}`

/** A run that was already queued for a time keeps its place in the line of those that are due. */
export const queued = (sql: Db): Fragment => sql`
  insert into run_queue as q (
    run_id, project_id, queue, job_id, concurrency_key, rank, ready, due_at, expires_at, agent_id, created_at)
  select
    run_id, project_id, queue, job_id, concurrency_key, rank, state = 'queued', coalesce(due_at, clock_timestamp()),
    expires_at, agent_id, run_created_at
  from joined where state in (${literals(sql, statesIn('queue'))})
  on conflict (run_id) do update set
    ready = excluded.ready,
    expires_at = excluded.expires_at,
    due_at = case when excluded.ready then least(q.due_at, excluded.due_at) else excluded.due_at end`

/** An attempt that begins has until then. */
export const deadlines = (sql: Db): Fragment => sql`
  update leases l set (deadline_at, expires_at) = (
    select
      clock_timestamp() + timeout_secs * interval '1 s',
      least(l.expires_at, clock_timestamp() + timeout_secs * interval '1 s')
    from runs where id = l.run_id)
  where run_id = any(array(select joined.run_id from joined where state = 'executing'))`
