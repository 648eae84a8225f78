import { describe, expect, test } from 'vitest'
import { endAttempts } from '#runs/attempts/end-attempts.ts'
import { reaper } from '#runs/attempts/reaper.duty.ts'
import { cancelRun } from '#runs/control/cancel-runs.ts'
import { redriveRun } from '#runs/control/move-by-hand.ts'
import { replayRun } from '#runs/control/replay-run.ts'
import { spawnRun } from '#runs/control/spawn-run.ts'
import { triggerRun, triggerRuns } from '#runs/trigger/trigger-runs.ts'
import { timers } from '#runs/waits/timers.duty.ts'
import { claim, codeOf, fresh, trigger } from '../../support/builders/runs.ts'
import { expectTrueStories } from '../../support/story.ts'
import { addJob, NEVER, ORIGIN, TESTER, testYard } from '../../support/yard.ts'

describe('idempotency keys of runs', () => {
  test("the same idempotency key and payload return the first run, whatever the order of the payload's keys", async () => {
    const { ctx } = await testYard()
    await addJob(ctx, 'j')
    const first = await triggerRun(ctx, 'j', { payload: { a: 1, b: 2 }, idempotencyKey: 'k' }, ORIGIN)
    const second = await triggerRun(ctx, 'j', { payload: { b: 2, a: 1 }, idempotencyKey: 'k' }, ORIGIN)
    expect(second).toMatchObject({ replayed: true, run: { id: first.run.id } })
  })

  test('the same idempotency key with another payload is refused', async () => {
    const { ctx } = await testYard()
    await addJob(ctx, 'j')
    await triggerRun(ctx, 'j', { payload: 1, idempotencyKey: 'k' }, ORIGIN)
    expect(await codeOf(triggerRun(ctx, 'j', { payload: 2, idempotencyKey: 'k' }, ORIGIN))).toBe('idempotency_mismatch')
  })

  test('of a hundred simultaneous triggers with one key, one creates a run', async () => {
    const { ctx, sql } = await testYard()
    await addJob(ctx, 'j')
    const done = await Promise.all(
      Array.from({ length: 100 }, () => triggerRun(ctx, 'j', { payload: {}, idempotencyKey: 'k' }, ORIGIN)),
    )
    expect(new Set(done.map((it) => it.run.id)).size).toBe(1)
    expect(done.filter((it) => !it.replayed)).toHaveLength(1)
    expect((await sql`select from runs`).length).toBe(1)
  })

  test('in a batch, an item that repeats the key of another is its replay', async () => {
    const { ctx } = await testYard()
    await addJob(ctx, 'j')
    const [a, b] = await triggerRuns(ctx, 'j', [{ idempotencyKey: 'k' }, { idempotencyKey: 'k' }], ORIGIN)
    expect([a, b]).toMatchObject([{ replayed: false }, { replayed: true }])
  })

  test('a failed run frees its idempotency key; a completed one keeps it', async () => {
    const { ctx } = await testYard()
    await addJob(ctx, 'j', { maxAttempts: 1 })
    const failed = await trigger(ctx, 'j', { idempotencyKey: 'bad' })
    const completed = await trigger(ctx, 'j', { idempotencyKey: 'good' })
    for (const it of await claim(ctx, 10)) {
      const base = { runId: it.runId, token: it.token, actor: TESTER }
      await endAttempts(ctx, [
        it.runId === failed.id
          ? { ...base, kind: 'failed', error: 'x', retryable: true }
          : { ...base, kind: 'completed' },
      ])
    }
    expect((await triggerRun(ctx, 'j', { idempotencyKey: 'bad' }, ORIGIN)).replayed).toBe(false)
    expect(await triggerRun(ctx, 'j', { idempotencyKey: 'good' }, ORIGIN)).toMatchObject({
      replayed: true,
      run: { id: completed.id },
    })
  })

  test('an idempotency key whose 24 hours are over can be used by the next run', async () => {
    const { ctx, sql } = await testYard()
    await addJob(ctx, 'j')
    await trigger(ctx, 'j', { idempotencyKey: 'k' })
    await sql`update idempotency_keys set expires_at = now() - interval '1 s'`
    expect((await triggerRun(ctx, 'j', { payload: 'other', idempotencyKey: 'k' }, ORIGIN)).replayed).toBe(false)
  })
})

