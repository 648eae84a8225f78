-- Plans, locks and what the mount /onceonly needs besides.

-- === Runs, feed, locks and plans (part 1) =====================================================================

-- What a project may use; its limits stand in the code. An installation of one's own holds nothing back.
alter table projects add column plan text collate "C" not null default 'agency';

-- What projects used, day by day in UTC. The shard is the writing backend, as in the other counters.
create table plan_usage (
  project_id text collate "C" not null,
  kind text collate "C" not null, -- make or ai.
  day date not null,
  shard smallint not null,
  requests bigint not null,
  charged bigint not null,
  blocked bigint not null,
  polling bigint not null,
  primary key (project_id, kind, day, shard)
) with (fillfactor = 50);
create index plan_usage_by_day on plan_usage (day); -- For retention.

-- A key that somebody was first to take, until it expires; then it may be taken again, and retention sweeps the row.
create table locks (
  project_id text collate "C" not null,
  key text collate "C" not null,
  first_seen_at timestamptz not null,
  expires_at timestamptz not null,
  ttl_secs int not null,
  metadata jsonb,
  primary key (project_id, key)
) with (fillfactor = 80);
create index locks_by_expiry on locks (expires_at);

-- Runs by the beginning of the name that their client gave them.
create index runs_by_client_id on runs (project_id, client_id) where client_id is not null;

-- What the people of a project want to be told about.
alter table projects add column notices jsonb not null default '{}';

-- === AI leases, tools and calls (part 2) ===========================================================

-- A key is worked on by one holder at a time. The row is the lock: whoever takes, extends or ends the lease holds it,
-- and writes what it says about its run in the same transaction.
create table ai_leases (
  project_id text collate "C" not null references projects,
  key text collate "C" not null,
  lease_id text collate "C" not null, -- The fence: a new holder has another one.
  version int not null default 1,
  state text collate "C" not null, -- held, completed, failed or cancelled.
  ttl_secs int not null,
  run_id uuid not null,
  run_ref text collate "C" not null,
  -- Whether the run ends with the lease; a run that is executed here has its own end.
  ends_run boolean not null,
  agent_id text collate "C",
  first_seen_at timestamptz not null,
  expires_at timestamptz not null, -- The end of the right to work; once that is over, of the answer.
  done_at timestamptz,
  result jsonb,
  result_hash text,
  error_code text,
  primary key (project_id, key)
) with (fillfactor = 70);
create index ai_leases_by_expiry on ai_leases (expires_at);

-- What is executed here under a lease: one action after the other, by one node at a time. The row goes with the last.
create table ai_agendas (
  project_id text collate "C" not null,
  key text collate "C" not null,
  lease_id text collate "C" not null,
  agent_id text collate "C" not null,
  actions jsonb not null,
  dry_run boolean not null,
  done jsonb not null default '[]', -- How the first of them ended.
  executor uuid not null, -- The fence of the node that is at it.
  held_until timestamptz not null,
  primary key (project_id, key)
) with (fillfactor = 70);
create index ai_agendas_by_turn on ai_agendas (held_until);

create table tools (
  project_id text collate "C" not null references projects,
  name text collate "C" not null,
  scope_id text collate "C" not null, -- global, or agent:<id>.
  url text not null,
  secret text, -- Calls are signed with it; it is never shown.
  secret_id uuid,
  timeout_ms int not null,
  max_retries int not null,
  enabled boolean not null,
  description text,
  created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  updated_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  primary key (project_id, name, scope_id)
);
create index tools_by_scope on tools (project_id, scope_id, name);

-- Calls that are not made twice, and what they brought.
create table kept_calls (
  project_id text collate "C" not null,
  agent_id text collate "C" not null,
  tool text collate "C" not null,
  key text collate "C" not null,
  token uuid not null, -- The fence of who makes it.
  authorization_id uuid, -- Known once it was decided about: whoever takes the call over is not charged again.
  result jsonb, -- Null while it is made.
  held_until timestamptz not null,
  expires_at timestamptz not null,
  primary key (project_id, agent_id, tool, key)
) with (fillfactor = 70);
create index kept_calls_by_expiry on kept_calls (expires_at);
