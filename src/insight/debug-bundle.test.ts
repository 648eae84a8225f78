import { expect, test } from 'vitest'
import { Json } from '#core/json/json.ts'
import { findRun } from '#run-state/read/read-runs.sql.ts'
import { triggerRun } from '#runs/trigger/trigger-runs.ts'
import { addJob, TESTER, testYard } from '#test/support/yard.ts'
import { BUNDLE_BOUNDS, readDebugBundle } from './debug-bundle.ts'

const MIB = 1024 * 1024

test('a run with more than a bundle may hold: the latest is included, and the bundle says what was cut off', async () => {
  const { ctx, sql } = await testYard()
  const job = await addJob(ctx, 'job')
  const origin = { projectId: 'default', actor: TESTER, triggeredBy: 'manual' } as const
  const { id } = (await triggerRun(ctx, 'job', {}, origin)).run
  const { events, deltas, checkpoints, children } = BUNDLE_BOUNDS
  const ofRun = sql`${id}, 'default'`
  await sql`
    insert into events (id, run_id, project_id, type, occurred_at, actor_type, actor_id, correlation_id, sequence, attempt)
    select gen_random_uuid(), ${ofRun}, case n when 2 then 'run.started' else 'log' end, now(), 'worker', 'w', 'c', n, 1
    from generate_series(2, ${events.limit + 5}::int) n`
  await sql`
    insert into deltas (run_id, project_id, type, sequence, data)
    select ${ofRun}, 'stream.chunk', n, '{"chunk": "x"}' from generate_series(1, ${deltas.limit + 1}::int) n`
  // A state that packs well is counted by what it is unpacked.
  await sql`
    insert into run_checkpoints (run_id, id, number, attempt, source, state)
    select ${id}, gen_random_uuid(), n, 1, 'test', to_jsonb(repeat('x', ${MIB}::int)) from generate_series(1, 20) n`
  await sql`
    insert into runs (id, project_id, job_id, execution, queue, triggered_by, created_by_type, correlation_id, parent_run_id, rank, timeout_secs, max_attempts, created_at)
    select gen_random_uuid(), 'default', ${job.id}, 'worker', 'q', 'spawn', 'user', 'c', ${id}, 0, 1, 1, now() + n * interval '1 ms'
    from generate_series(1, ${children.limit + 1}::int) n`
  await sql`
    insert into run_states (run_id, project_id, state, created_at, state_since)
    select id, 'default', 'completed', created_at, now() from runs where parent_run_id = ${id}`

  const bundle = await readDebugBundle(ctx, (await findRun(sql, 'default', id))!)
  expect(bundle.truncated.sort()).toEqual(['checkpoints', 'children', 'deltas', 'events'])
  expect(bundle.events.map((it) => it.sequence)).toEqual(Array.from({ length: events.limit }, (_, index) => index + 6))
  expect(bundle.deltas).toHaveLength(deltas.limit)
  expect(bundle.deltas.at(-1)).toMatchObject({ sequence: deltas.limit + 1, position: null })
  expect(Json.of(bundle.deltas.at(-1)!.data).value).toEqual({ chunk: 'x' })
  expect(bundle.checkpoints.map((it) => it.number)).toEqual([20, 19, 18, 17, 16, 15, 14, 13])
  expect(checkpoints.bytesMax).toBe(8 * MIB)
  expect(bundle.children).toHaveLength(children.limit)
  expect(Object.keys(bundle.checkpoints[0]!)).toEqual(['id', 'number', 'attempt', 'source', 'state', 'createdAt'])
  // Its beginning is among the events that were cut.
  expect(bundle.attempts).toMatchObject([{ attempt: 1, sequence: 2, owner: 'w', endedAt: null }])
})
