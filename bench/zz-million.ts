import { Client } from 'undici'
import { fillInChunks, settleDown } from './lib/fill.ts'
import { BENCH_KEY, startRunyard } from './lib/runyard.ts'
import { onStage } from './lib/stage.ts'
import { connect } from '../src/storage/sql.ts'
const N = 1_000_000
await onStage(async (stage) => {
  const url = await stage.freshDatabase()
  const ours = await startRunyard(url)
  stage.atEnd(ours.stop)
  const began = performance.now()
  await fillInChunks(url, N, (sql, from, to) => sql`
   with past as materialized (
     select case when n % 5 = 0 then gen_random_uuid() else (lpad(to_hex((extract(epoch from now()) * 1000)::bigint - (${N}::bigint - n) * 400), 12, '0') || '70008' || lpad(to_hex(n), 15, '0'))::uuid end as id, n, case when n % 5 = 0 then 'agent-' || n % 1000 || '-run-' || n end as client_id,
     date_trunc('milliseconds', now() - (${N}::bigint - n) * interval '400 ms') as at from generate_series(${from}::int, ${to}::int) n
   ), a as (insert into runs (id, project_id, client_id, execution, queue, triggered_by, created_by_type, correlation_id, rank, timeout_secs, max_attempts, created_at)
     select id, 'default', client_id, case when client_id is null then 'worker' else 'external' end, 'default', 'manual', 'api_key', id::text, 0, 300, 1, at from past
   ), b as (insert into run_states (run_id, project_id, state, last_sequence, created_at, state_since, finished_at) select id, 'default', 'completed', 2, at, at, at from past
   ) insert into events (id, project_id, type, occurred_at, actor_type, correlation_id, run_id, run_ref, sequence, attempt)
   select uuidv7(), 'default', case s when 1 then 'run_started' else 'run_finished' end, at + s * interval '1 s', 'api_key', id::text, id, client_id, s, 1 from past, generate_series(1, 2) s`)
  const sql = connect(url, { max: 1, statementTimeoutMs: 0 })
  await sql`insert into run_counts (project_id, queue, job_id, state, shard, n) values ('default', 'default', '00000000-0000-0000-0000-000000000000', 'completed', 0, ${N})`
  await settleDown(url, ['runs', 'run_states', 'events'])
  console.log('filled in s', (performance.now() - began) / 1000)
  const client = new Client(ours.address)
  console.log('URL', url, ours.address)
  await client.close()
  const { existsSync } = await import('node:fs')
  while (!existsSync('/tmp/million.stop')) await new Promise((r) => setTimeout(r, 1000))
  await sql.end()
})
