-- How runs ended, by hour; and failures in groups of one job, error code and message without its numbers and names.

-- Copies for runs that are over and did not complete, like failed_at: null for all others, so that everyday moves change no
-- column that is in an index. A group is a hash; runs that failed before this have none.
alter table run_states add column failed_code text collate "C";
alter table run_states add column failed_group text collate "C";

update run_states set failed_code = left(error_code, 128) where failed_at is not null and error_code is not null;

create index run_states_by_code on run_states (project_id, failed_code, created_at desc, run_id desc)
  where failed_code is not null;
create index run_states_by_group on run_states (project_id, failed_group, created_at desc, run_id desc)
  where failed_group is not null;

create function failure_group_of(job_id uuid, code text, message text) returns text
  language sql immutable parallel safe
  return encode(
    substr(sha256(convert_to(concat_ws(e'\x1f', coalesce(job_id::text, ''), coalesce(code, ''), message), 'UTF8')), 1, 8),
    'hex'
  );

-- Counters like those of events: the shard is the writing backend, and -1 once the hour is over.
create table end_counts (
  project_id text collate "C" not null,
  hour timestamptz not null,
  job_id uuid not null,
  state text collate "C" not null,
  shard smallint not null,
  n bigint not null,
  primary key (project_id, hour, job_id, state, shard)
) with (fillfactor = 50);

-- Runs that were over before this, as how they ended last.
insert into end_counts (project_id, hour, job_id, state, shard, n)
select
  s.project_id,
  date_bin('1 hour', s.finished_at, '2000-01-01Z'),
  coalesce(r.job_id, '00000000-0000-0000-0000-000000000000'),
  s.state,
  -1,
  count(*)
from run_states s
join runs r on r.id = s.run_id
where s.finished_at is not null
  and s.state in (
    'completed', 'failed', 'timed_out', 'crashed', 'system_failed', 'canceled', 'expired', 'dead_letter'
  )
group by 1, 2, 3, 4;

create table failure_counts (
  project_id text collate "C" not null,
  hour timestamptz not null,
  failed_group text collate "C" not null,
  job_version int not null,
  shard smallint not null,
  n bigint not null,
  job_id uuid not null,
  error_code text,
  first_at timestamptz not null,
  last_at timestamptz not null,
  run_id uuid not null, -- The latest, with its error.
  error text,
  primary key (project_id, hour, failed_group, job_version, shard)
) with (fillfactor = 50);
create index failure_counts_by_group on failure_counts (project_id, failed_group, hour);

alter table end_counts set (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 500);
alter table failure_counts set (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 500);
