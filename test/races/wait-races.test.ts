import { expect, test } from 'vitest'
import { callUpDependents } from '#jobs/dependencies.sql.ts'
import { addDependency } from '#jobs/job-dependencies.ts'
import { connect, type Sql } from '#postgres/sql.ts'
import { claimRuns } from '#run-state/claim/claim-runs.sql.ts'
import { moveRuns } from '#run-state/move/move-runs.sql.ts'
import { newWait } from '#run-state/move/wait-parts.sql.ts'
import { spawnRun } from '#runs/control/spawn-run.ts'
import { triggerRun } from '#runs/trigger/trigger-runs.ts'
import { waits } from '#runs/waits/waits.duty.ts'
import { postponeWaits, readDueWaits } from '#runs/waits/waits.sql.ts'
import { sendEvent, waitForEvent } from '#runs/waits/waits.ts'
import { awaitBlocked } from '../support/db.ts'
import { addJob, TESTER, testYard, type Yard } from '../support/yard.ts'

const claim = async (sql: Sql, queue = 'default', limit = 1) =>
  (
    await claimRuns(sql, {
      projectId: 'default',
      queues: [queue],
      owner: 'w',
      actor: TESTER,
      leaseSecs: 300,
      limit,
      into: 'executing',
      turn: 0,
      order: 'strict',
    })
  ).runs
const origin = { projectId: 'default', actor: TESTER, triggeredBy: 'manual' as const }
const stateOf = async (sql: Sql, id: string) =>
  (await sql`select state, error from run_states where run_id = ${id}`)[0]!
const idle = () => ({ aborted: false }) as AbortSignal
const sleep = (ms: number) => new Promise((r) => setTimeout(r, ms))
const attempt = (c: { runId: string; attempt: number; token: string }) => ({
  projectId: 'default',
  runId: c.runId,
  attempt: c.attempt,
  token: c.token,
  actor: TESTER,
})

async function parentAndChild({ ctx, sql }: Yard, timeoutSecs = 3600) {
  await addJob(ctx, 'p', { queue: 'p' })
  await addJob(ctx, 'c', { queue: 'c' })
  const { run } = await triggerRun(ctx, 'p', {}, origin)
  const [c] = await claim(sql, 'p')
  const child = await spawnRun(
    ctx,
    'c',
    {},
    {
      projectId: 'default',
      parentRunId: run.publicId,
      token: c!.token,
      actor: TESTER,
      awaitCompletion: { timeoutSecs },
    },
  )
  return { parent: run.id, child: child.run.id }
}

test('a child that ends while a move of its waiting parent is rolled back still wakes the parent', async () => {
  const yard = await testYard()
  const { ctx, sql, url } = yard
  const { parent, child } = await parentAndChild(yard)
  const [c] = await claim(sql, 'c')
  const other = connect(url, { name: 'other' }) as unknown as Sql
  // A page of an operation that cancels the parent, cut short before its commit (node killed, connection lost).
  await other
    .begin(async (tx) => {
      await moveRuns(tx as unknown as Sql, [{ runId: parent, move: 'cancel', actor: TESTER }])
      const [done] = await moveRuns(sql, [{ runId: child, move: 'complete', token: c!.token, actor: TESTER }])
      expect(done!.outcome).toBe('moved')
      throw new Error('cut short')
    })
    .catch(() => {})
  await other.end()
  // Whoever was told nothing is looked at by itself, a little later.
  await sql`update waits set check_at = now() where check_at is not null`
  await waits(ctx).tick(idle())
  expect(await stateOf(sql, parent)).toMatchObject({ state: 'queued' })
})

