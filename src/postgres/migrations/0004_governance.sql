-- Governance: agents with their switch and policy, what they were allowed, and what people are asked.

-- Agents ----------------------------------------------------------------------------------------------------
-- The row of an agent is the lock of its budget: whoever decides about one of its calls holds it, so that calls at the
-- same time never overspend. An agent is there from its first call; nobody has to register it.

create table agents (
  project_id text collate "C" not null references projects,
  id text collate "C" not null,
  enabled boolean not null default true,
  disabled_reason text,
  disabled_at timestamptz,
  -- What its current policy says, so that a decision reads one row; 0 and null without a policy.
  policy_version int not null default 0,
  policy_mode text collate "C",
  policy jsonb,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  updated_at timestamptz not null default date_trunc('milliseconds', now()),
  primary key (project_id, id)
);
create index agents_disabled on agents (project_id, id) where not enabled;

-- Never changed; a new one takes its place.
create table agent_policies (
  project_id text collate "C" not null,
  agent_id text collate "C" not null,
  version int not null,
  mode text collate "C" not null, -- enforce or observe.
  policy jsonb not null,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  created_by text,
  primary key (project_id, agent_id, version)
);

-- What agents did, summed as it is written: limits, metrics and spend are read from here, never from history.
create table agent_hours (
  project_id text collate "C" not null,
  agent_id text collate "C" not null,
  hour timestamptz not null,
  tool text collate "C" not null,
  allowed bigint not null,
  blocked bigint not null,
  cost_microusd bigint not null, -- Reserved or booked.
  primary key (project_id, agent_id, hour, tool)
) with (fillfactor = 70);

-- One row per decision about a call.
create table authorizations (
  id uuid primary key,
  project_id text collate "C" not null,
  agent_id text collate "C" not null,
  tool text collate "C" not null,
  run_id uuid,
  state text collate "C" not null, -- reserved, settled, blocked, asked or denied.
  reason text collate "C" not null,
  risk_level text collate "C" not null,
  observed text collate "C", -- What would have blocked it, if its policy were not only observed.
  policy_version int not null,
  args_hash text,
  cost_microusd bigint not null,
  hour timestamptz not null, -- The hour that it is summed into.
  outcome text collate "C",
  created_at timestamptz not null,
  settled_at timestamptz
) with (fillfactor = 80);
create index authorizations_by_agent on authorizations (project_id, agent_id, created_at desc, id desc);
create index authorizations_by_time on authorizations (created_at); -- For retention.

-- Held runs: an agent that is switched off has no run that may be claimed.
alter table run_queue add column agent_id text collate "C";
create index run_queue_by_agent on run_queue (project_id, agent_id) where agent_id is not null;

-- What people are asked ---------------------------------------------------------------------------------------

create table input_requests (
  id uuid primary key,
  project_id text collate "C" not null,
  run_id uuid, -- Null for the approval of a call that belongs to no run.
  agent_id text collate "C",
  authorization_id uuid,
  event_id uuid, -- The event that it was asked with: the cause of its answer.
  kind text collate "C" not null, -- approval or feedback.
  prompt text not null,
  params jsonb not null default '{}',
  editable_params text[] not null default '{}',
  schema jsonb, -- What the feedback must meet.
  on_expiry text collate "C" not null, -- default or fail.
  default_answer jsonb,
  state text collate "C" not null, -- pending, answered, expired or canceled.
  answer jsonb,
  answered_by_type text collate "C",
  answered_by_id text collate "C",
  created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  answered_at timestamptz,
  expires_at timestamptz
);
create index input_requests_by_project on input_requests (project_id, created_at desc, id desc);
create index input_requests_pending on input_requests (project_id, created_at desc, id desc) where state = 'pending';
create index input_requests_by_run on input_requests (run_id, created_at) where run_id is not null;
create index input_requests_open on input_requests (run_id) where state = 'pending';
create index input_requests_by_expiry on input_requests (expires_at) where state = 'pending' and expires_at is not null;
create index input_requests_by_authorization on input_requests (authorization_id) where authorization_id is not null;
