// How waits begin and end, as parts of the statements that move runs. See waits.ts for what reads them.
import { OVER_STATES } from '#core/run.ts'
import { newId } from '#postgres/id.ts'
import { type Db, type Fragment, literals } from '#postgres/sql.ts'

export type WaitKind = 'event' | 'child' | 'dependencies' | 'input' | 'sleep' | 'items'
export type WaitMode = 'all' | 'any'
export type OnTimeout = 'fail' | 'continue'

export type NewWait = {
  id: string
  kind: WaitKind
  /** The event that it waits for: one run of a project at a time may wait for a key. */
  eventKey?: string | undefined
  childRunId?: string | undefined
  /** For dependencies: the run's own job, and the key that narrows which runs count (see core/dependency.ts). */
  jobId?: string | undefined
  matchKey?: string | undefined
  /** For a sleep and for items: the name that the run gave the wait. */
  key?: string | undefined
  /** For items: how many of them it needs, and whether the run ends or goes on when they do not come in time. */
  mode?: WaitMode | undefined
  onTimeout?: OnTimeout | undefined
  /** How long until it is looked at whether it is over; absent: somebody will say so. */
  checkInMs?: number | undefined
  /** The same as a time. */
  checkAt?: Date | undefined
  /** Absent: no limit. */
  timeoutMs?: number | undefined
}

export const newWait = (kind: WaitKind, more: Omit<NewWait, 'id' | 'kind'>): NewWait => ({ id: newId(), kind, ...more })

/** For the rows of a CTE with run_id, project_id, state and wait: the wait as JSON text. */
export const newWaits = (sql: Db, rows: string): Fragment => sql`
  insert into waits (
    run_id,
    id,
    project_id,
    kind,
    event_key,
    child_run_id,
    job_id,
    match_key,
    key,
    mode,
    on_timeout,
    check_at,
    expires_at
  )
  select
    run_id,
    (w->>'id')::uuid,
    project_id,
    w->>'kind',
    w->>'eventKey',
    (w->>'childRunId')::uuid,
    (w->>'jobId')::uuid,
    w->>'matchKey',
    w->>'key',
    w->>'mode',
    w->>'onTimeout',
    coalesce((w->>'checkAt')::timestamptz, clock_timestamp() + (w->>'checkInMs')::float8 * interval '1 ms'),
    clock_timestamp() + (w->>'timeoutMs')::float8 * interval '1 ms'
  from (select *, wait::jsonb as w from ${sql(rows)} where state = 'waiting' offset 0) begins`

const over = (sql: Db) => sql`select run_id from moved where state in (${literals(sql, OVER_STATES)})`
const wentOn = (sql: Db) => sql`select run_id from moved where state_before = 'waiting'`

/** In moveRuns: the waits of the runs that went on, locked in the order of their runs, before any others. */
export const lockedWaits = (sql: Db): Fragment => sql`
  select run_id from waits where run_id = any(array(${wentOn(sql)})) order by run_id for update`

export const endedWaits = (sql: Db): Fragment => sql`
  delete from waits where run_id = any(array(select locked_waits.run_id from locked_waits))`

/**
 * In moveRuns: whoever waits for a child that is over now is looked at. What somebody else holds is left out and is
 * looked at again by itself: a settlement waits for nobody's transaction, and since these locks are taken last and are
 * never waited for, two statements cannot wait for each other in a circle. Nor is one told that goes on in the same
 * statement: of two changes of one row in one statement only the first is made, and its wait would be left behind.
 */
export const toldWaits = (sql: Db): Fragment => sql`
  update waits set check_at = clock_timestamp() where run_id = any(array(
    select waits.run_id from waits
    where (child_run_id = any(array(${over(sql)}))
        or run_id = any(array(select wait_items.run_id from wait_items where child_run_id = any(array(${over(sql)})))))
      and run_id <> all(array(${wentOn(sql)}))
      and (select count(*) from locked_waits) >= 0
    for update skip locked))
  returning run_id`

/** In moveRuns: runs that are over, of jobs that others depend on. */
export const targets = (sql: Db): Fragment => sql`
  select run_id, job_id, state, run_created_at from joined
  where state in (${literals(sql, OVER_STATES)})
    and job_id = any(array(select job_dependencies.depends_on_job_id from job_dependencies
      where depends_on_job_id = any(array(
        select joined.job_id from joined where state in (${literals(sql, OVER_STATES)})))))`

/** In moveRuns, of `targets`: the latest of each job is remembered; the earlier trigger never takes its place. */
export const rememberedEnds = (sql: Db): Fragment => sql`
  insert into job_ends as e (job_id, run_id, state, created_at)
  select distinct on (job_id) job_id, run_id, state, run_created_at from targets order by job_id, run_created_at desc
  on conflict (job_id) do update set run_id = excluded.run_id, state = excluded.state, created_at = excluded.created_at
  where excluded.created_at >= e.created_at`

/** In moveRuns, of `targets`: a duty calls up who waits for them. */
export const calledJobs = (sql: Db): Fragment => sql`
  insert into job_calls (run_id, job_id) select run_id, job_id from targets order by run_id
  on conflict (run_id) do nothing returning run_id`
