// How waits begin and end, as parts of the statements that move runs. See waits.ts for what reads them.
import { OVER_STATES } from '#core/run.ts'
import { newId } from './id.ts'
import type { Fragment, Sql } from './sql.ts'

export type WaitKind = 'event' | 'child' | 'dependencies' | 'input'

export type NewWait = {
  id: string
  kind: WaitKind
  /** The event that it waits for: one run of a project at a time may wait for a key. */
  eventKey?: string | undefined
  childRunId?: string | undefined
  /** For dependencies: the run's own job, and the key that narrows which runs count (see match-key.ts). */
  jobId?: string | undefined
  matchKey?: string | undefined
  /** How long until it is looked at whether it is over; absent: somebody will say so. */
  checkInMs?: number | undefined
  /** Absent: no limit. */
  timeoutMs?: number | undefined
}

export const newWait = (kind: WaitKind, more: Omit<NewWait, 'id' | 'kind'>): NewWait => ({ id: newId(), kind, ...more })

/** For the rows of a CTE with run_id, project_id, state and wait: the wait as JSON text. */
export const newWaits = (sql: Sql, rows: string): Fragment => sql`
  insert into waits (run_id, id, project_id, kind, event_key, child_run_id, job_id, match_key, check_at, expires_at)
  select run_id, (w->>'id')::uuid, project_id, w->>'kind', w->>'eventKey', (w->>'childRunId')::uuid, (w->>'jobId')::uuid, w->>'matchKey',
    clock_timestamp() + (w->>'checkInMs')::float8 * interval '1 ms', clock_timestamp() + (w->>'timeoutMs')::float8 * interval '1 ms'
  from (select *, wait::jsonb as w from ${sql(rows)} where state = 'waiting' offset 0) begins`

/** In moveRuns: the waits of the runs that went on. */
export const endedWaits = (sql: Sql): Fragment => sql`
  delete from waits where run_id = any(array(select run_id from moved where state_before = 'waiting'))`

/**
 * In moveRuns: whoever waits for one of the runs that are over now is looked at. What is locked is left out, or two
 * such statements could wait for each other; it is being ended, or told, by who holds it, and is looked at again later.
 */
export const toldWaits = (sql: Sql): Fragment => {
  const over = sql`select run_id from moved where state = any(${OVER_STATES as string[]}::text[])`
  return sql`
    update waits set check_at = clock_timestamp() where run_id = any(array(
      select run_id from waits where child_run_id = any(array(${over})) for update skip locked
    ) || array(
      select run_id from waits
      where job_id = any(array(select job_id from job_dependencies
          where depends_on_job_id = any(array(select job_id from joined where state = any(${OVER_STATES as string[]}::text[])))))
        and (match_key is null or match_key = any(array(
          select unnest(array['i:' || idempotency_key, 'd:' || (metadata->>'dependency_key')]) from runs where id = any(array(${over})))))
      for update skip locked))
    returning run_id`
}
