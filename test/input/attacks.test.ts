// Each of these was once true: found by attacking the engine, and kept from coming back.

import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { orphans } from '#agents/leases/orphans.duty.ts'
import { updateJob } from '#jobs/change-jobs.ts'
import { moveRun } from '#run-state/move/move-run.ts'
import { findRun } from '#run-state/read/read-runs.sql.ts'
import { makeClaimer } from '#runs/attempts/claimer.ts'
import { endAttempts } from '#runs/attempts/end-attempts.ts'
import { beatLeases, readExpiredLeases } from '#runs/attempts/leases.sql.ts'
import { reaper } from '#runs/attempts/reaper.duty.ts'
import { cancelRun } from '#runs/control/cancel-runs.ts'
import { removeJob } from '#runs/control/remove-job.ts'
import { spawnRun } from '#runs/control/spawn-run.ts'
import { triggerRun, triggerRuns } from '#runs/trigger/trigger-runs.ts'
import { timers } from '#runs/waits/timers.duty.ts'
import { httpYard, until, untilState } from '../support/http-yard.ts'
import { httpServer } from '../support/local-servers.ts'
import { expectTrueStories } from '../support/story.ts'
import { addJob, NEVER, ORIGIN, TESTER, testYard } from '../support/yard.ts'

const request = {
  queues: ['default'],
  owner: 'w',
  actor: { type: 'worker' as const, id: 'w' },
  leaseSecs: 15,
  into: 'executing' as const,
}

test('many spawns with used idempotency keys do not wait for each other until all time out', async () => {
  const { ctx } = await testYard()
  await addJob(ctx, 'j')
  const parent = (await triggerRun(ctx, 'j', {}, ORIGIN)).run
  const spawnAll = () =>
    Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        spawnRun(
          ctx,
          'j',
          { idempotencyKey: `k${i}` },
          { projectId: 'default', actor: TESTER, parentRunId: parent.publicId },
        ),
      ),
    )
  const first = await spawnAll()
  const beganMs = performance.now()
  const again = await spawnAll()
  expect(performance.now() - beganMs).toBeLessThan(5_000)
  expect(again.map((it) => [it.replayed, it.run.id])).toEqual(first.map((it) => [true, it.run.id]))
})

test('runs cannot be nested without limit', async () => {
  const { ctx } = await testYard()
  await addJob(ctx, 'j')
  let run = (await triggerRun(ctx, 'j', {}, ORIGIN)).run
  const nest = async () => {
    for (let depth = 0; depth <= 101; depth++)
      run = (await spawnRun(ctx, 'j', {}, { projectId: 'default', actor: TESTER, parentRunId: run.publicId })).run
  }
  await expect(nest()).rejects.toMatchObject({ code: 'depth_exceeded' })
})

test('the next attempt of a run on the same node keeps its lease when the previous call ends', async () => {
  const { call } = await httpYard()
  let calls = 0
  const endpoint = await httpServer(async (_, response) => {
    calls++
    const first = calls === 1
    // The first answers failure by its token, and its connection ends later than the second attempt begins.
    await new Promise((resolve) => setTimeout(resolve, first ? 1_500 : 13_000))
    response.end('done')
  })
  await call('POST', '/v1/jobs', {
    slug: 'j',
    execution: 'http',
    endpoint_url: endpoint.url,
    retry_strategy: 'fixed',
    retry_initial_delay_secs: 0,
    pause_grace_secs: 0,
  })
  const run = (await call('POST', '/v1/jobs/j/runs', {})).body
  await until(
    async () => calls,
    (n) => n === 1,
  )
  await call('POST', `/v1/runs/${run.id}/pause`)
  await untilState(call, run.id, ['paused'])
  await call('POST', `/v1/runs/${run.id}/resume`)
  expect((await untilState(call, run.id, ['completed', 'dead_letter', 'crashed'], 25_000)).body).toMatchObject({
    status: 'completed',
    attempt: 1,
  })
}, 40_000)

test('the time to live of a returned run starts again', async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'j')
  const { run } = await triggerRun(ctx, 'j', { ttlSecs: 60 }, ORIGIN)
  const { runs } = await makeClaimer(ctx).claim({ ...request, limit: 1 })
  await sql`update run_states set expires_at = now() - interval '1 s'`
  await endAttempts(ctx, [{ kind: 'returned', runId: run.id, token: runs[0]!.token, actor: TESTER }])
  await timers(ctx).tick(NEVER)
  expect((await findRun(sql, 'default', run.id))!.state).toBe('queued')
})

