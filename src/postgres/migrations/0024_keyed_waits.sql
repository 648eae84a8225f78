-- Waits that a run gives a key: for a time, or for several events and runs. The outcome is a value of the run.

alter table waits add column key text collate "C";
alter table waits add column mode text collate "C"; -- all or any: how many of its items it needs.
alter table waits add column on_timeout text collate "C"; -- fail or continue.

-- What such a wait waits for. The rows go with their wait.
create table wait_items (
  run_id uuid not null references waits on delete cascade,
  ord int not null,
  project_id text collate "C" not null,
  event_key text collate "C",
  child_run_id uuid,
  created_at timestamptz not null default clock_timestamp(),
  received_at timestamptz, -- Of an event: when it arrived.
  event_id uuid, -- The event of the log that says so.
  payload json,
  primary key (run_id, ord)
);
create index wait_items_by_event on wait_items (project_id, event_key, created_at)
  where event_key is not null and received_at is null;
create index wait_items_by_child on wait_items (child_run_id) where child_run_id is not null;

-- Events that nobody waited for yet, or that are for everybody who waits until they expire.
create table kept_events (
  id uuid primary key, -- The event of the log that says that it was kept.
  project_id text collate "C" not null,
  event_key text collate "C" not null,
  recipients text collate "C" not null, -- first or all.
  payload json,
  bytes int not null,
  actor_type text collate "C" not null, -- Who sent it.
  actor_id text collate "C",
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null
);
create index kept_events_by_key on kept_events (project_id, event_key, created_at);
create index kept_events_by_project on kept_events (project_id, expires_at) include (bytes);
create index kept_events_by_expiry on kept_events (expires_at);

-- A question that a run gave a key is asked once, whatever becomes of the attempt that asked.
alter table input_requests add column key text collate "C";
alter table input_requests add column assignee text;
create unique index input_requests_by_key on input_requests (run_id, key) where key is not null;
