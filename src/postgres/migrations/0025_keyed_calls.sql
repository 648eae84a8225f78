-- A call that a run gave a key is decided once, whichever of its attempts asks.
alter table authorizations add column key text collate "C";
create unique index authorizations_by_key on authorizations (run_id, key) where key is not null;