test('simultaneous claims do not hide the heads of other lanes from each other', async () => {
  const { ctx, sql } = await testYard()
  for (let i = 0; i < 20; i++) {
    await addJob(ctx, `j${i}`)
    await triggerRun(ctx, `j${i}`, {}, ORIGIN)
  }
  const claimer = makeClaimer(ctx)
  const claimed = await Promise.all(Array.from({ length: 20 }, () => claimer.claim({ ...request, limit: 1 })))
  expect(claimed.filter((it) => it.runs.length === 1).length).toBeGreaterThanOrEqual(18)
  await expectTrueStories(sql)
})

test('ten thousand lanes of a paused job do not slow down the claims of a project', async () => {
  const { ctx, sql } = await testYard()
  const job = await addJob(ctx, 'j')
  for (let page = 0; page < 10; page++) {
    await triggerRuns(
      ctx,
      'j',
      Array.from({ length: 500 }, (_, i) => ({ concurrencyKey: `k${page * 500 + i}` })),
      ORIGIN,
    )
  }
  await sql`update jobs set paused_at = now() where id = ${job.id}`
  const claimer = makeClaimer(ctx)
  const beganMs = performance.now()
  for (let i = 0; i < 5; i++) await claimer.claim({ ...request, projectId: 'default', limit: 10 })
  expect((performance.now() - beganMs) / 5).toBeLessThan(1_000)
})

test("a client's event id that arrives many times at once, alone and in batches, is one event and no failure", async () => {
  const { call } = await httpYard()
  const event = { id: '7b0e7a52-3c7d-4d0e-9a51-0c8a3a6d0002', type: 'order.placed' }
  const replies = await Promise.all(
    Array.from({ length: 40 }, (_, i) => call('POST', '/v1/events', i % 2 ? event : [event, { type: 'x.y' }, event])),
  )
  expect(replies.map((reply) => reply.status).filter((status) => status >= 400)).toEqual([])
  expect((await call('GET', '/v1/events?type=order.placed')).body.data).toHaveLength(1)
  expect((await call('GET', '/v1/events?type=x.y')).body.data).toHaveLength(20)
})

test('the events of a batch keep their order, even when the first starts the run and the last ends it', async () => {
  const { call } = await httpYard()
  for (let round = 0; round < 5; round++) {
    const batch = [
      ...Array.from({ length: 30 }, (_, n) => ({ type: 'a.b', run_id: `run ${round}`, data: { n } })),
      { type: 'run.completed', run_id: `run ${round}` },
    ]
    await call('POST', '/v1/events', batch)
    const told = (await call('GET', `/v1/runs/run%20${round}/events`)).body.data
    expect(told.map((it: { data: { n: number } | null }) => it.data?.n ?? 'end')).toEqual([
      ...Array.from({ length: 30 }, (_, n) => n),
      'end',
    ])
  }
})

test('an error that is truncated inside a character can be settled', async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'j', { maxAttempts: 1 })
  const { run } = await triggerRun(ctx, 'j', {}, ORIGIN)
  const { runs } = await makeClaimer(ctx).claim({ ...request, limit: 1 })
  await endAttempts(ctx, [
    {
      kind: 'failed',
      runId: run.id,
      token: runs[0]!.token,
      actor: TESTER,
      error: `${'a'.repeat(8_191)}😀`,
      retryable: true,
    },
  ])
  expect((await findRun(sql, 'default', run.id))!.state).toBe('dead_letter')
})

test("a lease that is renewed between the reaper's read and its move is not taken away", async () => {
  // A, the reaper, reads an expired lease.
  // B, the worker, renews it.
  // A moves → it must see the renewed lease, and leave the run to B.
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'j')
  const { run } = await triggerRun(ctx, 'j', {}, ORIGIN)
  const { runs } = await makeClaimer(ctx).claim({ ...request, limit: 1 })
  await sql`update leases set expires_at = now() - interval '1 s'`
  const [expired] = await readExpiredLeases(sql, 1)
  await beatLeases(sql, runs)
  await endAttempts(ctx, [
    {
      kind: 'crashed',
      runId: run.id,
      token: expired!.token,
      actor: TESTER,
      error: 'x',
      retryable: true,
      onlyExpired: true,
    },
  ])
  expect((await findRun(sql, 'default', run.id))!).toMatchObject({ state: 'executing', attempt: 1 })
})

