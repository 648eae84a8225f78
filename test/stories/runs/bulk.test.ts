import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { moveNextPage } from '#bulk/operation-pages.ts'
import { deleteOldOperations, findOperation } from '#bulk/operations.sql.ts'
import { cancelOperation, type OperationRequest } from '#bulk/operations.ts'
import type { Sql } from '#postgres/sql.ts'
import { moveRuns } from '#run-state/move/move-runs.sql.ts'
import { spawnRun } from '#runs/control/spawn-run.ts'
import { triggerRun } from '#runs/trigger/trigger-runs.ts'
import {
  ASKED,
  addRuns,
  claimOldest,
  countStates,
  move,
  moveAll,
  operationOf,
  start,
} from '../../support/builders/bulk.ts'
import { awaitBlocked } from '../../support/db.ts'
import { until } from '../../support/http-yard.ts'
import { expectTrueStories } from '../../support/story.ts'
import { addJob, ORIGIN, TESTER, testYard } from '../../support/yard.ts'

test('a bulk cancel cancels all queued runs of a job, page by page, each caused by the event that started the operation', async () => {
  const yard = await testYard()
  const { sql } = yard
  const job = await addJob(yard.ctx, 'j')
  await addJob(yard.ctx, 'other')
  await addRuns(yard, 'j', 1_100)
  await addRuns(yard, 'other', 3)
  const { id, expected } = await start(yard, 'cancel', { jobId: job.id }, { reason: 'a mistake' })
  expect(expected).toBe(1_100)
  expect(await moveAll(yard)).toBe(3)
  expect(await operationOf(yard, id)).toMatchObject({ state: 'completed', matched: 1_100, done: 1_100, skipped: 0 })
  expect(await countStates(sql)).toEqual({ canceled: 1_100, queued: 3 })
  const causes = await sql`
    select causation_id, message, actor_id, count(*)::int as n from events where type = 'run.canceled' group by 1, 2, 3`
  expect([...causes]).toEqual([{ causation_id: id, message: 'a mistake', actor_id: TESTER.id, n: 1_100 }])
  const told = await sql`
    select id, type, causation_id, correlation_id, data::jsonb as data from events where resource_type = 'operation' and resource_id = ${id} order by position`
  expect([...told]).toMatchObject([
    { id, type: 'operation.started', causation_id: null, correlation_id: id },
    { type: 'operation.completed', causation_id: id, correlation_id: id, data: { matched: 1_100, done: 1_100 } },
  ])
  await expectTrueStories(sql)
})

test('a bulk cancel reaches the children of the matching runs', async () => {
  const yard = await testYard()
  await addJob(yard.ctx, 'parent')
  await addJob(yard.ctx, 'child')
  const { run } = await triggerRun(yard.ctx, 'parent', {}, ORIGIN)
  await spawnRun(yard.ctx, 'child', {}, { ...ASKED, parentRunId: run.id })
  await start(yard, 'cancel', { jobId: run.jobId! })
  await moveAll(yard)
  expect(await countStates(yard.sql)).toEqual({ canceled: 2 })
})

test('runs triggered after an operation started are not processed', async () => {
  const yard = await testYard()
  await addJob(yard.ctx, 'j')
  await addRuns(yard, 'j', 3)
  await start(yard, 'cancel', {})
  await until(
    async () => (await yard.sql`select from operations where runs_before < clock_timestamp()`).length,
    (n) => n === 1,
  )
  await addRuns(yard, 'j', 2)
  await moveAll(yard)
  expect(await countStates(yard.sql)).toEqual({ canceled: 3, queued: 2 })
})

test('an operation tells runs of the same millisecond apart by their microseconds', async () => {
  const yard = await testYard()
  await addJob(yard.ctx, 'j')
  const ids = await addRuns(yard, 'j', 3)
  const at = (micros: number) => `2026-05-01T10:00:00.000${micros}Z`
  for (const [index, micros] of [200, 400, 600].entries()) {
    await yard.sql`update runs set created_at = ${at(micros)}::timestamptz where id = ${ids[index]!}`
    await yard.sql`update run_states set created_at = ${at(micros)}::timestamptz where run_id = ${ids[index]!}`
    await yard.sql`update run_queue set created_at = ${at(micros)}::timestamptz where run_id = ${ids[index]!}`
  }
  const upTo = async (micros: number, conditions: OperationRequest['conditions']) => {
    const { id } = await start(yard, 'cancel', conditions)
    await yard.sql`update operations set runs_before = ${at(micros)}::timestamptz where id = ${id}`
    await moveAll(yard)
    return countStates(yard.sql)
  }
  expect(await upTo(500, { createdTo: at(300) })).toEqual({ canceled: 1, queued: 2 })
  expect(await upTo(500, { createdTo: at(900) })).toEqual({ canceled: 2, queued: 1 })
  expect(await upTo(700, {})).toEqual({ canceled: 3 })
})

