-- What the ends of runs mean to jobs that depend on them.

-- The run of a job that is over and was triggered last, for jobs that others depend on: found at once, whatever the
-- backlog of the job. Written by the statement that ends the run.
create table job_ends (
  job_id uuid primary key,
  run_id uuid not null,
  state text collate "C" not null,
  created_at timestamptz not null
) with (fillfactor = 70);

-- Runs that are over and that others may wait for by their job: whoever waits is called up by a duty, not by the
-- statement that ends the run, which would take as long as there are waiting runs.
create table job_calls (
  run_id uuid primary key,
  job_id uuid not null
);
create index job_calls_by_job on job_calls (job_id);
alter table job_calls set (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
