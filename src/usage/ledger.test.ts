import { randomUUID } from 'node:crypto'
import { cp, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import { emptyDatabase } from '#test/support/db.ts'
import { MIGRATIONS_DIR, migrate, readMigrations } from '../postgres/migrate.ts'

test('spend from before the common ledger counts against the budgets of the day and of runs', async () => {
  const { sql } = await emptyDatabase()
  const dir = join(inject('testRoot'), randomUUID())
  await mkdir(dir)
  await cp(MIGRATIONS_DIR, dir, { recursive: true })
  const later = (await readMigrations()).filter(({ name }) => name >= '0016')
  for (const { name } of later) await rm(join(dir, name))
  await migrate(sql, { dir })
  const [job, run, hour] = [randomUUID(), randomUUID(), "date_trunc('hour', now())"]
  await sql.unsafe(`
    insert into projects (id, name) values ('p', 'p');
    insert into jobs (id, project_id, slug, version, execution, queue, enabled, when_paused, max_concurrency, max_concurrency_per_key, signing_secret)
    values ('${job}', 'p', 'letters', 1, 'worker', 'q', true, 'queue', 0, 0, 's');
    insert into agent_hours values ('p', 'bot', ${hour}, 't', 1, 0, 30), ('p', 'bot', ${hour} - interval '2 days', 't', 1, 0, 1000);
    insert into usage_hours values ('p', ${hour}, '${job}', 'bot', 'acme', 'm', 1, 1, 1, 5), ('p', ${hour}, '${job}', '', 'acme', 'm', 1, 1, 1, 7);
    insert into runs (id, project_id, job_id, queue, correlation_id, execution, triggered_by, created_by_type, rank, timeout_secs, max_attempts, created_at)
    values ('${run}', 'p', '${job}', 'q', 'c', 'worker', 'api', 'system', 0, 1, 1, now());
    insert into run_usage_sums values ('${run}', 2, 1, 1, 2, 12);
    insert into authorizations (id, project_id, agent_id, tool, run_id, state, reason, risk_level, policy_version, cost_microusd, hour, created_at)
    values (gen_random_uuid(), 'p', 'bot', 't', '${run}', 'settled', 'ok', 'low', 0, 30, ${hour}, now()),
      (gen_random_uuid(), 'p', 'bot', 't', '${run}', 'blocked', 'x', 'low', 0, 99, ${hour}, now())`)
  await migrate(sql)
  const rows = await sql`
    select kind, name, tools_microusd as tools, models_microusd as models from spend_sums order by kind, name`
  expect([...rows]).toEqual([
    { kind: 'agent', name: 'bot', tools: 30, models: 5 },
    { kind: 'agent', name: 'letters', tools: 0, models: 7 },
    { kind: 'project', name: '', tools: 30, models: 12 },
    { kind: 'run', name: run, tools: 30, models: 12 },
  ])
})