describe('attempts and retries', () => {
  test('a failure is retried with its error kept, until retries are exhausted and the run is a dead letter', async () => {
    const { ctx, sql } = await testYard()
    await addJob(ctx, 'j', { maxAttempts: 2 })
    const run = await trigger(ctx, 'j')
    for (const attempt of [1, 2]) {
      const [it] = await claim(ctx, 1)
      expect(it).toMatchObject({ attempt, previousError: attempt === 1 ? null : 'boom' })
      await endAttempts(ctx, [
        { runId: it!.runId, token: it!.token, actor: TESTER, kind: 'failed', error: 'boom', retryable: true },
      ])
    }
    expect(await fresh(ctx, run.id)).toMatchObject({ state: 'dead_letter', attempt: 2, error: 'boom' })
    await expectTrueStories(sql)
  })

  test('a delayed retry waits for its time and is then claimed', async () => {
    const { ctx, sql } = await testYard()
    await addJob(ctx, 'j', { retryInitialDelaySecs: 60 })
    const run = await trigger(ctx, 'j')
    const [it] = await claim(ctx, 1)
    await endAttempts(ctx, [
      { runId: it!.runId, token: it!.token, actor: TESTER, kind: 'failed', error: 'x', retryable: true },
    ])
    expect(await fresh(ctx, run.id)).toMatchObject({ state: 'delayed', attempt: 2 })
    expect(await claim(ctx, 1)).toEqual([])
    await sql`update run_queue set due_at = now()`
    await timers(ctx).tick(NEVER)
    expect(await claim(ctx, 1)).toMatchObject([{ runId: run.id, attempt: 2 }])
  })

  test('a retry delay that the failed side asked for is honoured, up to the longest delay of the policy', async () => {
    const { ctx } = await testYard()
    await addJob(ctx, 'j', { retryMaxDelaySecs: 30 })
    const run = await trigger(ctx, 'j')
    const [it] = await claim(ctx, 1)
    await endAttempts(ctx, [
      {
        runId: it!.runId,
        token: it!.token,
        actor: TESTER,
        kind: 'failed',
        error: 'x',
        retryable: true,
        wantedDelayMs: 3_600_000,
      },
    ])
    const { dueAt } = await fresh(ctx, run.id)
    expect((dueAt!.getTime() - Date.now()) / 1000).toBeGreaterThan(20)
    expect((dueAt!.getTime() - Date.now()) / 1000).toBeLessThan(31)
  })

  test('an expired lease is a crash and is retried; the late settlement of the old attempt changes nothing', async () => {
    const { ctx, sql } = await testYard()
    await addJob(ctx, 'j')
    const run = await trigger(ctx, 'j')
    const [old] = await claim(ctx, 1)
    await sql`update leases set expires_at = now() - interval '1 s'`
    await reaper(ctx).tick(NEVER)
    const [next] = await claim(ctx, 1)
    expect(next).toMatchObject({ runId: run.id, attempt: 2, previousError: 'lost contact with w1' })
    const [late] = await endAttempts(ctx, [
      { runId: run.id, token: old!.token, actor: TESTER, kind: 'completed', result: 'late' },
    ])
    expect(late).toMatchObject({ code: 'stale_lease' })
    expect(await fresh(ctx, run.id)).toMatchObject({ state: 'executing', attempt: 2 })
    await expectTrueStories(sql)
  })

  test('a last attempt that takes longer than its timeout ends as timed_out', async () => {
    const { ctx, sql } = await testYard()
    await addJob(ctx, 'j', { maxAttempts: 1 })
    const run = await trigger(ctx, 'j', { timeoutSecs: 7 })
    await claim(ctx, 1)
    await sql`update leases set expires_at = now() - interval '1 s', deadline_at = now() - interval '1 s'`
    await reaper(ctx).tick(NEVER)
    expect(await fresh(ctx, run.id)).toMatchObject({ state: 'timed_out', error: 'timed out after 7 s' })
  })

  test('a run that has waited longer than its time to live expires', async () => {
    const { ctx, sql } = await testYard()
    await addJob(ctx, 'j')
    const run = await trigger(ctx, 'j', { ttlSecs: 5 })
    await sql`update run_queue set expires_at = now() - interval '1 s'`
    await timers(ctx).tick(NEVER)
    expect(await fresh(ctx, run.id)).toMatchObject({ state: 'expired', errorCode: 'expired' })
  })

  test('a redrive is the same run with its attempts counted from 1 and its time to live renewed', async () => {
    const { ctx } = await testYard()
    await addJob(ctx, 'j', { maxAttempts: 1 })
    const run = await trigger(ctx, 'j', { ttlSecs: 60 })
    const [it] = await claim(ctx, 1)
    await endAttempts(ctx, [
      { runId: run.id, token: it!.token, actor: TESTER, kind: 'failed', error: 'x', retryable: true },
    ])
    const before = await fresh(ctx, run.id)
    const after = await redriveRun(ctx, { projectId: 'default', actor: TESTER, runId: run.id })
    expect(after).toMatchObject({ id: run.id, state: 'queued', attempt: 1, error: null, finishedAt: null })
    expect(after.expiresAt!.getTime()).toBeGreaterThanOrEqual(before.expiresAt!.getTime())
    expect(await claim(ctx, 1)).toMatchObject([{ runId: run.id, attempt: 1 }])
  })

  test('a replay is a new run that names the old one, which is unchanged', async () => {
    const { ctx } = await testYard()
    await addJob(ctx, 'j', { maxAttempts: 1 })
    const run = await trigger(ctx, 'j', {
      payload: { a: 1 },
      tags: { t: 'x' },
      metadata: { m: 'y' },
      concurrencyKey: 'c',
    })
    const [it] = await claim(ctx, 1)
    await endAttempts(ctx, [
      { runId: run.id, token: it!.token, actor: TESTER, kind: 'failed', error: 'x', retryable: false, forGood: true },
    ])
    const replay = await replayRun(ctx, { projectId: 'default', actor: TESTER, runId: run.id })
    expect(replay).toMatchObject({
      replayedFrom: run.id,
      state: 'queued',
      tags: { t: 'x' },
      metadata: { m: 'y' },
      concurrencyKey: 'c',
      correlationId: run.correlationId,
    })
    const [claimed] = await claim(ctx, 1)
    expect(claimed!.runId).toBe(replay.id)
    expect(claimed!.payload!.value).toEqual({ a: 1 })
    expect((await fresh(ctx, run.id)).state).toBe('failed')
  })
})

