-- What nodes say of themselves, and how far the logs of projects have been compared with their seals: for alerts.

create table node_reports (
  node text collate "C" primary key,
  reported_at timestamptz not null,
  late_duties jsonb not null, -- [{"duty", "lateSecs"}]: those that fail or are overdue.
  -- Of the disk that holds the embedded database; null where the database is somewhere else.
  disk_used_bytes double precision,
  disk_free_bytes double precision
) with (fillfactor = 50);

create table seal_checks (
  project_id text collate "C" primary key references projects,
  -- The last seal that was found good.
  number bigint not null,
  hash text not null,
  began_at timestamptz not null, -- When this pass over the log began,
  ended_at timestamptz -- and when it came to the newest seal; from then on only new seals are compared.
);
