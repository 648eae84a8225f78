-- Schedules are fired in batches, with a share for each project that has some that are due.
create index jobs_by_project_cron on jobs (project_id, next_cron_at) where next_cron_at is not null;
-- An entry of a B-tree has 2,704 bytes at most, and a key of 1,024 characters may have 4,096: a hash of it is enough to
-- find the few runs that are then compared.
drop index runs_by_dependency_key;
create index runs_by_dependency_key on runs (job_id, hashtextextended(metadata->>'dependency_key', 0), created_at desc)
  where metadata ? 'dependency_key';
-- Whether a job has runs under way, without a look at its runs.
create index run_counts_by_job on run_counts (job_id);
