-- What runs do to each other, what an operator does with many of them, and what is kept for those who look into one.

-- Waits -----------------------------------------------------------------------------------------------------
-- One row per run that waits; it goes when the run goes on, in the statement that moves it. A wait ends at
-- `check_at` when what it waits for has come by then, and at `expires_at` in any case.

create table waits (
  run_id uuid primary key,
  id uuid not null,
  project_id text collate "C" not null,
  kind text collate "C" not null,
  event_key text collate "C", -- The event that it waits for.
  child_run_id uuid, -- The child that it waits for.
  job_id uuid, -- For dependencies: the run's own job, whose dependencies must hold.
  match_key text collate "C", -- For dependencies: only runs with this key count.
  created_at timestamptz not null default clock_timestamp(),
  check_at timestamptz,
  expires_at timestamptz
);
create unique index waits_by_event on waits (project_id, event_key) where event_key is not null;
create index waits_by_child on waits (child_run_id) where child_run_id is not null;
create index waits_by_job on waits (job_id) where job_id is not null;
create index waits_by_check on waits (check_at) where check_at is not null;
create index waits_by_expiry on waits (expires_at) where expires_at is not null;
alter table waits set (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.0, autovacuum_analyze_threshold = 5000);

create table job_dependencies (
  id uuid primary key,
  job_id uuid not null references jobs,
  depends_on_job_id uuid not null references jobs,
  condition text collate "C" not null, -- completed, failed or any.
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  unique (job_id, depends_on_job_id)
);
create index job_dependencies_by_target on job_dependencies (depends_on_job_id);
-- How many dependencies a job has, so that a trigger of one without any asks nothing more.
alter table jobs add column dependencies int not null default 0;

-- A dependency is met by the latest run with the same key: rare things, which ordinary runs do not pay for.
create index runs_by_key on runs (job_id, idempotency_key, created_at desc) where idempotency_key is not null;
create index runs_by_dependency_key on runs (job_id, (metadata->>'dependency_key'), created_at desc) where metadata ? 'dependency_key';

-- Runs ------------------------------------------------------------------------------------------------------

-- A detached run goes on when its parent is canceled or fails.
alter table runs add column detached boolean not null default false;
alter table runs add column preset text collate "C";
alter table runs add column environment jsonb;
-- A restart begins anew: checkpoints up to this one are kept, and are not given to later attempts.
alter table run_states add column checkpoint_floor int not null default 0;

create table presets (
  project_id text collate "C" not null references projects,
  name text collate "C" not null,
  description text not null,
  queue text collate "C", -- Null, here and below: what the job says.
  timeout_secs int,
  max_attempts int,
  environment jsonb not null default '{}',
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  updated_at timestamptz not null default date_trunc('milliseconds', now()),
  primary key (project_id, name)
);

create table batches (
  id uuid primary key,
  project_id text collate "C" not null,
  job_id uuid not null,
  item_count int not null,
  created_count int not null default 0,
  created_by text,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  finished_at timestamptz
);
create index batches_by_project on batches (project_id, created_at desc, id desc);

-- What calls of models cost ------------------------------------------------------------------------------------

create table model_prices (
  project_id text collate "C" not null references projects,
  provider text collate "C" not null,
  model text collate "C" not null,
  prompt_microusd_per_million bigint not null,
  completion_microusd_per_million bigint not null,
  updated_at timestamptz not null default date_trunc('milliseconds', now()),
  primary key (project_id, provider, model)
);

create table run_usage_sums (
  run_id uuid primary key,
  calls bigint not null,
  prompt_tokens bigint not null,
  completion_tokens bigint not null,
  total_tokens bigint not null,
  cost_microusd bigint not null
) with (fillfactor = 70);

insert into run_usage_sums (run_id, calls, prompt_tokens, completion_tokens, total_tokens, cost_microusd)
select run_id, count(*), sum(prompt_tokens), sum(completion_tokens), sum(total_tokens), sum(cost_microusd) from run_usage group by run_id;

-- Operations over many runs ------------------------------------------------------------------------------------
-- One walks through the runs of its filter, and remembers how far it is in the transaction that moves a page.

create table operations (
  id uuid primary key, -- Also the id of the event that says it began, which caused all that it does.
  project_id text collate "C" not null,
  kind text collate "C" not null, -- cancel, replay or redrive.
  filter jsonb not null, -- As it was asked for.
  conditions jsonb not null, -- The same with its names looked up: a slug may be another job's tomorrow.
  max_runs int,
  reason text,
  actor_type text collate "C" not null,
  actor_id text collate "C",
  state text collate "C" not null default 'running', -- running, completed, canceled or failed.
  matched bigint not null default 0, -- Runs that it has looked at so far.
  done bigint not null default 0,
  skipped bigint not null default 0,
  expected bigint, -- Runs that matched when it began, when that was counted.
  problems jsonb not null default '[]', -- The first few runs that were skipped, and why.
  -- Runs that are triggered later are not its business. At the end of the millisecond, which is what runs are stamped with.
  runs_before timestamptz not null default date_trunc('milliseconds', clock_timestamp()) + interval '1 ms',
  after_created_at timestamptz,
  after_id uuid,
  failures int not null default 0, -- In a row.
  error text,
  turn_at timestamptz not null default clock_timestamp(), -- Operations take turns; one that fails waits a little longer.
  created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  finished_at timestamptz
) with (fillfactor = 70);
create index operations_by_project on operations (project_id, created_at desc, id desc);
create index operations_by_turn on operations (turn_at) where state = 'running';
create index operations_by_end on operations (finished_at) where finished_at is not null; -- For retention.

-- For those who look into one run ------------------------------------------------------------------------------

-- One row per dispatch of a run in debug mode: what was sent, what came back, where the time went. Secrets are masked.
create table run_dispatches (
  id uuid primary key,
  run_id uuid not null,
  attempt int not null,
  owner text not null,
  url text not null,
  request_headers jsonb not null,
  request_bytes int not null,
  status int,
  response_headers jsonb,
  response_bytes int,
  error text,
  error_code text,
  trace jsonb,
  started_at timestamptz not null,
  created_at timestamptz not null default clock_timestamp()
);
create index run_dispatches_by_run on run_dispatches (run_id, created_at, id);
