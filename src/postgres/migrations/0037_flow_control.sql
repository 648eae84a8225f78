-- Flow control of jobs: the throttle beside the limits that claims ask for, what still counts against a rate, and the
-- runs that further triggers are merged into.

alter table jobs
  add column throttle_limit int not null default 0, -- 0 is no throttle.
  add column throttle_period_secs int not null default 0,
  add column throttle_per_key boolean not null default false;
-- Whether a claim has to count before it takes runs of the job.
alter table jobs
  add column limited boolean not null
    generated always as (max_concurrency > 0 or max_concurrency_per_key > 0 or throttle_limit > 0) stored;

-- One row for each start, or each accepted trigger, of a job with a throttle or a rate limit: it counts `until` then.
create table rate_marks (
  job_id uuid not null,
  kind text collate "C" not null, -- 'start', 'trigger', and 'refusal' for what the log has been told of.
  key text collate "C" not null,
  until timestamptz not null
);
create index rate_marks_by_key on rate_marks (job_id, kind, key, until);
create index rate_marks_by_time on rate_marks (until);
alter table rate_marks set (
  autovacuum_vacuum_scale_factor = 0.0,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_cost_delay = 0
);

create table debounces (
  job_id uuid not null,
  key text collate "C" not null,
  run_id uuid not null,
  job_version int not null,
  triggers int not null default 1,
  begun_at timestamptz not null,
  begins_by timestamptz not null, -- However often it is triggered.
  primary key (job_id, key)
);
create index debounces_by_run on debounces (run_id);
create index debounces_by_time on debounces (begins_by);
