-- Logs are compared with their seals by a duty of its own, so that a long one holds no other rule up; rules read what it found.
alter table seal_checks
  add column check_at timestamptz not null default now(), -- Moved on before the look, so that no two nodes look at once.
  add column checked_at timestamptz,
  add column problem text;

create index alert_rules_on_seals on alert_rules (project_id) where enabled and kind = 'seals_broken';
