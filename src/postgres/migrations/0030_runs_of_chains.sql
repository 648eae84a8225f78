-- A run that began a chain of its own, as most do, is found by its id, which names the chain; so it pays for no entry in
-- the widest index of its table. See log/lists/runs-of-chain.sql.ts, which says the same, word for word.
drop index runs_by_correlation;
create index runs_by_correlation on runs (project_id, correlation_id, created_at desc, id desc)
  where correlation_id <> id::text;
