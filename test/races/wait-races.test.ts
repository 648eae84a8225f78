import { expect, test } from 'vitest'
import { wakeDependents } from '#jobs/dependencies.sql.ts'
import { addDependency } from '#jobs/job-dependencies.ts'
import { connect, type Sql } from '#postgres/sql.ts'
import { moveRuns } from '#run-state/move/move-runs.sql.ts'
import { spawnRun } from '#runs/control/spawn-run.ts'
import { triggerRun } from '#runs/trigger/trigger-runs.ts'
import { sendEventNow } from '#runs/waits/send-event.ts'
import { waits } from '#runs/waits/waits.duty.ts'
import { postponeWaits, readDueWaits } from '#runs/waits/waits.sql.ts'
import { waitForEvent } from '#runs/waits/waits.ts'
import { attempt, claim, idle, parentAndChild, sleep, stateOf, wakeDuringTick } from '../support/builders/waits.ts'
import { awaitBlocked } from '../support/db.ts'
import { addJob, ORIGIN, TESTER, testYard } from '../support/yard.ts'

test('a child that ends while a move of its waiting parent is rolled back still wakes the parent', async () => {
  // A locks the parent to cancel it.
  // B ends the child: the parent is locked, so B cannot wake it and leaves its wait to the duty.
  // A rolls back → the duty must find the ended child and queue the parent.
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

test('a timeout that was read for one wait does not end the next wait of the same run', async () => {
  // The duty reads the wait for event `a`, which has timed out, and blocks on the run's lock.
  // B, which holds the lock, wakes the run, starts it and lets it wait for event `b`.
  // B commits → the duty must not end the new wait.
  const { ctx, sql, url } = await testYard()
  await addJob(ctx, 'j')
  const { run } = await triggerRun(ctx, 'j', {}, ORIGIN)
  const [c] = await claim(sql)
  await waitForEvent(ctx, attempt(c!), { eventKey: 'a', timeoutSecs: 1 })
  await sql`update waits set expires_at = clock_timestamp() - interval '1 s'`
  // The event comes at the last moment, and the run at once waits for something else.
  await wakeDuringTick({ ctx, sql, url }, run.id)
  expect(await stateOf(sql, run.id)).toMatchObject({ state: 'waiting' })
})

test('a run never waits for itself', async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'j')
  const { run } = await triggerRun(ctx, 'j', { idempotencyKey: 'k' }, ORIGIN)
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
  // A to D send the event, each looking for the wait.
  // E, the duty, ends the same wait because it has timed out.
  // One of them wins: either one sender gets the run queued, or all are refused and it has timed out.
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'j')
  for (let round = 0; round < 20; round++) {
    const { run } = await triggerRun(ctx, 'j', {}, ORIGIN)
    const [c] = await claim(sql)
    await waitForEvent(ctx, attempt(c!), { eventKey: 'a', timeoutSecs: 1 })
    await sql`update waits set expires_at = clock_timestamp()`
    const sends = Promise.allSettled(
      Array.from({ length: 4 }, (_, i) =>
        sendEventNow(ctx, { projectId: 'default', actor: TESTER, eventKey: 'a', payload: i }),
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
  // A locks one of two waits. B wakes both runs, in the order of runs, and blocks on A.
  // C changes both waits in another order (by job, or by check time), and blocks on A or B.
  // A commits → B and C must both finish, whichever wait A held and whatever the physical order.
  const { ctx, sql, url } = await testYard()
  await addJob(ctx, 'dep', { queue: 'dep' })
  const job = await addJob(ctx, 'j')
  await addDependency(ctx, { projectId: 'default', actor: TESTER, job: 'j', dependsOn: 'dep', condition: 'completed' })
  const seen: string[] = []
  for (const how of ['wakeDependents', 'postponeWaits'] as const)
    for (const held of [0, 1])
      for (const tidFirst of [0, 1])
        for (const checkFirst of [0, 1]) {
          const runs = [await triggerRun(ctx, 'j', {}, ORIGIN), await triggerRun(ctx, 'j', {}, ORIGIN)]
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
              (how === 'wakeDependents' ? wakeDependents(caller!, job.id) : postponeWaits(caller!, due)).then(
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
  // One statement times out the parent and completes the child.
  // The parent's wait ends with its move; the child's end finds nobody to wake.
  // The duty ticks → it must find no wait of a run that has ended.
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
