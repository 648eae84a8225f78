-- Tool servers: servers of the Model Context Protocol whose tools agents call through Runyard.

create table tool_servers (
  project_id text collate "C" not null references projects,
  name text collate "C" not null,
  id uuid not null unique, -- Another one after it was deleted and made again.
  description text,
  url text not null,
  headers jsonb not null,
  timeout_secs int not null, -- Of one call.
  refresh_secs int not null, -- How often its tools are read.
  dedup_windows_secs jsonb not null, -- By the name of the tool: for how long the same call is not made again.
  enabled boolean not null,
  tools json not null default '[]', -- As they were read last.
  tools_hash text collate "C" not null default '',
  tool_count int not null default 0,
  refreshed_at timestamptz, -- Null: never yet.
  refresh_at timestamptz not null default now(), -- The next time; moved on before it, so that no two nodes read at once.
  failing_since timestamptz,
  last_error text,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  updated_at timestamptz not null default date_trunc('milliseconds', now()),
  primary key (project_id, name)
);
create index tool_servers_due on tool_servers (refresh_at) where enabled;

-- The key that asked a question, and may therefore not answer it.
alter table input_requests add column asked_by_key text collate "C";