/** While the duty of waits is held up at its lock, the run is woken, begins, and waits for an event for an hour. */
async function wakeDuringTick({ ctx, sql, url }: Pick<Yard, 'ctx' | 'sql' | 'url'>, runId: string) {
  const other = connect(url, { name: 'other' }) as unknown as Sql
  let ticking: Promise<unknown> | undefined
  await other.begin(async (transaction) => {
    const tx = transaction as unknown as Sql
    await tx`select from run_states where run_id = ${runId} for update`
    ticking = waits(ctx).tick(idle())
    await awaitBlocked(sql)
    await moveRuns(tx, [{ runId, move: 'wake', actor: TESTER, dueInMs: 0 }])
    await moveRuns(tx, [{ runId, move: 'start', actor: TESTER }])
    await moveRuns(tx, [
      { runId, move: 'wait', actor: TESTER, wait: newWait('event', { eventKey: 'b', timeoutMs: 3_600_000 }) },
    ])
  })
  await ticking
  await other.end()
}

test('a timeout that was read for one wait does not end the next wait of the same run', async () => {
  const { ctx, sql, url } = await testYard()
  await addJob(ctx, 'j')
  const { run } = await triggerRun(ctx, 'j', {}, origin)
  const [c] = await claim(sql)
  await waitForEvent(ctx, attempt(c!), { eventKey: 'a', timeoutSecs: 1 })
  await sql`update waits set expires_at = clock_timestamp() - interval '1 s'`
  // The event comes at the last moment, and the run at once waits for something else.
  await wakeDuringTick({ ctx, sql, url }, run.id)
  expect(await stateOf(sql, run.id)).toMatchObject({ state: 'waiting' })
})

test('a wake-up for dependencies does not end another wait of the same run', async () => {
  const { ctx, sql, url } = await testYard()
  await addJob(ctx, 'dep', { queue: 'dep' })
  await addJob(ctx, 'j')
  await addDependency(ctx, { projectId: 'default', actor: TESTER, job: 'j', dependsOn: 'dep', condition: 'any' })
  const { run } = await triggerRun(ctx, 'j', {}, origin)
  expect(run.state).toBe('waiting')
  await triggerRun(ctx, 'dep', {}, origin)
  const [d] = await claim(sql, 'dep')
  await moveRuns(sql, [{ runId: d!.runId, move: 'complete', token: d!.token, actor: TESTER }])
  // Another node was faster: it woke the run, which began and asked for an event.
  await wakeDuringTick({ ctx, sql, url }, run.id)
  expect(await stateOf(sql, run.id)).toMatchObject({ state: 'waiting' })
})

test('waking dependents, postponing waits and ending many of them at once never deadlocks', async () => {
  const { ctx, sql, url } = await testYard()
  await addJob(ctx, 'dep', { queue: 'dep' })
  const job = await addJob(ctx, 'j')
  await addDependency(ctx, { projectId: 'default', actor: TESTER, job: 'j', dependsOn: 'dep', condition: 'completed' })
  const errors: string[] = []
  const conns = Array.from({ length: 4 }, (_, i) => connect(url, { name: `c${i}` }) as unknown as Sql)
  for (let round = 0; round < 12; round++) {
    const runs = await Promise.all(Array.from({ length: 400 }, () => triggerRun(ctx, 'j', {}, origin)))
    // Shuffle the physical order of the waits, as any history of postponing does.
    for (const half of [0, 1])
      await sql`update waits set check_at = clock_timestamp() where run_id = any(${runs.filter((_, i) => (i * 7919) % 2 === half).map((it) => it.run.id)}::uuid[])`
    const ids = runs.map((it) => it.run.id).sort(() => Math.random() - 0.5)
    const note = (what: string) => (error: { code?: string; message: string }) =>
      void errors.push(`${what}: ${error.code} ${error.message}`)
    const [a, b, c, d] = conns
    await Promise.all([
      moveRuns(
        a!,
        ids.slice(0, 200).map((runId) => ({ runId, move: 'wake' as const, actor: TESTER, dueInMs: 0 })),
      ).catch(note('move')),
      callUpDependents(b!, job.id).catch(note('callUp')),
      readDueWaits(c!, 400)
        .then((due) => postponeWaits(c!, due))
        .catch(note('postpone')),
      moveRuns(
        d!,
        ids.slice(200).map((runId) => ({ runId, move: 'wake' as const, actor: TESTER, dueInMs: 0 })),
      ).catch(note('move2')),
    ])
    await moveRuns(
      sql,
      ids.map((runId) => ({ runId, move: 'cancel' as const, actor: TESTER })),
    )
  }
  await Promise.all(conns.map((it) => it.end()))
  expect(errors).toEqual([])
}, 120_000)

