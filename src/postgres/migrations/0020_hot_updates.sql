-- A move of a run writes no index of run_states (a HOT update): no column that everyday moves change is in one. See
-- decision 0023.

-- In this order, so that the rows below are written once and without the old indexes.
drop index run_states_by_state;
drop index run_states_by_end;
drop index run_states_external;
alter table run_states set (fillfactor = 50);

-- Runs in the queue or under a lease are listed from there, and completed ones, which most are, by time. All others are
-- found by this copy of their state; so are external runs under way. Null for the rest.
alter table run_states add column listed_state text collate "C";
-- When a run was over, if it did not complete.
alter table run_states add column failed_at timestamptz;

update run_states
set listed_state = state,
  failed_at = case when state not in ('waiting', 'paused', 'executing') then finished_at end
where state not in ('delayed', 'queued', 'dequeued', 'executing', 'completed')
  or state = 'executing' and lease_token is null;

create index run_states_listed on run_states (project_id, listed_state, created_at desc, run_id desc)
  where listed_state is not null;
create index run_states_by_failure on run_states (failed_at) where failed_at is not null;
-- External runs under way, in the order in which somebody has to look at them.
create index run_states_external on run_states ((coalesce(reported_at, created_at)), run_id)
  where listed_state = 'executing';

-- Lists of runs that are queued, delayed, held or under way, in the order of their creation.
alter table run_queue add column created_at timestamptz;
update run_queue q set created_at = s.created_at from run_states s where s.run_id = q.run_id;
alter table run_queue alter column created_at set not null;
-- All of them partial, so that a statement that looks runs up by their ids cannot take one for the primary key: while
-- the table is empty, which is when a plan may be made, all whole indexes cost the same.
create index run_queue_ready on run_queue (project_id, created_at desc, run_id desc) where ready;
create index run_queue_timed on run_queue (project_id, created_at desc, run_id desc) where not ready;
create index run_queue_held on run_queue (project_id, created_at desc, run_id desc)
  where not ready and due_at = 'infinity';

alter table leases add column created_at timestamptz; -- Of the run.
update leases l set created_at = s.created_at from run_states s where s.run_id = l.run_id;
alter table leases alter column created_at set not null;
create index leases_by_project on leases (project_id, created_at desc, run_id desc)
  where created_at > '-infinity';
