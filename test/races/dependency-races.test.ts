import { expect, test } from 'vitest'
import { wakeDependents } from '#jobs/dependencies.sql.ts'
import { addDependency } from '#jobs/job-dependencies.ts'
import { connect, type Sql } from '#postgres/sql.ts'
import { moveRuns } from '#run-state/move/move-runs.sql.ts'
import { spawnRun } from '#runs/control/spawn-run.ts'
import { triggerRun } from '#runs/trigger/trigger-runs.ts'
import { postponeWaits, readDueWaits } from '#runs/waits/waits.sql.ts'
import { waitForEvent } from '#runs/waits/waits.ts'
import { attempt, claim, stateOf, wakeDuringTick } from '../support/builders/waits.ts'
import { addJob, ORIGIN, TESTER, testYard } from '../support/yard.ts'

test('a wake-up for dependencies does not end another wait of the same run', async () => {
  // The duty sees that the dependency is met, and blocks on the run's lock.
  // B, which holds the lock, wakes the run, starts it and lets it wait for an event.
  // B commits → the duty must not end the new wait.
  const { ctx, sql, url } = await testYard()
  await addJob(ctx, 'dep', { queue: 'dep' })
  await addJob(ctx, 'j')
  await addDependency(ctx, { projectId: 'default', actor: TESTER, job: 'j', dependsOn: 'dep', condition: 'any' })
  const { run } = await triggerRun(ctx, 'j', {}, ORIGIN)
  expect(run.state).toBe('waiting')
  await triggerRun(ctx, 'dep', {}, ORIGIN)
  const [d] = await claim(sql, 'dep')
  await moveRuns(sql, [{ runId: d!.runId, move: 'complete', token: d!.token, actor: TESTER }])
  // Another node was faster: it woke the run, which began and asked for an event.
  await wakeDuringTick({ ctx, sql, url }, run.id)
  expect(await stateOf(sql, run.id)).toMatchObject({ state: 'waiting' })
})

test('waking dependents, postponing waits and ending many of them at once never deadlocks', async () => {
  // A and D each wake half of 400 waiting runs, in random order.
  // B marks the waits of all of them as due; C postpones those that it read as due.
  // All four run at once, on waits in shuffled physical order → none may fail with 40P01.
  const { ctx, sql, url } = await testYard()
  await addJob(ctx, 'dep', { queue: 'dep' })
  const job = await addJob(ctx, 'j')
  await addDependency(ctx, { projectId: 'default', actor: TESTER, job: 'j', dependsOn: 'dep', condition: 'completed' })
  const errors: string[] = []
  const conns = Array.from({ length: 4 }, (_, i) => connect(url, { name: `c${i}` }) as unknown as Sql)
  for (let round = 0; round < 12; round++) {
    const runs = await Promise.all(Array.from({ length: 400 }, () => triggerRun(ctx, 'j', {}, ORIGIN)))
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
      wakeDependents(b!, job.id).catch(note('callUp')),
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

test('a dependent that is canceled in the batch in which its dependency ends leaves no wait behind', async () => {
  // One statement cancels the waiting run and completes the run that it waits for.
  // The cancel deletes the wait, and the completion wants to mark it as due.
  // Afterwards → no wait may be left.
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'dep', { queue: 'dep' })
  await addJob(ctx, 'j')
  await addDependency(ctx, { projectId: 'default', actor: TESTER, job: 'j', dependsOn: 'dep', condition: 'any' })
  const { run } = await triggerRun(ctx, 'j', {}, ORIGIN)
  await triggerRun(ctx, 'dep', {}, ORIGIN)
  const [d] = await claim(sql, 'dep')
  await moveRuns(sql, [
    { runId: run.id, move: 'cancel', actor: TESTER },
    { runId: d!.runId, move: 'complete', token: d!.token, actor: TESTER },
  ])
  expect([...(await sql`select kind from waits`)]).toEqual([])
})

test('a dependent that is woken in the batch in which another run of its dependency ends may wait again', async () => {
  // One statement wakes the waiting run and completes another run of its dependency.
  // The wake deletes the wait, and the completion wants to mark it as due.
  // The run starts and waits again → no left-over wait may refuse it.
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'dep', { queue: 'dep' })
  await addJob(ctx, 'j')
  await addDependency(ctx, { projectId: 'default', actor: TESTER, job: 'j', dependsOn: 'dep', condition: 'any' })
  // The first end of a run of `dep` lets the duty wake it, and the group commit puts a second end into the same statement.
  await triggerRun(ctx, 'dep', {}, ORIGIN)
  const { run: plain } = await triggerRun(ctx, 'j', {}, ORIGIN)
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
