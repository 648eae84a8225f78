-- Who asks for runs of a queue, so that a run nobody asks for can say so.
create table queue_claimers (
  -- Empty: Runyard's own dispatch, which serves all projects.
  project_id text not null,
  queue text not null,
  asked_at timestamptz not null,
  primary key (project_id, queue)
);
create index queue_claimers_by_age on queue_claimers (asked_at); -- For retention.
