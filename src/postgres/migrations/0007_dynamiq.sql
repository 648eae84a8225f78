-- Files that clients hand to runs. They stand here in chunks, so that one of any size is written and read in little
-- memory, and each chunk is a short transaction of its own.

create table files (
  id uuid primary key,
  project_id text collate "C" not null,
  name text not null,
  mime_type text not null,
  size bigint, -- Null until all of it is here; until then nobody is shown the file.
  created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp())
);
create index files_unfinished on files (project_id, created_at) where size is null;

create table file_chunks (
  file_id uuid not null,
  number int not null, -- From 0.
  bytes bytea not null,
  primary key (file_id, number)
);
-- Most of what is uploaded is packed already.
alter table file_chunks alter column bytes set storage external;

-- What the finished files of a project are together.
create table file_sums (
  project_id text collate "C" primary key,
  n bigint not null,
  bytes bigint not null
);
