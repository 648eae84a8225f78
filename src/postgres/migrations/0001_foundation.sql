-- The foundation: projects and keys, jobs and runs, the queue and its leases, the log.
-- Ids are UUIDs made by the caller (version 7, so that indexes grow at their right edge). Text that is
-- compared is collated "C": cheaper, and the same order on every machine. Times that lists are paged by are cut to
-- milliseconds, so that a cursor made of the JSON form of one is exact.

-- Access ----------------------------------------------------------------------------------------------------

create table installation (
  name text primary key,
  value text not null
);

create table projects (
  id text collate "C" primary key,
  name text not null,
  created_at timestamptz not null default date_trunc('milliseconds', now())
);

create table api_keys (
  id uuid primary key,
  project_id text collate "C" not null references projects,
  name text not null,
  prefix text not null,
  hash bytea not null unique, -- SHA-256 of the key, which itself is nowhere.
  scopes text[] not null,
  rate_limit_per_minute int,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  created_by text,
  expires_at timestamptz,
  revoked_at timestamptz,
  rotated_to uuid,
  last_used_at timestamptz
);
create index api_keys_by_project on api_keys (project_id, created_at, id);

-- Jobs ------------------------------------------------------------------------------------------------------

create table jobs (
  id uuid primary key,
  project_id text collate "C" not null references projects,
  slug text collate "C" not null,
  version int not null,
  -- What the current version says and every trigger and claim asks for; written together with the version.
  execution text collate "C" not null,
  queue text collate "C" not null,
  enabled boolean not null,
  when_paused text not null,
  max_concurrency int not null, -- 0 is unlimited, here and below.
  max_concurrency_per_key int not null,
  signing_secret text not null,
  paused_at timestamptz,
  pause_reason text,
  deleted_at timestamptz,
  -- The next moment its cron fires; null without a cron. The row is the timer: whoever moves it forward fires it.
  next_cron_at timestamptz,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  updated_at timestamptz not null default now()
);
create unique index jobs_by_slug on jobs (project_id, slug) where deleted_at is null;
create index jobs_by_project on jobs (project_id, created_at, id);
create index jobs_by_next_cron on jobs (next_cron_at) where next_cron_at is not null;

-- Never changed: a run is bound to the version that it began with, and any node may cache one for ever.
create table job_versions (
  id uuid not null unique,
  job_id uuid not null references jobs,
  version int not null,
  definition jsonb not null,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  created_by text,
  primary key (job_id, version)
);

-- Runs ------------------------------------------------------------------------------------------------------
-- `runs` is what was asked for and is written once. `run_states` is what is true now: narrow, because every
-- move rewrites its row. Measured: with the state in `runs`, each move touches all indexes of the wide table,
-- and a third of the throughput is lost.

create table runs (
  id uuid primary key,
  project_id text collate "C" not null,
  client_id text collate "C", -- The client's own string for an external run; `id` is then derived from it.
  job_id uuid,
  job_version int,
  execution text collate "C" not null,
  queue text collate "C" not null,
  triggered_by text collate "C" not null,
  created_by_type text not null,
  created_by_id text,
  correlation_id text collate "C" not null,
  parent_run_id uuid,
  continuation_of uuid,
  lineage_depth int not null default 0,
  replayed_from uuid,
  batch_id uuid,
  idempotency_key text,
  concurrency_key text collate "C" not null default '',
  rank smallint not null, -- Minus the priority, so that every part of the turn order ascends.
  timeout_secs int not null,
  max_attempts int not null,
  ttl_secs int,
  overrides jsonb, -- The retry, timeout and time-to-live settings that the trigger gave itself.
  tags jsonb not null default '{}',
  metadata jsonb not null default '{}',
  agent_id text,
  debug_mode boolean not null default false,
  traceparent text,
  created_at timestamptz not null
);
create index runs_by_project on runs (project_id, created_at desc, id desc);
create index runs_by_job on runs (job_id, created_at desc, id desc);
create index runs_by_correlation on runs (project_id, correlation_id);
-- Rare things have indexes of their own that ordinary runs do not pay for.
create index runs_by_batch on runs (batch_id, created_at desc, id desc) where batch_id is not null;
create index runs_by_parent on runs (parent_run_id, created_at desc, id desc) where parent_run_id is not null;
create index runs_by_continuation on runs (continuation_of) where continuation_of is not null;
create index runs_by_replay on runs (replayed_from) where replayed_from is not null;
create index runs_by_agent on runs (project_id, agent_id, created_at desc, id desc) where agent_id is not null;
create index runs_by_trigger on runs (project_id, triggered_by, created_at desc, id desc) where triggered_by <> 'manual';
create index runs_by_tags on runs using gin (tags) where tags <> '{}';
create index runs_by_metadata on runs using gin (metadata) where metadata <> '{}';

