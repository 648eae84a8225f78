-- What lists of runs go by. See decision 0010.

-- The label of a tag or of a metadata entry; without a value, that of the key. A hash, so that a value of a thousand
-- characters costs an index no more than a short one; and one whose meaning stands in a standard, because a dump may be
-- restored on another kind of machine. Stable and not immutable, as its parts are: else it is called, not inlined.
create function label_of(project_id text, kind text, key text, value text) returns bigint language sql stable as $$
  select ('x' || encode(substr(sha256(convert_to(
    project_id || e'\n' || kind || e'\n' || key || coalesce(e'\n' || value, ''), 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint
$$;

create function labels_of(project_id text, tags jsonb, metadata jsonb) returns table (label bigint, key_label bigint)
language sql stable as $$
  select label_of(project_id, kind, key, value), label_of(project_id, kind, key, null)
  from (select 'tag' as kind, * from jsonb_each_text(tags) union all select 'metadata', * from jsonb_each_text(metadata)) entry
$$;

-- A row for each tag and each metadata entry of a run, in the order in which lists show runs. `runs` says what a run is
-- labelled with; this is an index of it, and is kept by the statements that write there.
create table run_labels (
  label bigint not null,
  key_label bigint not null,
  created_at timestamptz not null, -- The run's.
  run_id uuid not null
);
-- A run that is triggered meanwhile waits, or it would be seen by nobody who labels it.
lock table runs in share row exclusive mode;
insert into run_labels (label, key_label, created_at, run_id)
  select l.label, l.key_label, r.created_at, r.id
  from runs r cross join lateral labels_of(r.project_id, r.tags, r.metadata) l
  where r.tags <> '{}' or r.metadata <> '{}';
-- After the rows, which is several times as fast.
alter table run_labels add primary key (label, created_at, run_id);
create index run_labels_by_key on run_labels (key_label, created_at, run_id);

drop index runs_by_tags;
drop index runs_by_metadata;

-- One correlation may be that of very many runs.
drop index runs_by_correlation;
create index runs_by_correlation on runs (project_id, correlation_id, created_at desc, id desc);

-- Runs of the default queue and of HTTP jobs, which most are, do not pay for an index by queue.
create index runs_by_queue on runs (project_id, queue, created_at desc, id desc) where queue not in ('default', '@http');
