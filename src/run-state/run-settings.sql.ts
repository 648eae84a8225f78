// The settings that a run is executed with are written once; a restart may give it others.
import { jsonText } from '#postgres/json.ts'
import type { Db } from '#postgres/sql.ts'

export type RunSettings = {
  preset: string
  environment: Record<string, string>
  queue: string
  timeoutSecs: number
  maxAttempts: number
  overrides: object | null
}

/**
 * Gives a run other settings, in a transaction that goes on to move it. The counters of runs go by queue, so that the
 * run is counted over to the new one here, in the state that it is in.
 */
export const changeRunSettings = (db: Db, runId: string, it: RunSettings) => db`
  with before as materialized (
    select r.id, r.project_id, r.job_id, r.queue, s.state
    from runs r
    join run_states s on s.run_id = r.id
    where r.id = ${runId}
    for update of s
  ), changed as (
    update runs r
    set
      preset = ${it.preset},
      environment = ${JSON.stringify(it.environment)}::text::jsonb,
      queue = ${it.queue},
      timeout_secs = ${it.timeoutSecs},
      max_attempts = ${it.maxAttempts},
      overrides = ${jsonText(it.overrides ?? undefined)}::text::jsonb
    from before
    where r.id = before.id
    returning r.queue
  )
  insert into run_counts as c (
    project_id,
    queue,
    job_id,
    state,
    shard,
    n
  )
  select
    b.project_id,
    side.queue,
    b.job_id,
    b.state,
    pg_backend_pid() % 64,
    side.n
  from before b
  cross join changed
  cross join lateral (values (b.queue, -1), (changed.queue, 1)) as side (queue, n)
  where changed.queue <> b.queue
  order by side.queue
  on conflict (project_id, queue, job_id, state, shard) do update set n = c.n + excluded.n`
