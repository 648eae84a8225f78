-- Governed calls that are repeated.

-- For how long the same call (agent, tool, args) is answered with what it brought and not made again; 0: never; null: as
-- the surface it comes through has it.
alter table tools add column dedup_window_secs int;