test('a run never waits for itself', async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'j')
  const { run } = await triggerRun(ctx, 'j', { idempotencyKey: 'k' }, origin)
  const [c] = await claim(sql)
  await spawnRun(
    ctx,
    'j',
    { idempotencyKey: 'k' },
    {
      projectId: 'default',
      parentRunId: run.publicId,
      token: c!.token,
      actor: TESTER,
      awaitCompletion: { timeoutSecs: 3600 },
    },
  ).catch((e) => e)
  expect(await stateOf(sql, run.id)).toMatchObject({ state: 'executing' })
})

test('an event sent many times while its wait times out ends the wait once, and the log tells one story', async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'j')
  for (let round = 0; round < 20; round++) {
    const { run } = await triggerRun(ctx, 'j', {}, origin)
    const [c] = await claim(sql)
    await waitForEvent(ctx, attempt(c!), { eventKey: 'a', timeoutSecs: 1 })
    await sql`update waits set expires_at = clock_timestamp()`
    const sends = Promise.allSettled(
      Array.from({ length: 4 }, (_, i) =>
        sendEvent(ctx, { projectId: 'default', actor: TESTER, eventKey: 'a', payload: i }),
      ),
    )
    await waits(ctx).tick(idle())
    const ok = (await sends).filter((it) => it.status === 'fulfilled').length
    const bad = (await sends).flatMap((it) =>
      it.status === 'rejected' && it.reason.code !== 'wait_not_found' ? [String(it.reason)] : [],
    )
    expect(bad).toEqual([])
    const { state } = await stateOf(sql, run.id)
    expect([ok, state]).toEqual(ok === 1 ? [1, 'queued'] : [0, 'timed_out'])
    expect((await sql`select * from waits`).length).toBe(0)
    if (state === 'queued') await moveRuns(sql, [{ runId: run.id, move: 'cancel', actor: TESTER }])
  }
})

test('two statements that change several waits in different orders do not deadlock', async () => {
  const { ctx, sql, url } = await testYard()
  await addJob(ctx, 'dep', { queue: 'dep' })
  const job = await addJob(ctx, 'j')
  await addDependency(ctx, { projectId: 'default', actor: TESTER, job: 'j', dependsOn: 'dep', condition: 'completed' })
  const seen: string[] = []
  for (const how of ['callUpDependents', 'postponeWaits'] as const)
    for (const held of [0, 1])
      for (const tidFirst of [0, 1])
        for (const checkFirst of [0, 1]) {
          const runs = [await triggerRun(ctx, 'j', {}, origin), await triggerRun(ctx, 'j', {}, origin)]
          const ids = runs.map((it) => it.run.id).sort() as [string, string]
          for (const at of [tidFirst, 1 - tidFirst])
            await sql`update waits set check_at = clock_timestamp() - ${at === checkFirst ? 2000 : 1000}::float8 * interval '1 ms' where run_id = ${ids[at]!}`
          const conns = Array.from({ length: 3 }, (_, i) => connect(url, { name: `d${i}` }) as unknown as Sql)
          const [holder, mover, caller] = conns
          const outcomes: Promise<unknown>[] = []
          const due = await readDueWaits(sql, 10)
          await holder!.begin(async (tx) => {
            await tx`select from waits where run_id = ${ids[held]!} for update`
            outcomes.push(
              moveRuns(
                mover!,
                ids.map((runId) => ({ runId, move: 'wake' as const, actor: TESTER, dueInMs: 0 })),
              ).then(
                () => 'moved',
                (e) => `move: ${e.code} ${e.message}`,
              ),
            )
            await awaitBlocked(sql)
            outcomes.push(
              (how === 'callUpDependents' ? callUpDependents(caller!, job.id) : postponeWaits(caller!, due)).then(
                () => how,
                (e: { code: string; message: string }) => `${how}: ${e.code} ${e.message}`,
              ),
            )
            await sleep(200)
          })
          seen.push(
            `${how} held ${held} tid ${tidFirst} check ${checkFirst}: ${(await Promise.all(outcomes)).join(' / ')}`,
          )
          await Promise.all(conns.map((it) => it.end()))
          await moveRuns(
            sql,
            ids.map((runId) => ({ runId, move: 'cancel' as const, actor: TESTER })),
          )
        }
  expect(seen.filter((it) => it.includes('40P01'))).toEqual([])
}, 60_000)

