-- Webhooks: who is sent which events, how far each has come in the log, and what was sent lately.

create table webhooks (
  id uuid primary key,
  project_id text collate "C" not null references projects,
  name text not null,
  url text not null,
  filter jsonb not null,
  signing_secret text not null,
  -- Signs beside the new one until its time is over.
  old_secret text,
  old_secret_until timestamptz,
  disable_after_days int not null,
  paused_at timestamptz,
  disabled_at timestamptz,
  disabled_reason text collate "C",
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  updated_at timestamptz not null default date_trunc('milliseconds', now()),
  created_by text,
  -- Counts every change of the above, and every move of the cursor that its carrier did not make itself.
  revision int not null default 1,

  -- The last event that was delivered, or passed over.
  xid xid8 not null,
  position bigint not null,
  read_at timestamptz not null,

  -- The event after it, when it could not be delivered.
  attempts int not null default 0,
  event_failed_at timestamptz,
  next_attempt_at timestamptz,
  last_error text,
  failing_since timestamptz, -- Nothing was delivered since.
  delivered_at timestamptz,

  -- The node that carries it. The token is a fencing token: whoever lost the lease saves nothing.
  lease_owner text,
  lease_token uuid,
  lease_until timestamptz
);
create index webhooks_by_project on webhooks (project_id, created_at, id);
-- Progress is saved several times a second: no index has a column that it changes.
alter table webhooks set (fillfactor = 60);

-- Nodes that carry webhooks, so that each takes its share.
create table webhook_carriers (
  owner text primary key,
  seen_at timestamptz not null
);

create table webhook_deliveries (
  id uuid primary key,
  webhook_id uuid not null references webhooks on delete cascade,
  event_id uuid, -- Null for a test.
  event_position bigint,
  event_type text collate "C" not null,
  attempt int not null,
  outcome text collate "C" not null,
  sent_at timestamptz not null,
  duration_ms double precision not null,
  request_body text not null,
  status int,
  response_body text,
  error text
);
create index webhook_deliveries_by_webhook on webhook_deliveries (webhook_id, id);
