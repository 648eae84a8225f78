-- The order of the log is that of transactions, which each server numbers by itself: one that a dump is restored on
-- begins anew, below what is in the log. So the log has numbers of its own, and knows on which servers it was
-- (docs/decisions/0018-log-servers.md).

create table log_servers (
  number int primary key, -- From 1; the last one is where the log is.
  system text, -- The server's identifier, which its replicas and base backups share; null where it does not tell.
  timeline text, -- Another one after each promotion.
  base bigint not null, -- What this server's ids of transactions are raised by.
  -- The newest event when the log came here.
  last_xid xid8 not null,
  last_position bigint not null,
  since timestamptz not null default now()
);

-- The log's number of a transaction of this server. The base is written into it, so that it costs nothing while that is
-- 0 and next to nothing afterwards: taking over replaces the function.
create function log_xid(id xid8) returns xid8 language sql stable parallel safe as 'select id';

alter table events alter column xid set default log_xid(pg_current_xact_id());