create table run_states (
  run_id uuid primary key,
  project_id text collate "C" not null,
  state text collate "C" not null,
  attempt int not null default 1, -- The number of the current or next attempt.
  last_sequence bigint not null default 0,
  last_checkpoint int not null default 0,
  created_at timestamptz not null,
  state_since timestamptz not null,
  due_at timestamptz, -- When a delayed run is due: its schedule, or the next attempt.
  scheduled_at timestamptz,
  expires_at timestamptz,
  started_at timestamptz,
  finished_at timestamptz,
  queue_wait_ms int, -- Of the latest claim: from being due to being claimed.
  lease_token uuid, -- The fence, beside the state so that one row lock guards both.
  error text,
  error_code text
) with (fillfactor = 70);
create index run_states_by_state on run_states (project_id, state, created_at desc, run_id desc);
create index run_states_by_end on run_states (finished_at) where finished_at is not null; -- For retention.

create table run_bodies (
  run_id uuid primary key,
  payload jsonb,
  result jsonb,
  trace jsonb
) with (fillfactor = 80);
alter table run_bodies alter column payload set compression pglz;

-- The queue holds only what waits for its turn (ready) or for a time (not ready). A claim deletes the row.
create table run_queue (
  run_id uuid primary key,
  project_id text collate "C" not null,
  queue text collate "C" not null,
  job_id uuid not null,
  concurrency_key text collate "C" not null default '',
  rank smallint not null,
  ready boolean not null,
  due_at timestamptz not null,
  expires_at timestamptz
);
-- A lane is what shares one place in the turn order: (queue, project, rank, job, concurrency key).
create index run_queue_lanes on run_queue (queue, project_id, rank, job_id, concurrency_key, due_at, run_id) where ready;
create index run_queue_timers on run_queue (due_at) where not ready;
create index run_queue_expiry on run_queue (expires_at) where expires_at is not null;

-- One row per attempt under way, and per slot of concurrency taken.
create table leases (
  run_id uuid primary key,
  project_id text collate "C" not null,
  job_id uuid not null,
  concurrency_key text collate "C" not null default '',
  token uuid not null,
  owner text collate "C" not null,
  lease_secs int not null,
  claimed_at timestamptz not null,
  heartbeat_at timestamptz not null,
  expires_at timestamptz not null, -- Never after the deadline, so that one index serves both.
  deadline_at timestamptz,
  told text -- 'pause' once the executor is asked to checkpoint and stop.
) with (fillfactor = 70);
create index leases_by_expiry on leases (expires_at);
create index leases_by_job on leases (job_id, concurrency_key);

-- Outlive the partitions of what they point at; each has its own end.
create table idempotency_keys (
  job_id uuid not null,
  key text collate "C" not null,
  run_id uuid not null,
  fingerprint bytea not null,
  expires_at timestamptz,
  primary key (job_id, key)
);
create index idempotency_keys_by_run on idempotency_keys (run_id);
create index idempotency_keys_by_expiry on idempotency_keys (expires_at) where expires_at is not null;

create table kept_replies (
  project_id text collate "C" not null,
  key text collate "C" not null,
  fingerprint bytea not null,
  status int,
  reply jsonb,
  expires_at timestamptz not null,
  primary key (project_id, key)
);
create index kept_replies_by_expiry on kept_replies (expires_at);

-- What an attempt leaves behind --------------------------------------------------------------------------------

create table run_checkpoints (
  run_id uuid not null,
  number int not null,
  id uuid not null,
  attempt int not null,
  source text not null,
  state jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (run_id, number)
);

create table run_tool_calls (
  id uuid primary key,
  run_id uuid not null,
  sequence bigint not null,
  attempt int not null,
  tool_name text not null,
  step text,
  input jsonb,
  output jsonb,
  duration_ms double precision,
  status text not null,
  created_at timestamptz not null default clock_timestamp()
);
create unique index run_tool_calls_by_run on run_tool_calls (run_id, sequence);

create table run_usage (
  id uuid primary key,
  run_id uuid not null,
  sequence bigint not null,
  provider text not null,
  model text not null,
  prompt_tokens bigint not null,
  completion_tokens bigint not null,
  total_tokens bigint not null,
  cost_microusd bigint not null,
  created_at timestamptz not null default clock_timestamp()
);
create unique index run_usage_by_run on run_usage (run_id, sequence);

