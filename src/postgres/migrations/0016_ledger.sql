-- One ledger: what calls of models and of tools cost counts against the same budgets, and adds up exactly.

-- What was spent, reserved calls included, one row for each budget that may be set: of an agent on a day, of a project
-- on a day, of a run for ever. Whoever decides about a call holds the rows that it is charged to.
create table spend_sums (
  project_id text collate "C" not null,
  kind text collate "C" not null, -- agent, project or run.
  name text collate "C" not null, -- Of the agent, or of the run by its internal id; empty for the project.
  day date not null, -- In UTC; -infinity for a run.
  tools_microusd bigint not null default 0,
  tools_picousd bigint not null default 0,
  models_microusd bigint not null default 0,
  models_picousd bigint not null default 0,
  primary key (project_id, kind, name, day)
) with (fillfactor = 50);
create index spend_sums_by_day on spend_sums (day); -- For retention.

-- Usage is charged to the agent of its run, or else to the agent that is named like its job.
with today as (select date_trunc('day', clock_timestamp(), 'UTC') as begin),
spent as (
  select project_id, agent_id, cost_microusd as tools, 0 as models from agent_hours, today where hour >= today.begin
  union all
  select u.project_id, coalesce(nullif(u.agent_id, ''), j.slug, ''), 0, u.cost_microusd
  from usage_hours u cross join today left join jobs j on j.id = u.job_id where hour >= today.begin
)
insert into spend_sums (project_id, kind, name, day, tools_microusd, models_microusd)
select project_id, kind, case when kind = 'agent' then agent_id else '' end, (today.begin at time zone 'UTC')::date, sum(tools), sum(models)
from spent, today, unnest(array['agent', 'project']) as kind
where kind = 'project' or agent_id <> ''
group by 1, 2, 3, 4;

with spent as (
  select run_id, 0 as tools, cost_microusd as models from run_usage_sums
  union all
  select run_id, cost_microusd, 0 from authorizations where run_id is not null and state in ('reserved', 'settled')
)
insert into spend_sums (project_id, kind, name, day, tools_microusd, models_microusd)
select r.project_id, 'run', r.id::text, '-infinity', sum(spent.tools), sum(spent.models)
from spent join runs r on r.id = spent.run_id
group by r.project_id, r.id;

-- Spend of all agents over a time.
create index agent_hours_by_hour on agent_hours (project_id, hour);

-- What a project may spend on a day (UTC); null: no limit.
alter table projects add column max_spend_microusd_per_day bigint;

-- A cost is whole micro-dollars, and beside them what is below one, in picodollars (a millionth of a micro-dollar): of
-- one call less than a million; sums of it may be more. So the version before reads on what it always read. Last,
-- because from here on whoever uses these tables waits for the end of the migration.
alter table run_usage add column cost_picousd bigint not null default 0;
alter table run_usage_sums add column cost_picousd bigint not null default 0;
alter table usage_hours add column cost_picousd bigint not null default 0;
alter table agent_hours add column cost_picousd bigint not null default 0;
alter table authorizations add column cost_picousd bigint not null default 0;
