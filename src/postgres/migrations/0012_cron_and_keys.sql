-- Schedules are fired in batches, with a share for each project that has some that are due.
create index jobs_by_project_cron on jobs (project_id, next_cron_at) where next_cron_at is not null;
-- Whether a job has runs under way, without a look at its runs.
create index run_counts_by_job on run_counts (job_id);