test('a bulk redrive takes dead letters from the oldest on, up to max_runs', async () => {
  const yard = await testYard()
  await addJob(yard.ctx, 'j')
  const ids = await addRuns(yard, 'j', 5)
  await move(yard.sql, ids, 'start', 'bury')
  const { id } = await start(yard, 'redrive', {}, { maxRuns: 3 })
  await moveAll(yard)
  expect(await operationOf(yard, id)).toMatchObject({ state: 'completed', expected: 3, done: 3 })
  const queued = await yard.sql<{ id: string }[]>`select run_id as id from run_states where state = 'queued' order by 1`
  expect(queued.map((row) => row.id)).toEqual(ids.slice(0, 3))
})

test('a bulk replay creates a new run of each, with payload, tags and key of the old one, and names those it skipped', async () => {
  const yard = await testYard()
  const { ctx, sql } = yard
  await addJob(ctx, 'j', { payloadSchema: { type: 'object' } })
  await addJob(ctx, 'off')
  const request = {
    payload: { month: 1 },
    tags: { team: 'a' },
    concurrencyKey: 'k',
    priority: 3,
    maxAttempts: 7,
    preset: 'micro',
  }
  const { run: old } = await triggerRun(ctx, 'j', request, ORIGIN)
  const { run: gone } = await triggerRun(ctx, 'j', { payload: {} }, ORIGIN)
  const { run: invalid } = await triggerRun(ctx, 'j', { payload: {} }, ORIGIN)
  const { run: off } = await triggerRun(ctx, 'off', {}, ORIGIN)
  await move(sql, [old.id, gone.id, invalid.id, off.id], 'start', 'complete')
  await sql`delete from run_bodies where run_id = ${gone.id}`
  await sql`update run_bodies set payload = '[]' where run_id = ${invalid.id}`
  await sql`update jobs set enabled = false where slug = 'off'`
  const { id } = await start(yard, 'replay', { states: ['completed', 'queued'] })
  await moveAll(yard)
  const { problems, ...operation } = await operationOf(yard, id)
  expect(operation).toMatchObject({ state: 'completed', matched: 4, done: 1, skipped: 3 })
  expect(problems.map(({ runId, code }) => [runId, code])).toEqual([
    [off.id, 'job_disabled'],
    [invalid.id, 'invalid'],
    [gone.id, 'payload_gone'],
  ])
  const replays = await sql`
    select r.replayed_from, r.triggered_by, r.tags, r.concurrency_key, r.preset, r.queue, r.rank, r.max_attempts, r.correlation_id, b.payload::jsonb as payload, e.causation_id
    from runs r join run_bodies b on b.run_id = r.id join events e on e.run_id = r.id where r.replayed_from is not null`
  expect([...replays]).toEqual([
    {
      replayed_from: old.id,
      triggered_by: 'replay',
      tags: { team: 'a' },
      concurrency_key: 'k',
      preset: 'micro',
      queue: 'micro',
      rank: -3,
      max_attempts: 7,
      correlation_id: old.correlationId,
      payload: { month: 1 },
      causation_id: id,
    },
  ])
})

test('large payloads are replayed a few at a time, each run once', async () => {
  const yard = await testYard()
  await addJob(yard.ctx, 'j')
  const ids = await addRuns(yard, 'j', 25, () => randomBytes(500_000).toString('base64'))
  await move(yard.sql, ids, 'start', 'complete')
  const { id } = await start(yard, 'replay', { states: ['completed'] })
  expect(await moveAll(yard)).toBeGreaterThan(1)
  expect(await operationOf(yard, id)).toMatchObject({ state: 'completed', matched: 25, done: 25 })
  const olds = await yard.sql`select distinct replayed_from from runs where replayed_from is not null`
  expect(olds).toHaveLength(25)
}, 30_000)

test('a run that changes state between being found and being canceled is skipped and named', async () => {
  // A completes one of two runs, in a transaction that stays open.
  // B, the page, has found both runs and blocks on the one that A holds.
  // A commits → B must cancel the other run, and skip this one.
  const yard = await testYard()
  await addJob(yard.ctx, 'j')
  const [ending] = (await addRuns(yard, 'j', 2)) as [string, string]
  await claimOldest(yard, 1)
  const { id } = await start(yard, 'cancel', {})
  let page: Promise<unknown> | undefined
  await yard.sql.begin(async (tx) => {
    await moveRuns(tx as unknown as Sql, [{ runId: ending, move: 'complete', actor: TESTER }])
    page = moveNextPage(yard.ctx)
    await awaitBlocked(yard.sql)
  })
  await page
  expect(await operationOf(yard, id)).toMatchObject({
    matched: 2,
    done: 1,
    skipped: 1,
    problems: [{ runId: ending, code: 'run_over' }],
  })
  expect(await countStates(yard.sql)).toEqual({ canceled: 1, completed: 1 })
})

