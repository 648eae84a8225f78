-- Addresses that third parties call without a key: each sends an event or triggers a job.

create table hooks (
  id uuid primary key,
  project_id text collate "C" not null references projects,
  name text not null,
  secret_hash bytea not null unique, -- Of the last part of the address, which is kept nowhere.
  shown_prefix text not null, -- For recognising the address.
  old_secret_hash bytea unique, -- After a rotation, until old_until.
  old_until timestamptz,
  sender text collate "C" not null, -- Whose signatures are checked; none.
  signing_secret text, -- What its sender signs with; it is never shown.
  event_key text collate "C", -- Sends an event with this key, or
  job_id uuid references jobs, -- triggers a run of this job.
  pass text collate "C" not null, -- request or json: what becomes of a call.
  rate_limit_per_minute int not null,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  created_by_type text collate "C" not null,
  created_by_id text collate "C"
);
create index hooks_by_project on hooks (project_id, created_at desc, id desc);
create index hooks_by_job on hooks (job_id) where job_id is not null;

-- What senders have delivered, so that a repeat is dropped.
create table hook_deliveries (
  hook_id uuid not null references hooks on delete cascade,
  delivery_id text collate "C" not null,
  received_at timestamptz not null default clock_timestamp(),
  primary key (hook_id, delivery_id)
);
create index hook_deliveries_by_time on hook_deliveries (received_at);
