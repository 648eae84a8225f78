-- Tamper evidence: the log is hashed in windows, one chain of seals for each project (docs/decisions/0013-seals.md).

create table seals (
  project_id text collate "C" not null,
  number bigint not null, -- From 1 and without gaps.
  -- The window: the project's events after the one place in the order of commits, up to and with the other.
  after_xid xid8 not null,
  after_position bigint not null,
  until_xid xid8 not null,
  until_position bigint not null,
  events int not null,
  recorded_from timestamptz, -- Of its earliest and of its latest event; null without any.
  recorded_until timestamptz,
  digest bytea not null,
  previous bytea not null,
  hash bytea not null,
  sealed_at timestamptz not null,
  primary key (project_id, number)
);
create index seals_by_time on seals (project_id, sealed_at, number);

-- How far the whole log is sealed: one row.
create table sealed_log (
  one boolean primary key default true check (one),
  xid xid8 not null,
  position bigint not null
);
insert into sealed_log (xid, position) values ('0', 0);