test('a parent and its child that end in one batch leave no wait behind, and the duty survives', async () => {
  const yard = await testYard()
  const { ctx, sql } = yard
  const { parent, child } = await parentAndChild(yard)
  const [c] = await claim(sql, 'c')
  await moveRuns(sql, [
    { runId: parent, move: 'timeOut', from: ['waiting'], actor: TESTER },
    { runId: child, move: 'complete', token: c!.token, actor: TESTER },
  ])
  expect.soft([...(await sql`select kind from waits`)]).toEqual([])
  // Somebody else's wait, which is due and met.
  const tick = await waits(ctx)
    .tick(idle())
    .then(
      () => 'fine',
      (e) => `the duty failed: ${e.message}`,
    )
  const tick2 = await waits(ctx)
    .tick(idle())
    .then(
      () => 'fine',
      (e) => `the duty failed: ${e.message}`,
    )
  expect.soft([tick, tick2]).toEqual(['fine', 'fine'])
})

test('a dependent that is canceled in the batch in which its dependency ends leaves no wait behind', async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'dep', { queue: 'dep' })
  await addJob(ctx, 'j')
  await addDependency(ctx, { projectId: 'default', actor: TESTER, job: 'j', dependsOn: 'dep', condition: 'any' })
  const { run } = await triggerRun(ctx, 'j', {}, origin)
  await triggerRun(ctx, 'dep', {}, origin)
  const [d] = await claim(sql, 'dep')
  await moveRuns(sql, [
    { runId: run.id, move: 'cancel', actor: TESTER },
    { runId: d!.runId, move: 'complete', token: d!.token, actor: TESTER },
  ])
  expect([...(await sql`select kind from waits`)]).toEqual([])
})

test('a dependent that is woken in the batch in which another run of its dependency ends may wait again', async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'dep', { queue: 'dep' })
  await addJob(ctx, 'j')
  await addDependency(ctx, { projectId: 'default', actor: TESTER, job: 'j', dependsOn: 'dep', condition: 'any' })
  // The first end of a run of `dep` lets the duty wake it, and the group commit puts a second end into the same statement.
  await triggerRun(ctx, 'dep', {}, origin)
  const { run: plain } = await triggerRun(ctx, 'j', {}, origin)
  expect(plain.state).toBe('waiting')
  const [d] = await claim(sql, 'dep')
  await moveRuns(sql, [
    { runId: plain.id, move: 'wake', actor: TESTER, dueInMs: 0 },
    { runId: d!.runId, move: 'complete', token: d!.token, actor: TESTER },
  ])
  const all = await claim(sql, 'default', 10)
  const mine = all.find((it) => it.runId === plain.id)!
  const waited = await waitForEvent(ctx, attempt(mine), { eventKey: 'fresh-key', timeoutSecs: 60 }).then(
    () => 'waits',
    (e) => `${e.code}: ${e.message}`,
  )
  await addJob(ctx, 'c', { queue: 'c' })
  await spawnRun(
    ctx,
    'c',
    {},
    {
      projectId: 'default',
      parentRunId: plain.publicId,
      token: mine.token,
      actor: TESTER,
      awaitCompletion: { timeoutSecs: 60 },
    },
  ).then(
    () => 'waits',
    (e) => `${e.code}: ${e.message}`,
  )
  expect(waited).toBe('waits')
})
