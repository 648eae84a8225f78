import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { moveNextPage } from '#bulk/operation-pages.ts'
import { deleteOldOperations, findOperation } from '#bulk/operations.sql.ts'
import { cancelOperation, type OperationRequest, startOperation } from '#bulk/operations.ts'
import type { RunMove, RunState } from '#core/run.ts'
import type { Sql } from '#postgres/sql.ts'
import { moveRuns } from '#run-state/move/move-runs.sql.ts'
import { makeClaimer } from '#runs/attempts/claimer.ts'
import { cancelMatching } from '#runs/control/cancel-matching.ts'
import { cancelRuns } from '#runs/control/cancel-runs.ts'
import { redriveRuns } from '#runs/control/redrive-runs.ts'
import { replayRuns } from '#runs/control/replay-runs.ts'
import { spawnRun } from '#runs/control/spawn-run.ts'
import { triggerRun, triggerRuns } from '#runs/trigger/trigger-runs.ts'
import { awaitBlocked, testDatabase } from '../../support/db.ts'
import { type Call, callerOf, httpYard, KEY, until } from '../../support/http-yard.ts'
import { type NodeProcess, startNode } from '../../support/processes.ts'
import { expectTrueStories } from '../../support/story.ts'
import { addJob, TESTER, testYard, type Yard } from '../../support/yard.ts'

const ORIGIN = { projectId: 'default', actor: TESTER, triggeredBy: 'manual' as const }
const ASKED = { projectId: 'default', actor: TESTER }

/** Ids of `count` new runs of a job, in the order of their creation. */
async function addRuns(
  { ctx }: Yard,
  job: string,
  count: number,
  payload?: (index: number) => unknown,
): Promise<string[]> {
  const ids: string[] = []
  while (ids.length < count) {
    const requests = Array.from({ length: Math.min(500, count - ids.length) }, (_, index) => ({
      payload: payload?.(ids.length + index) ?? ids.length + index,
    }))
    for (const it of await triggerRuns(ctx, job, requests, ORIGIN)) ids.push((it as { run: { id: string } }).run.id)
  }
  return ids
}

async function move(sql: Sql, runIds: readonly string[], ...moves: RunMove[]): Promise<void> {
  for (const move of moves)
    for (let at = 0; at < runIds.length; at += 500)
      await moveRuns(
        sql,
        runIds.slice(at, at + 500).map((runId) => ({ runId, move, actor: TESTER })),
      )
}

const claimOldest = ({ ctx }: Yard, limit: number) =>
  makeClaimer(ctx).claim({
    projectId: 'default',
    queues: ['default'],
    owner: 'w',
    actor: TESTER,
    leaseSecs: 300,
    limit,
    into: 'executing',
  })

const start = ({ ctx }: Yard, kind: OperationRequest['kind'], conditions: OperationRequest['conditions'], more = {}) =>
  startOperation(ctx, { ...ASKED, kind, filter: { test: true }, conditions, ...more })

/** Moves pages until nothing is left to do. */
async function moveAll({ ctx }: Yard): Promise<number> {
  for (let pages = 0; ; pages++) if ((await moveNextPage(ctx)) === 'idle') return pages
}

const countStates = async (sql: Sql): Promise<Partial<Record<RunState, number>>> =>
  Object.fromEntries(
    (await sql<{ state: RunState; n: number }[]>`select state, count(*)::int as n from run_states group by state`).map(
      (row) => [row.state, row.n],
    ),
  )

