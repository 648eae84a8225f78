-- People: who they are, what they may do in which project, and their sessions.

create table users (
  id uuid primary key,
  name text not null,
  email text collate "C", -- In lower case; null for who was never asked for one.
  password text, -- scrypt in the PHC format, parameters included; null: signs in otherwise.
  is_owner boolean not null default false, -- Of the installation: admin of every project, and may make others.
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  created_by text,
  -- The row stays: the log names who acted by it.
  removed_at timestamptz
);
create unique index users_by_email on users (email) where removed_at is null;
create index users_by_ownership on users (created_at, id) where is_owner and removed_at is null;

create table project_members (
  project_id text collate "C" not null references projects,
  user_id uuid not null references users,
  role text collate "C" not null,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  primary key (project_id, user_id)
);
create index project_members_by_user on project_members (user_id);

-- Of a user, or of a key that opened it. The token itself is nowhere: the table has its SHA-256.
create table sessions (
  id uuid primary key,
  hash bytea not null unique,
  user_id uuid references users,
  key_id uuid references api_keys,
  project_id text collate "C" not null references projects, -- The one that was used last.
  is_secure boolean not null, -- Opened over https: its cookie has the prefix __Host-.
  address text not null,
  user_agent text,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  seen_at timestamptz not null default now(),
  expires_at timestamptz not null,
  ended_at timestamptz,
  check ((user_id is null) <> (key_id is null))
);
create index sessions_by_user on sessions (user_id, created_at, id) where ended_at is null;
create index sessions_by_expiry on sessions (expires_at); -- For retention.

-- One-time links: of the first start, of an invitation, of a user who cannot sign in otherwise.
create table sign_in_links (
  id uuid primary key,
  hash bytea not null unique,
  user_id uuid references users, -- Whom it signs in; null: it makes a user.
  -- What an invitation gives; null for the link that makes the first user, the owner.
  project_id text collate "C" references projects,
  role text collate "C",
  email text collate "C",
  name text,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  created_by text,
  expires_at timestamptz not null,
  used_at timestamptz,
  used_by uuid references users,
  revoked_at timestamptz
);
create index sign_in_links_by_project on sign_in_links (project_id, created_at, id) where project_id is not null;
create index sign_in_links_by_expiry on sign_in_links (expires_at); -- For retention.

-- Attempts to sign in, by account and by address, in windows that begin with the first of them. Subjects are hashed: what
-- strangers type is not kept.
create table sign_in_attempts (
  subject bytea primary key,
  begun_at timestamptz not null,
  n int not null
);
