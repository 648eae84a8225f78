import { expect, test } from 'vitest'
import { triggerRuns } from '#runs/trigger/trigger-runs.ts'
import { addJob, ORIGIN, testYard } from '#test/support/yard.ts'
import { countRuns, readPayloads } from './count-runs.sql.ts'

test('runs are counted by state, job and queue from the counters, and by any other filter one by one, up to a limit', async () => {
  const { ctx, sql } = await testYard()
  const job = await addJob(ctx, 'j')
  await addJob(ctx, 'other', { queue: 'letters' })
  const requests = Array.from({ length: 5 }, (_, index) => ({ tags: { half: index % 2 ? 'a' : 'b' } }))
  await triggerRuns(ctx, 'j', requests, ORIGIN)
  await triggerRuns(ctx, 'other', requests, ORIGIN)
  const count = async (conditions: object) => {
    const { n, exact } = await countRuns(sql, { projectId: 'default', ...conditions })
    return exact ? n : `over ${n}`
  }
  expect(await count({ states: ['queued'] })).toBe(10)
  expect(await count({ states: ['completed'] })).toBe(0)
  expect(await count({ jobId: job.id })).toBe(5)
  expect(await count({ queue: 'letters', states: ['queued', 'delayed'] })).toBe(5)
  expect(await count({ tags: [['half', 'a']] })).toBe(4)
  expect(await count({ tags: [['half', 'a']], jobId: job.id })).toBe(2)
  expect(await countRuns(sql, { projectId: 'another' })).toEqual({ n: 0, exact: true, byState: new Map() })
  // More than are counted one by one.
  await sql`
    insert into runs (id, project_id, execution, queue, triggered_by, created_by_type, correlation_id, rank, timeout_secs, max_attempts, created_at)
    select gen_random_uuid(), 'default', 'worker', 'default', 'manual', 'user', 'c', 0, 1, 1, date_trunc('milliseconds', now()) from generate_series(1, 11000)`
  await sql`
    insert into run_states (run_id, project_id, state, created_at, state_since) select id, project_id, 'queued', created_at, created_at from runs
    on conflict do nothing`
  expect(await count({ correlationId: 'c' })).toBe('over 10000')
})

test('payloads are read in the order of the runs until a page of them is full, however well they are compressed', async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'j')
  // Packs to a hundredth.
  const requests = Array.from({ length: 12 }, (_, index) => ({ payload: `${index}${'x'.repeat(1_000_000)}` }))
  const triggered = await triggerRuns(ctx, 'j', requests, ORIGIN)
  const ids = triggered.map((it) => (it as { run: { id: string } }).run.id)
  await sql`delete from run_bodies where run_id = ${ids[1]!}`
  const found = await readPayloads(sql, ids)
  expect(found.map(({ kept }) => kept)).toEqual([true, false, ...Array.from({ length: 8 }, () => true)])
  expect(found.slice(2).map(({ payload }) => Number.parseInt(payload!.value as string, 10))).toEqual([
    2, 3, 4, 5, 6, 7, 8, 9,
  ])
})
