-- What used to have no end: runs that others report and then forget, and decisions and questions nobody reads any more.

-- Up to here an external run is known to have been reported. Null: nobody has looked since it began.
alter table run_states add column reported_at timestamptz;
-- Runs that execute without a lease are external ones. In the order in which somebody has to look at them.
create index run_states_external on run_states ((coalesce(reported_at, created_at)), run_id) where state = 'executing' and lease_token is null;
-- Such a run has its own end while an AI lease is held on it.
create index ai_leases_by_run on ai_leases (run_id) where state = 'held';

create index input_requests_by_answer on input_requests (answered_at) where answered_at is not null; -- For retention.
