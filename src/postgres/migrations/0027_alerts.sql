-- Alerts: rules over what is counted, what they found, and the messages that tell people.

create table alert_channels (
  id uuid primary key,
  project_id text collate "C" not null references projects,
  name text not null,
  kind text collate "C" not null, -- webhook, slack or email.
  url text,
  signing_secret text, -- Of a webhook.
  recipients text[] not null default '{}',
  questions boolean not null, -- Whether it is sent questions to people, with a link that answers them.
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  created_by text
);
create index alert_channels_by_project on alert_channels (project_id, created_at, id);

create table alert_rules (
  id uuid primary key,
  project_id text collate "C" not null references projects,
  name text not null,
  kind text collate "C" not null,
  settings jsonb not null,
  channel_ids uuid[] not null,
  repeat_mins int, -- Null: told once.
  enabled boolean not null,
  silenced_until timestamptz,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  created_by text,
  -- The next look; moved on before it, so that no two nodes look at once.
  check_at timestamptz not null default now(),
  checked_at timestamptz,
  value double precision, -- What was counted then.
  error text -- Why it could not be counted.
);
create index alert_rules_by_project on alert_rules (project_id, created_at, id);
create index alert_rules_due on alert_rules (check_at) where enabled;

-- From when a rule began to hold until it no longer did.
create table alerts (
  id uuid primary key,
  project_id text collate "C" not null,
  rule_id uuid not null references alert_rules on delete cascade,
  started_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  resolved_at timestamptz,
  value double precision not null, -- The latest.
  peak double precision not null,
  summary text not null,
  told_at timestamptz -- When somebody was last told; null while the rule is silenced.
);
create index alerts_by_project on alerts (project_id, started_at desc, id desc);
create index alerts_by_rule on alerts (rule_id, started_at desc, id desc);
create unique index alerts_open on alerts (rule_id) where resolved_at is null;

-- Messages on their way to a channel. Taking one moves its time on, so that no two nodes send it at once.
create table alert_messages (
  id uuid primary key,
  channel_id uuid not null references alert_channels on delete cascade,
  project_id text collate "C" not null,
  content jsonb not null,
  input_request_id uuid, -- The question that it asks.
  created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  attempts int not null default 0,
  send_at timestamptz not null default now(),
  sent_at timestamptz,
  given_up_at timestamptz,
  error text
);
create unique index alert_messages_by_question on alert_messages (channel_id, input_request_id)
  where input_request_id is not null;
create index alert_messages_due on alert_messages (send_at) where sent_at is null and given_up_at is null;
create index alert_messages_by_channel on alert_messages (channel_id, created_at desc, id desc);

-- Links that answer one question. The token itself is nowhere: the table has its SHA-256.
create table answer_links (
  hash bytea primary key,
  id uuid not null,
  project_id text collate "C" not null,
  channel_id uuid not null references alert_channels on delete cascade,
  input_request_id uuid not null,
  created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  expires_at timestamptz not null
);
create index answer_links_by_expiry on answer_links (expires_at); -- For retention.
create index answer_links_by_channel on answer_links (channel_id);
