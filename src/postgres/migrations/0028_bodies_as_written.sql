-- What clients wrote is kept as they wrote it: `json` keeps the text, with the digits of numbers and the order of keys,
-- where `jsonb` kept what it had made of it. What was kept until now stays as it is.
alter table run_bodies
  alter column payload type json using payload::json,
  alter column result type json using result::json;
alter table run_checkpoints alter column state type json using state::json;
alter table run_tool_calls
  alter column input type json using input::json,
  alter column output type json using output::json;
alter table run_outputs alter column value type json using value::json;
alter table run_values alter column value type json using value::json;
alter table kept_calls alter column result type json using result::json;
alter table ai_leases alter column result type json using result::json;
alter table ai_agendas
  alter column actions type json using actions::json,
  alter column done drop default,
  alter column done type json using done::json,
  alter column done set default '[]';
-- The payload of cron; of older versions it stays in their definitions.
alter table job_versions add column cron_payload json;
alter table deltas alter column data type json using data::json;

-- The log is long, and sealed: what is in it stays untouched beside what comes now, until it is too old to be kept.
alter table events rename column data to parsed_data;
alter table events add column data json;
