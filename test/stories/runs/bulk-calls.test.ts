import { expect, test } from 'vitest'
import { cancelMatching } from '#runs/control/cancel-matching.ts'
import { cancelRuns } from '#runs/control/cancel-runs.ts'
import { redriveRuns } from '#runs/control/redrive-runs.ts'
import { replayRuns } from '#runs/control/replay-runs.ts'
import { ASKED, addRuns, claimOldest, move } from '../../support/builders/bulk.ts'
import { testDatabase } from '../../support/db.ts'
import { type Call, callerOf, httpYard, KEY, until } from '../../support/http-yard.ts'
import { type NodeProcess, startNode } from '../../support/processes.ts'
import { expectTrueStories } from '../../support/story.ts'
import { addJob, testYard } from '../../support/yard.ts'

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