test('a buffered run that was asked to pause is returned when its lease expires', async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'j')
  const { run } = await triggerRun(ctx, 'j', {}, ORIGIN)
  await makeClaimer(ctx).claim({ ...request, limit: 1, into: 'dequeued' })
  await sql`update leases set told = 'pause', expires_at = now() - interval '1 s'`
  await reaper(ctx).tick(NEVER)
  expect((await findRun(sql, 'default', run.id))!.state).toBe('queued')
})

test('no run of a deleted job is executed, however the deletion and the triggers interleave', async () => {
  const { ctx, sql } = await testYard()
  for (let round = 0; round < 5; round++) {
    await addJob(ctx, `j${round}`)
    await Promise.all([
      ...Array.from({ length: 20 }, () => triggerRun(ctx, `j${round}`, {}, ORIGIN).catch(() => {})),
      removeJob(ctx, { projectId: 'default', actor: TESTER, job: `j${round}`, cancelRuns: true }),
    ])
  }
  expect((await makeClaimer(ctx).claim({ ...request, limit: 100 })).runs).toEqual([])
  await orphans(ctx).tick(NEVER)
  expect((await sql`select from run_states where state <> 'canceled'`).length).toBe(0)
  await expectTrueStories(sql)
})

test('runs that an interrupted cancel left below a canceled run are canceled', async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'j')
  const { run } = await triggerRun(ctx, 'j', {}, ORIGIN)
  const child = await spawnRun(ctx, 'j', {}, { projectId: 'default', actor: TESTER, parentRunId: run.publicId })
  await moveRun(ctx, { runId: run.id, move: 'cancel', actor: TESTER })
  await orphans(ctx).tick(NEVER)
  expect((await findRun(sql, 'default', child.run.id))!.state).toBe('canceled')
})

test('a cancel reaches thirty thousand children', { timeout: 60_000 }, async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'j')
  const { run } = await triggerRun(ctx, 'j', {}, ORIGIN)
  for (let page = 0; page < 60; page++)
    await triggerRuns(
      ctx,
      'j',
      Array.from({ length: 500 }, () => ({})),
      { ...ORIGIN, parentRunId: run.id },
    )
  await cancelRun(ctx, { projectId: 'default', actor: TESTER, runId: run.publicId })
  expect([...(await sql`select state, count(*)::int as n from run_states group by 1`)]).toEqual([
    { state: 'canceled', n: 30_001 },
  ])
})

test('many simultaneous changes of one job are all made, each as its own version', async () => {
  const { ctx } = await testYard()
  await addJob(ctx, 'j')
  await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      updateJob(ctx, { projectId: 'default', actor: TESTER, job: 'j', patch: { description: `change ${i}` } }),
    ),
  )
  expect(
    (await updateJob(ctx, { projectId: 'default', actor: TESTER, job: 'j', patch: { description: 'last' } })).version,
  ).toBe(22)
})

test('a change of a job does not move its next cron tick back', async () => {
  const { ctx, sql } = await testYard()
  const job = await addJob(ctx, 'j', { cron: '0 * * * *' })
  const moved = new Date(Date.now() + 7_200_000)
  await Promise.all([
    updateJob(ctx, { projectId: 'default', actor: TESTER, job: 'j', patch: { description: 'x' } }),
    sql`update jobs set next_cron_at = ${moved} where id = ${job.id}`,
  ])
  const [row] = await sql<{ at: Date }[]>`select next_cron_at as at from jobs`
  expect(row!.at).toEqual(moved)
})

test('a node closes immediately although a client holds a connection on which it never sent a request', async () => {
  const { node, address } = await httpYard()
  const spare = connect(Number(new URL(address).port), '127.0.0.1')
  spare.on('error', () => {})
  await new Promise((resolve) => spare.once('connect', resolve))
  const beganMs = performance.now()
  await node.close()
  expect(performance.now() - beganMs).toBeLessThan(3_000)
})