create table run_outputs (
  id uuid not null,
  run_id uuid not null,
  output_key text collate "C" not null,
  schema jsonb,
  value jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (run_id, output_key)
);

create table run_values (
  run_id uuid not null,
  key text collate "C" not null,
  value jsonb not null,
  updated_at timestamptz not null default clock_timestamp(),
  primary key (run_id, key)
);

-- The log ---------------------------------------------------------------------------------------------------

create sequence event_positions as bigint;

create table events (
  position bigint not null default nextval('event_positions'),
  xid xid8 not null default pg_current_xact_id(),
  id uuid not null,
  project_id text collate "C" not null,
  type text collate "C" not null,
  occurred_at timestamptz not null,
  recorded_at timestamptz not null default clock_timestamp(),
  actor_type text collate "C" not null,
  actor_id text collate "C",
  -- Null for an event of a run, which is about that run: half of each row, and an index, are saved.
  resource_type text collate "C",
  resource_id text collate "C",
  correlation_id text collate "C" not null,
  causation_id uuid,
  run_id uuid,
  run_ref text collate "C", -- The client's own id of an external run.
  sequence bigint,
  attempt int,
  step text,
  tool text,
  agent_id text collate "C",
  req_id text,
  lease_id text,
  level text,
  status text,
  message text,
  duration_ms double precision,
  data jsonb
) partition by range (recorded_at);

create index events_by_run on events (run_id, sequence) where run_id is not null;
create index events_by_time on events (project_id, occurred_at, position);
create index events_by_type on events (project_id, type, occurred_at, position);
-- For readers of the whole log: see storage/tail.ts.
create index events_by_commit on events (xid, position);
create index events_by_resource on events (project_id, resource_type, resource_id, occurred_at, position) where resource_type is not null;
create index events_by_actor on events (project_id, actor_type, actor_id, occurred_at, position) where actor_type not in ('system', 'worker');
create index events_by_agent on events (project_id, agent_id, occurred_at, position) where agent_id is not null;
create index events_by_correlation on events (project_id, correlation_id, position) where run_id is null;
-- Ids grow with time, so a few block ranges hold any one of them; a B-tree would cost every append.
create index events_by_id on events using brin (id uuid_minmax_multi_ops) with (pages_per_range = 32, autosummarize = on);

-- Ids that clients gave, for idempotent appends; they are few, and outlive no retention.
create table event_ids (
  project_id text collate "C" not null,
  id uuid not null,
  position bigint not null,
  sequence bigint,
  occurred_at timestamptz not null,
  recorded_at timestamptz not null default now(),
  primary key (project_id, id)
);
create index event_ids_by_time on event_ids (recorded_at);

-- Token chunks and debug logs: numbered like events, kept for days.
create table deltas (
  run_id uuid not null,
  sequence bigint not null,
  project_id text collate "C" not null,
  type text collate "C" not null,
  recorded_at timestamptz not null default clock_timestamp(),
  attempt int,
  level text,
  message text,
  data jsonb
) partition by range (recorded_at);
create index deltas_by_run on deltas (run_id, sequence);

-- Counters, kept as the things they count are written. The shard is the writing backend, so that concurrent
-- writers do not wait for each other's row; readers add the shards up.

create table run_counts (
  project_id text collate "C" not null,
  queue text collate "C" not null,
  job_id uuid not null,
  state text collate "C" not null,
  shard smallint not null,
  n bigint not null,
  primary key (project_id, queue, job_id, state, shard)
) with (fillfactor = 50);

create table event_counts (
  project_id text collate "C" not null,
  hour timestamptz not null,
  type text collate "C" not null,
  resource_type text collate "C" not null,
  actor_type text collate "C" not null,
  actor_id text collate "C" not null,
  shard smallint not null,
  n bigint not null,
  primary key (project_id, hour, type, resource_type, actor_type, actor_id, shard)
) with (fillfactor = 50);

create table usage_hours (
  project_id text collate "C" not null,
  hour timestamptz not null,
  job_id uuid not null,
  agent_id text collate "C" not null,
  provider text collate "C" not null,
  model text collate "C" not null,
  calls bigint not null,
  prompt_tokens bigint not null,
  completion_tokens bigint not null,
  cost_microusd bigint not null,
  primary key (project_id, hour, job_id, agent_id, provider, model)
);

-- Small hot tables: dead rows are swept early and often, or the heads of their indexes fill with them.
alter table run_queue set (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.0, autovacuum_analyze_threshold = 5000);
alter table leases set (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.0, autovacuum_analyze_threshold = 5000);
alter table run_counts set (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 500);
alter table event_counts set (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 500);