const operationOf = async ({ ctx }: Yard, id: string) => (await findOperation(ctx.sql, 'default', id))!

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
    select id, type, causation_id, correlation_id, data from events where resource_type = 'operation' and resource_id = ${id} order by position`
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
    select r.replayed_from, r.triggered_by, r.tags, r.concurrency_key, r.preset, r.queue, r.rank, r.max_attempts, r.correlation_id, b.payload, e.causation_id
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
  const { id } = await start(yard, 'replay', {})
  expect(await moveAll(yard)).toBeGreaterThan(1)
  expect(await operationOf(yard, id)).toMatchObject({ state: 'completed', matched: 25, done: 25 })
  const olds = await yard.sql`select distinct replayed_from from runs where replayed_from is not null`
  expect(olds).toHaveLength(25)
}, 30_000)

test('a run that changes state between being found and being canceled is skipped and named', async () => {
  const yard = await testYard()
  await addJob(yard.ctx, 'j')
  const [ending] = (await addRuns(yard, 'j', 2)) as [string, string]
  await claimOldest(yard, 1)
  const { id } = await start(yard, 'cancel', {})
  let page: Promise<unknown> | undefined
  await yard.sql.begin(async (tx) => {
    await moveRuns(tx as unknown as Sql, [{ runId: ending, move: 'complete', actor: TESTER }])
    page = moveNextPage(yard.ctx)
    // The page has found both runs, and waits for the lock of this one.
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
  const one = await start(yard, 'replay', {})
  const two = await start(yard, 'replay', {}, { maxRuns: 600 })
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

test('a replay by ids answers one by one in order, including unknown, foreign and repeated ids', async () => {
  const yard = await testYard()
  const { ctx, sql } = yard
  await addJob(ctx, 'j')
  const [dead, done, queued] = (await addRuns(yard, 'j', 3)) as [string, string, string]
  await move(sql, [dead], 'start', 'bury')
  await move(sql, [done], 'start', 'complete')
  const unknown = '00000000-0000-7000-8000-000000000000'
  const runIds = [done, unknown, dead.toUpperCase(), 'a client’s own', queued, dead]
  const brief = (answers: readonly { runId: string; state?: string; problem?: { code: string } }[]) =>
    answers.map((it) => [it.runId, it.state, it.problem?.code])
  expect(brief(await redriveRuns(ctx, { ...ASKED, runIds }))).toEqual([
    [done, 'completed', 'wrong_state'],
    [unknown, undefined, 'run_not_found'],
    [dead.toUpperCase(), 'queued', undefined],
    ['a client’s own', undefined, 'run_not_found'],
    [queued, 'queued', undefined],
    [dead, 'queued', undefined],
  ])
  expect(brief(await replayRuns(ctx, { ...ASKED, runIds: [done, queued, done, unknown] }))).toEqual([
    [done, 'completed', undefined],
    [queued, 'queued', 'wrong_state'],
    [done, 'completed', undefined],
    [unknown, undefined, 'run_not_found'],
  ])
  expect((await sql`select from runs where replayed_from is not null`).length).toBe(1)
  expect(brief(await cancelRuns(ctx, { ...ASKED, runIds: [queued, queued, done] }))).toEqual([
    [queued, 'canceled', undefined],
    [queued, 'canceled', undefined],
    [done, 'completed', 'run_over'],
  ])
  expect(brief(await cancelRuns(ctx, { ...ASKED, projectId: 'another', runIds: [dead] }))).toEqual([
    [dead, undefined, 'run_not_found'],
  ])
  await expectTrueStories(sql)
})

test('a synchronous cancel by filter takes the newest first and no more than asked for', async () => {
  const yard = await testYard()
  await addJob(yard.ctx, 'j')
  const ids = await addRuns(yard, 'j', 1_203)
  await claimOldest(yard, 3)
  const canceled = await cancelMatching(yard.ctx, { ...ASKED, filter: { states: ['queued', 'completed'] }, max: 700 })
  expect(canceled.map((it) => it.runId)).toEqual(ids.slice(503).reverse())
  expect(await cancelMatching(yard.ctx, { ...ASKED, filter: { states: ['completed'] }, max: 700 })).toEqual([])
  expect(await cancelMatching(yard.ctx, { ...ASKED, filter: {}, max: 10_000 })).toHaveLength(503)
})

test('over HTTP an operation is previewed, started, followed and listed', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  for (const team of ['a', 'b'])
    await call('POST', '/v1/jobs/j/runs/batch', { items: Array.from({ length: 30 }, () => ({ tags: { team } })) })
  const asked = { kind: 'cancel', filter: { tag: ['team:a'], job: 'j' }, reason: 'enough' }
  const looked = await call('POST', '/v1/operations', { ...asked, dry_run: true })
  expect([looked.status, looked.body]).toMatchObject([200, { dry_run: true, matched: 30, matched_is_exact: true }])
  expect(looked.body.sample).toHaveLength(10)
  expect((await call('GET', '/v1/operations')).body.data).toEqual([])
  const begun = await call('POST', '/v1/operations', asked)
  expect([begun.status, begun.body]).toMatchObject([202, { kind: 'cancel', filter: asked.filter, expected: 30 }])
  const over = await until(
    () => call('GET', `/v1/operations/${begun.body.id}`),
    (reply) => reply.body.status !== 'running',
  )
  expect(over.body).toMatchObject({
    status: 'completed',
    matched: 30,
    done: 30,
    skipped: 0,
    problems: [],
    reason: 'enough',
  })
  expect(over.body.runs_per_second).toBeGreaterThan(0)
  expect((await call('GET', '/v1/stats')).body.runs).toMatchObject({ canceled: 30, queued: 30 })
  expect((await call('GET', '/v1/operations')).body.data).toEqual([over.body])
  const ended = await call('DELETE', `/v1/operations/${begun.body.id}`)
  expect([ended.status, ended.body.error.code]).toEqual([409, 'operation_over'])
  const replayed = await call('POST', '/v1/runs/bulk-replay', { run_ids: [looked.body.sample[0], 'nobody'] })
  expect(replayed.body).toMatchObject({
    total: 2,
    replayed: 1,
    failed: 1,
    results: [{ status: 'canceled' }, { replay_id: null }],
  })
})

test('an empty, meaningless or contradictory filter is refused with its field', async () => {
  const { call } = await httpYard()
  const fieldOf = async (body: object) => {
    const { status, body: answered } = await call('POST', '/v1/operations', { kind: 'redrive', dry_run: true, ...body })
    return [status, answered.error?.details?.fields?.[0]?.field]
  }
  expect(await fieldOf({ filter: {} })).toEqual([422, 'filter'])
  expect(await fieldOf({ filter: { all: false } })).toEqual([422, 'filter'])
  expect(await fieldOf({ filter: { all: true, queue: 'x' } })).toEqual([422, 'filter'])
  expect(await fieldOf({ filter: { color: 'red' } })).toEqual([422, 'filter.color'])
  expect(await fieldOf({ filter: { status: ['completed'] } })).toEqual([422, 'filter.status'])
  expect(await fieldOf({ filter: { payload_contains: '{' } })).toEqual([422, 'filter.payload_contains'])
  expect(await fieldOf({ filter: { all: true } })).toEqual([200, undefined])
  expect((await call('POST', '/v1/operations', { kind: 'cancel', filter: { job: 'no' } })).body.error.code).toBe(
    'job_not_found',
  )
  for (const id of ['00000000-0000-7000-8000-000000000000', 'no-id']) {
    const reply = await call('GET', `/v1/operations/${id}`)
    expect([reply.status, reply.body.error.code]).toEqual([404, 'operation_not_found'])
  }
})

const nodeProcess = (databaseUrl: string): NodeProcess =>
  startNode('test/support/node-process.ts', [], { env: { DATABASE_URL: databaseUrl, PORT: '0', RUNYARD_API_KEY: KEY } })
const addressOf = async (node: NodeProcess): Promise<string> => (await node.line(/ready at (\S+)/))[1]!

test('when the node is killed in the middle of an operation, another one continues, and no run is replayed twice', {
  timeout: 90_000,
}, async () => {
  const { sql, url } = await testDatabase()
  const victim = nodeProcess(url)
  const call: Call = callerOf(await addressOf(victim))
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  const ids: string[] = []
  while (ids.length < 5_000) {
    const items = Array.from({ length: 500 }, (_, i) => ({ payload: i }))
    const { body } = await call('POST', '/v1/jobs/j/runs/batch', { items })
    ids.push(...body.results.map((it: { run: { id: string } }) => it.run.id))
  }
  await move(sql, ids, 'start', 'complete')
  const { body: begun } = await call('POST', '/v1/operations', { kind: 'replay', filter: { status: ['completed'] } })
  expect(begun.expected).toBe(5_000)
  const doneUpTo = async () => (await sql<{ done: number }[]>`select done from operations`)[0]!.done
  await until(doneUpTo, (done) => done >= 500)
  await victim.kill()
  const doneAtKill = await doneUpTo()
  expect(doneAtKill).toBeLessThan(5_000)
  const call2 = callerOf(await addressOf(nodeProcess(url)))
  const over = await until(
    () => call2('GET', `/v1/operations/${begun.id}`),
    (reply) => reply.body.status !== 'running',
    30_000,
  )
  expect(over.body).toMatchObject({ status: 'completed', matched: 5_000, done: 5_000, skipped: 0 })
  const [replays] = await sql`
    select count(*)::int as n, count(distinct replayed_from)::int as olds from runs where replayed_from is not null`
  expect(replays).toEqual({ n: 5_000, olds: 5_000 })
  await expectTrueStories(sql)
})

test('a filter with an empty list is refused, because it would select every run', async () => {
  const { call } = await httpYard()
  for (const filter of [{ status: [] }, { tag: [] }, { metadata: [] }])
    for (const dry_run of [true, false]) {
      const refused = await call('POST', '/v1/operations', { kind: 'cancel', filter, dry_run })
      expect([refused.status, refused.body.error.code], JSON.stringify(filter)).toEqual([422, 'invalid'])
    }
  expect((await call('GET', '/v1/runs?status=')).status).toBe(422)
})