test('two nodes never process the same page, and take turns with several operations', async () => {
  const yard = await testYard()
  await addJob(yard.ctx, 'j')
  const ids = await addRuns(yard, 'j', 2_000)
  await move(yard.sql, ids, 'start', 'complete')
  const one = await start(yard, 'replay', { states: ['completed'] })
  const two = await start(yard, 'replay', { states: ['completed'] }, { maxRuns: 600 })
  await Promise.all([moveAll(yard), moveAll(yard), moveAll(yard)])
  await moveAll(yard)
  expect(await operationOf(yard, one.id)).toMatchObject({ state: 'completed', matched: 2_000, done: 2_000 })
  expect(await operationOf(yard, two.id)).toMatchObject({ state: 'completed', matched: 600, done: 600 })
  const replays = await yard.sql`select from runs where replayed_from is not null`
  expect(replays).toHaveLength(2_600)
  await expectTrueStories(yard.sql)
}, 30_000)

test('a canceled operation stops after the page in progress; one that has ended cannot be canceled', async () => {
  const yard = await testYard()
  await addJob(yard.ctx, 'j')
  await addRuns(yard, 'j', 1_200)
  const { id } = await start(yard, 'cancel', {})
  await moveNextPage(yard.ctx)
  expect(await cancelOperation(yard.ctx, { ...ASKED, operationId: id })).toMatchObject({ state: 'canceled', done: 500 })
  expect(await moveAll(yard)).toBe(0)
  expect(await countStates(yard.sql)).toEqual({ canceled: 500, queued: 700 })
  await expect(cancelOperation(yard.ctx, { ...ASKED, operationId: id })).rejects.toMatchObject({
    code: 'operation_over',
  })
})

test('an operation that is canceled during a page completes that page and no more', async () => {
  const yard = await testYard()
  await addJob(yard.ctx, 'j')
  await addRuns(yard, 'j', 3_000)
  const { id } = await start(yard, 'cancel', {})
  const moving = moveAll(yard)
  await until(
    async () => (await operationOf(yard, id)).done,
    (done) => done > 0,
  )
  const { done } = await cancelOperation(yard.ctx, { ...ASKED, operationId: id })
  await moving
  expect(await operationOf(yard, id)).toMatchObject({ state: 'canceled', done })
  expect(await countStates(yard.sql)).toEqual({ canceled: done, queued: 3_000 - done })
})

test('operations that ended long ago are deleted, and those in progress are not', async () => {
  const yard = await testYard()
  await addJob(yard.ctx, 'j')
  const over = await start(yard, 'cancel', {})
  await moveAll(yard)
  const running = await start(yard, 'cancel', {})
  await yard.sql`update operations set created_at = now() - interval '3 days', finished_at = finished_at - interval '3 days'`
  expect(await deleteOldOperations(yard.sql, 2, 10)).toBe(1)
  expect(await findOperation(yard.sql, 'default', over.id)).toBeUndefined()
  expect(await findOperation(yard.sql, 'default', running.id)).toBeDefined()
})

test('a page that fails is retried; after ten consecutive failures the operation has failed, with the reason', async () => {
  const yard = await testYard()
  await addJob(yard.ctx, 'j')
  await addRuns(yard, 'j', 1)
  await yard.sql.unsafe(`
    create function sour() returns trigger language plpgsql as $$ begin raise 'the milk is sour'; end $$;
    create trigger sour before update on run_states for each row execute function sour()`)
  const { id } = await start(yard, 'cancel', {})
  for (let failures = 1; failures <= 10; failures++) {
    expect(await operationOf(yard, id)).toMatchObject({ state: 'running', matched: 0 })
    expect(await moveNextPage(yard.ctx)).toBe('failed')
    // It waits a little longer each time; the time jumps instead.
    expect(await moveNextPage(yard.ctx)).toBe('idle')
    await yard.sql`update operations set turn_at = clock_timestamp()`
  }
  expect(await operationOf(yard, id)).toMatchObject({ state: 'failed', error: 'the milk is sour', matched: 0 })
  const [last] =
    await yard.sql`select type, message from events where resource_type = 'operation' order by position desc limit 1`
  expect(last).toEqual({ type: 'operation.failed', message: 'the milk is sour' })
})
