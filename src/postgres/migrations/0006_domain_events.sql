-- What reads of domain events go by: sums of the counters, and what there are events about.

-- `event_counts` keeps counting as events are written, in a row for each writing connection and hour. Once an hour is
-- over its rows are folded in here, into the sum of the hour, of its day and of its month, each of them whole; so any
-- span of time is a few months, days and hours. Who acted has sums apart, because there are so many more of them.
create table event_sums (
  project_id text collate "C" not null,
  span text collate "C" not null, -- month, day or hour; in UTC.
  start timestamptz not null,
  type text collate "C" not null,
  resource_type text collate "C" not null,
  actor_type text collate "C" not null,
  n bigint not null,
  primary key (project_id, span, start, type, resource_type, actor_type)
) with (fillfactor = 80);

create table actor_sums (
  project_id text collate "C" not null,
  span text collate "C" not null,
  start timestamptz not null,
  actor_type text collate "C" not null,
  actor_id text collate "C" not null,
  type text collate "C" not null,
  resource_type text collate "C" not null,
  n bigint not null,
  primary key (project_id, span, start, actor_type, actor_id, type, resource_type)
) with (fillfactor = 80);

-- What events are about, by the UUID that stands for it where only UUIDs will do. Runs are not in here: they have one.
create table resources (
  project_id text collate "C" not null,
  type text collate "C" not null,
  id text collate "C" not null,
  uuid uuid, -- Null only for what was there before this table, and until an engine has worked it out.
  seen_at timestamptz not null default now(), -- To the day.
  primary key (project_id, type, id)
);
-- Whole, so that it is the better way even by a plan that was made while there was nothing.
create index resources_by_uuid on resources (project_id, uuid, type, id);
create index resources_by_sight on resources (seen_at);
create index resources_unnamed on resources (project_id) where uuid is null;

insert into resources (project_id, type, id, uuid)
  select distinct project_id, resource_type, resource_id,
    case when resource_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then lower(resource_id)::uuid end
  from events where resource_type is not null and resource_id is not null;

-- Events about one kind of thing, in order of time. Events of runs, which most are, do not pay for it.
create index events_by_kind on events (project_id, resource_type, occurred_at, position) where resource_type is not null;
