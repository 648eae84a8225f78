// Runs that wait: found by what they wait for, looked at when it may have come, given up when their time is over.
import { rowsOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'
import type { OnTimeout, WaitKind, WaitMode } from '#run-state/move/wait-parts.sql.ts'

export type WaitRow = {
  runId: string
  id: string
  projectId: string
  kind: WaitKind
  eventKey: string | null
  childRunId: string | null
  jobId: string | null
  matchKey: string | null
  key: string | null
  mode: WaitMode | null
  onTimeout: OnTimeout | null
  createdAt: Date
  checkAt: Date | null
  expiresAt: Date | null
}

const columns = (sql: Db) => sql`
  run_id as "runId",
  id,
  project_id as "projectId",
  kind,
  event_key as "eventKey",
  child_run_id as "childRunId",
  job_id as "jobId",
  match_key as "matchKey",
  key,
  mode,
  on_timeout as "onTimeout",
  created_at as "createdAt",
  check_at as "checkAt",
  expires_at as "expiresAt"
  from waits`

export async function findWait(sql: Db, runId: string): Promise<WaitRow | undefined> {
  const [row] = await sql<WaitRow[]>`select ${columns(sql)} where run_id = ${runId}`
  return row
}

export async function findWaitForEvent(sql: Db, projectId: string, eventKey: string): Promise<WaitRow | undefined> {
  const [row] = await sql<WaitRow[]>`
    select ${columns(sql)} where event_key = ${eventKey} and project_id = ${projectId}`
  return row
}

/** Waits that it is time to look at, the earliest first. */
export const readDueWaits = async (sql: Db, limit: number): Promise<WaitRow[]> => [
  ...(await sql<WaitRow[]>`
    select ${columns(sql)} where check_at <= clock_timestamp() order by check_at limit ${limit}`),
]

/** Waits whose time is over. */
export const readExpiredWaits = async (sql: Db, limit: number): Promise<WaitRow[]> => [
  ...(await sql<WaitRow[]>`
    select ${columns(sql)} where expires_at <= clock_timestamp() order by expires_at limit ${limit}`),
]

/**
 * Looks again later at waits that are not over, with a backoff from a second to a minute. A wait that was called up in
 * the meantime is left as it is, or the call would be lost.
 */
export const postponeWaits = (sql: Db, waits: readonly WaitRow[]) => sql`
  with seen as materialized (
    select * from ${rowsOf(sql, waits, {
      'run_id uuid': (it) => it.runId,
      'check_at timestamptz': (it) => it.checkAt!.toISOString(),
    })}
  ), free as materialized (
    -- What somebody else holds is being ended or called up.
    select w.run_id from waits w
    where w.run_id = any(array(select seen.run_id from seen))
      and date_trunc('milliseconds', w.check_at) = (select check_at from seen where seen.run_id = w.run_id)
    order by w.run_id for update skip locked
  )
  update waits w
  set
    check_at = clock_timestamp() + greatest(
      interval '1 s',
      least(interval '1 min', (clock_timestamp() - w.created_at) / 2)
    )
  where w.run_id = any(array(select free.run_id from free))`

/**
 * Calls up the runs that wait for jobs of which runs have ended. Each call is taken once, with what it calls up.
 * Returns how many calls there were.
 */
export async function takeJobCalls(sql: Db, limit: number): Promise<number> {
  const rows = await sql`
    with taken as materialized (
      delete from job_calls where run_id = any(array(
        select job_calls.run_id from job_calls order by run_id limit ${limit} for update skip locked))
      returning run_id, job_id
    ), dependents as materialized (
      select distinct d.job_id from job_dependencies d
      where d.depends_on_job_id = any(array(select taken.job_id from taken))
    ), keys as materialized (
      select unnest(array['i:' || idempotency_key, 'd:' || (metadata->>'dependency_key')]) as key from runs
      where id = any(array(select taken.run_id from taken))
    ), due as materialized (
      -- In the order of their runs, as everything that locks several waits.
      select run_id from waits where job_id = any(array(select dependents.job_id from dependents))
        and (match_key is null or match_key = any(array(select keys.key from keys where key is not null)))
      order by run_id for update
    ), called as (
      update waits set check_at = clock_timestamp() where run_id = any(array(select due.run_id from due))
    )
    select run_id from taken`
  return rows.length
}

/** A wait that is left of a run that does not wait: there ought to be none. */
export const dropWait = (sql: Db, { runId, id }: Pick<WaitRow, 'runId' | 'id'>) => sql`
  delete from waits
  where run_id = ${runId}
    and id = ${id}
    and not exists (select from run_states s where s.run_id = ${runId} and s.state = 'waiting')`

/** Milliseconds until the next wait is to be looked at or given up; undefined when none is. */
export async function nextWaitInMs(sql: Db): Promise<number | undefined> {
  const [row] = await sql<{ ms: number | null }[]>`
    select extract(epoch from least(
      (select clock_timestamp() from job_calls limit 1),
      (select min(check_at) from waits where check_at is not null),
      (select min(expires_at) from waits where expires_at is not null)
    ) - clock_timestamp())::float8 * 1000 as ms`
  return row?.ms ?? undefined
}