describe('cancel', () => {
  test('a cancel reaches children at any depth, and frees what they held', async () => {
    const { ctx, sql } = await testYard()
    await addJob(ctx, 'j')
    const root = await trigger(ctx, 'j')
    let parent = root
    for (let depth = 0; depth < 25; depth++) {
      parent = (await spawnRun(ctx, 'j', {}, { projectId: 'default', actor: TESTER, parentRunId: parent.publicId })).run
    }
    await claim(ctx, 5)
    await cancelRun(ctx, { projectId: 'default', actor: TESTER, runId: root.publicId })
    expect([...(await sql`select distinct state from run_states`)]).toEqual([{ state: 'canceled' }])
    expect((await sql`select from leases`).length + (await sql`select from run_queue`).length).toBe(0)
    await expectTrueStories(sql)
  })

  test('no child survives a cancel of its parent that happens at the same time as the spawn', async () => {
    const { ctx, sql } = await testYard()
    await addJob(ctx, 'j')
    for (let round = 0; round < 20; round++) {
      const root = await trigger(ctx, 'j')
      await Promise.all([
        ...Array.from({ length: 5 }, () =>
          spawnRun(ctx, 'j', {}, { projectId: 'default', actor: TESTER, parentRunId: root.publicId }).catch(() => {}),
        ),
        cancelRun(ctx, { projectId: 'default', actor: TESTER, runId: root.publicId }),
      ])
    }
    expect([...(await sql`select distinct state from run_states`)]).toEqual([{ state: 'canceled' }])
    await expectTrueStories(sql)
  })

  test('canceling twice succeeds and writes one event; canceling an ended run is refused', async () => {
    const { ctx, sql } = await testYard()
    await addJob(ctx, 'j')
    const run = await trigger(ctx, 'j')
    const target = { projectId: 'default', actor: TESTER, runId: run.publicId }
    await cancelRun(ctx, target)
    await cancelRun(ctx, target)
    expect((await sql`select from events where type = 'run.canceled'`).length).toBe(1)
    const done = await trigger(ctx, 'j')
    const [it] = await claim(ctx, 1)
    await endAttempts(ctx, [{ runId: it!.runId, token: it!.token, actor: TESTER, kind: 'completed' }])
    expect(await codeOf(cancelRun(ctx, { ...target, runId: done.publicId }))).toBe('run_over')
  })
})
