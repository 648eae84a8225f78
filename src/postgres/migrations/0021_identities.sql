-- Whom an identity provider knows as whom: its own id of a person is the only one that it never gives to somebody else.

create table user_identities (
  issuer text collate "C" not null,
  subject text collate "C" not null,
  user_id uuid not null references users,
  created_at timestamptz not null default date_trunc('milliseconds', now()),
  primary key (issuer, subject)
);
create index user_identities_by_user on user_identities (user_id);
