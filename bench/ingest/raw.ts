// The peer of batches: one client that writes 1,000 rows per statement into a table with the columns and indexes of
// `events`. It numbers nothing, checks nothing and counts nothing.
import { randomUUID } from 'node:crypto'
import { column } from '../../src/postgres/column.ts'
import { newId } from '../../src/postgres/id.ts'
import { connect } from '../../src/postgres/sql.ts'
import { scriptInput, scriptOutput } from '../lib/child.ts'
import { eventOf, RUNS } from './event.ts'
import { type BatchEntry, repeat, runsOf } from './repeat.ts'

const entry = await scriptInput<BatchEntry>()
const sql = connect(entry.url, { max: 1, name: 'runyard-bench' })
await sql`drop table if exists raw_events`
await sql`create table raw_events (like events including defaults including indexes)`
const runIds = Array.from({ length: RUNS }, () => randomUUID())

async function insert(batch: number): Promise<void> {
  const runs = runsOf(batch, entry.runsPerBatch)
  const events = runs.map(eventOf)
  const sequence = batch * events.length
  const now = new Date().toISOString()
  await sql`
    insert into raw_events (id, project_id, type, occurred_at, actor_type, actor_id, correlation_id, run_id, run_ref, sequence, tool, message,
      duration_ms, data)
    select id, project_id, type, occurred_at, actor_type, actor_id, correlation_id, run_id, run_ref, sequence, tool, message, duration_ms, data::json
    from unnest(
      ${column(events.map(() => newId()))}::uuid[], ${column(events.map(() => 'default'))}::text[], ${column(events.map((it) => it.type))}::text[],
      ${column(events.map(() => now))}::timestamptz[], ${column(events.map(() => 'api_key'))}::text[], ${column(events.map(() => 'bench'))}::text[],
      ${column(events.map((it) => it.run_id))}::text[], ${column(runs.map((nth) => runIds[nth]!))}::uuid[],
      ${column(events.map((it) => it.run_id))}::text[], ${column(events.map((_, i) => sequence + i))}::bigint[],
      ${column(events.map((it) => it.tool))}::text[], ${column(events.map((it) => it.message))}::text[],
      ${column(events.map((it) => it.duration_ms))}::float8[], ${column(events.map((it) => JSON.stringify(it.data)))}::text[]
    ) as t (id, project_id, type, occurred_at, actor_type, actor_id, correlation_id, run_id, run_ref, sequence, tool, message, duration_ms, data)`
}

const result = await repeat(entry, [insert])
await sql.end({ timeout: 5 })
scriptOutput(result)
