import { describe, expect, test } from 'vitest'
import { insertProject } from '#access/keys.sql.ts'
import type { Ctx } from '#bell/ctx.ts'
import { Refusal } from '#core/error.ts'
import { pauseJob, resumeJob } from '#jobs/change-jobs.ts'
import { findRun } from '#run-state/read/read-runs.sql.ts'
import { type ClaimRequest, makeClaimer } from '#runs/attempts/claimer.ts'
import { endAttempts } from '#runs/attempts/end-attempts.ts'
import { reaper } from '#runs/attempts/reaper.duty.ts'
import { cancelRun } from '#runs/control/cancel-runs.ts'
import { redriveRun, rescheduleRun } from '#runs/control/move-by-hand.ts'
import { replayRun } from '#runs/control/replay-run.ts'
import { spawnRun } from '#runs/control/spawn-run.ts'
import { cron } from '#runs/trigger/cron.duty.ts'
import type { RunRequest } from '#runs/trigger/run-request.ts'
import { triggerRun, triggerRuns } from '#runs/trigger/trigger-runs.ts'
import { timers } from '#runs/waits/timers.duty.ts'
import { expectTrueStories } from '../../support/story.ts'
import { addJob, TESTER, testYard } from '../../support/yard.ts'

const NEVER = new AbortController().signal
const origin = { projectId: 'default', actor: TESTER, triggeredBy: 'manual' as const }
const trigger = async (ctx: Ctx, job: string, request: RunRequest = {}) =>
  (await triggerRun(ctx, job, request, origin)).run
const claim = async (ctx: Ctx, limit: number, more: Partial<ClaimRequest> = {}, claimer = makeClaimer(ctx)) =>
  (
    await claimer.claim({
      queues: ['default'],
      owner: 'w1',
      actor: { type: 'worker', id: 'w1' },
      leaseSecs: 15,
      limit,
      into: 'executing',
      ...more,
    })
  ).runs
const fresh = async (ctx: Ctx, runId: string) => (await findRun(ctx.sql, 'default', runId))!
const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: unknown) => (error instanceof Refusal ? error.code : String(error)),
  )

describe('idempotency keys of runs', () => {
  test("the same idempotency key and payload return the first run, whatever the order of the payload's keys", async () => {
    const { ctx } = await testYard()
    await addJob(ctx, 'j')
    const first = await triggerRun(ctx, 'j', { payload: { a: 1, b: 2 }, idempotencyKey: 'k' }, origin)
    const second = await triggerRun(ctx, 'j', { payload: { b: 2, a: 1 }, idempotencyKey: 'k' }, origin)
    expect(second).toMatchObject({ replayed: true, run: { id: first.run.id } })
  })

  test('the same idempotency key with another payload is refused', async () => {
    const { ctx } = await testYard()
    await addJob(ctx, 'j')
    await triggerRun(ctx, 'j', { payload: 1, idempotencyKey: 'k' }, origin)
    expect(await codeOf(triggerRun(ctx, 'j', { payload: 2, idempotencyKey: 'k' }, origin))).toBe('idempotency_mismatch')
  })

  test('of a hundred simultaneous triggers with one key, one creates a run', async () => {
    const { ctx, sql } = await testYard()
    await addJob(ctx, 'j')
    const done = await Promise.all(
      Array.from({ length: 100 }, () => triggerRun(ctx, 'j', { payload: {}, idempotencyKey: 'k' }, origin)),
    )
    expect(new Set(done.map((it) => it.run.id)).size).toBe(1)
    expect(done.filter((it) => !it.replayed)).toHaveLength(1)
    expect((await sql`select from runs`).length).toBe(1)
  })

  test('in a batch, an item that repeats the key of another is its replay', async () => {
    const { ctx } = await testYard()
    await addJob(ctx, 'j')
    const [a, b] = await triggerRuns(ctx, 'j', [{ idempotencyKey: 'k' }, { idempotencyKey: 'k' }], origin)
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
    expect((await triggerRun(ctx, 'j', { idempotencyKey: 'bad' }, origin)).replayed).toBe(false)
    expect(await triggerRun(ctx, 'j', { idempotencyKey: 'good' }, origin)).toMatchObject({
      replayed: true,
      run: { id: completed.id },
    })
  })

  test('an idempotency key whose 24 hours are over can be used by the next run', async () => {
    const { ctx, sql } = await testYard()
    await addJob(ctx, 'j')
    await trigger(ctx, 'j', { idempotencyKey: 'k' })
    await sql`update idempotency_keys set expires_at = now() - interval '1 s'`
    expect((await triggerRun(ctx, 'j', { payload: 'other', idempotencyKey: 'k' }, origin)).replayed).toBe(false)
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
    expect(await claim(ctx, 1)).toMatchObject([{ runId: replay.id, payload: { a: 1 } }])
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

describe('fairness, priority and concurrency limits', () => {
  test("one project's backlog does not delay another's single run", async () => {
    const { ctx, sql } = await testYard()
    await insertProject(sql, { id: 'small', name: 'Small' })
    await addJob(ctx, 'big')
    await addJob(ctx, 'one', {}, 'small')
    await triggerRuns(
      ctx,
      'big',
      Array.from({ length: 500 }, () => ({ priority: 10 })),
      origin,
    )
    const { run } = await triggerRun(ctx, 'one', {}, { ...origin, projectId: 'small' })
    const claimer = makeClaimer(ctx)
    const claimed = [...(await claim(ctx, 1, {}, claimer)), ...(await claim(ctx, 1, {}, claimer))]
    expect(claimed.map((it) => it.runId)).toContain(run.id)
  })

  test("one job's backlog does not delay another job of the project", async () => {
    const { ctx } = await testYard()
    await addJob(ctx, 'big')
    await addJob(ctx, 'one')
    await triggerRuns(
      ctx,
      'big',
      Array.from({ length: 500 }, () => ({})),
      origin,
    )
    const single = await trigger(ctx, 'one')
    expect((await claim(ctx, 10)).map((it) => it.runId)).toContain(single.id)
  })

  test('within a project, higher priority goes first, and within a priority the older run', async () => {
    const { ctx } = await testYard()
    await addJob(ctx, 'j')
    const low = [await trigger(ctx, 'j'), await trigger(ctx, 'j')]
    const high = await trigger(ctx, 'j', { priority: 5 })
    expect(await claim(ctx, 1)).toMatchObject([{ runId: high.id }])
    expect((await claim(ctx, 1)).concat(await claim(ctx, 1)).map((it) => it.runId)).toEqual(low.map((run) => run.id))
  })

  test('no more runs of a job execute than its limit, whoever claims at the same time', async () => {
    const { ctx, sql } = await testYard()
    await addJob(ctx, 'j', { maxConcurrency: 7 })
    await triggerRuns(
      ctx,
      'j',
      Array.from({ length: 60 }, (_, i) => ({ concurrencyKey: `k${i % 10}` })),
      origin,
    )
    await Promise.all(Array.from({ length: 12 }, () => claim(ctx, 5)))
    const [row] = await sql<{ n: number }[]>`select count(*)::int as n from leases`
    expect(row!.n).toBeLessThanOrEqual(7)
    // Whoever lost the race for the lock comes again; in the end the limit is used up, and kept.
    for (let i = 0; i < 10; i++) await claim(ctx, 5)
    expect((await sql<{ n: number }[]>`select count(*)::int as n from leases`)[0]!.n).toBe(7)
  })

  test('no more runs of a concurrency key execute than its limit, and other keys are not delayed', async () => {
    const { ctx, sql } = await testYard()
    await addJob(ctx, 'j', { maxConcurrencyPerKey: 1 })
    await triggerRuns(
      ctx,
      'j',
      ['a', 'a', 'a', 'b', 'c'].map((concurrencyKey) => ({ concurrencyKey })),
      origin,
    )
    for (let i = 0; i < 5; i++) await claim(ctx, 5)
    const held = await sql`select concurrency_key as key, count(*)::int as n from leases group by 1 order by 1`
    expect([...held]).toEqual([
      { key: 'a', n: 1 },
      { key: 'b', n: 1 },
      { key: 'c', n: 1 },
    ])
  })

  test('no run of a paused job is claimed, and all are once it resumes', async () => {
    const { ctx } = await testYard()
    await addJob(ctx, 'j')
    await addJob(ctx, 'refuser', { whenPaused: 'refuse' })
    const asked = { projectId: 'default', actor: TESTER }
    await pauseJob(ctx, { ...asked, job: 'j' })
    await pauseJob(ctx, { ...asked, job: 'refuser' })
    const run = await trigger(ctx, 'j')
    expect(await claim(ctx, 10)).toEqual([])
    expect(await codeOf(triggerRun(ctx, 'refuser', {}, origin))).toBe('job_paused')
    await resumeJob(ctx, { ...asked, job: 'j' })
    expect(await claim(ctx, 10)).toMatchObject([{ runId: run.id }])
  })

  test('with more lanes than one claim examines, none is left out', async () => {
    const { ctx } = await testYard()
    await addJob(ctx, 'j')
    await triggerRuns(
      ctx,
      'j',
      Array.from({ length: 400 }, (_, i) => ({ concurrencyKey: `k${i}` })),
      origin,
    )
    const claimer = makeClaimer(ctx)
    const seen = new Set<string>()
    for (let i = 0; i < 20 && seen.size < 400; i++)
      for (const it of await claim(ctx, 100, {}, claimer)) seen.add(it.runId)
    expect(seen.size).toBe(400)
  })

  test('a worker only gets runs of its own project', async () => {
    const { ctx, sql } = await testYard()
    await insertProject(sql, { id: 'other', name: 'Other' })
    await addJob(ctx, 'j')
    await trigger(ctx, 'j')
    expect(await claim(ctx, 10, { projectId: 'other' })).toEqual([])
    expect(await claim(ctx, 10, { projectId: 'default' })).toHaveLength(1)
  })
})

describe('times and schedules', () => {
  test('a run is rescheduled, with another payload, and back to now', async () => {
    const { ctx } = await testYard()
    await addJob(ctx, 'j')
    const run = await trigger(ctx, 'j', { payload: 1 })
    const target = { projectId: 'default', actor: TESTER, runId: run.id }
    const later = await rescheduleRun(ctx, { ...target, scheduledAt: new Date(Date.now() + 3_600_000), payload: 2 })
    expect(later.state).toBe('delayed')
    expect(await claim(ctx, 1)).toEqual([])
    expect((await rescheduleRun(ctx, { ...target, scheduledAt: new Date() })).state).toBe('queued')
    expect(await claim(ctx, 1)).toMatchObject([{ payload: 2 }])
    expect(await codeOf(rescheduleRun(ctx, { ...target, scheduledAt: new Date() }))).toBe('wrong_state')
    expect(await codeOf(rescheduleRun(ctx, { ...target, scheduledAt: new Date(Date.now() - 3_600_000) }))).toBe(
      'invalid',
    )
  })

  test('a cron triggers once per tick, however many nodes look, and its run names the tick as its cause', async () => {
    const { ctx, sql } = await testYard()
    const job = await addJob(ctx, 'j', { cron: '0 * * * *', cronPayload: { nightly: true } })
    await sql`update jobs set next_cron_at = date_trunc('hour', now()) where id = ${job.id}`
    await Promise.all([cron(ctx).tick(NEVER), cron(ctx).tick(NEVER), cron(ctx).tick(NEVER)])
    const runs = await sql`select r.triggered_by, r.correlation_id, e.causation_id, f.id as fired from runs r
      join events e on e.run_id = r.id and e.sequence = 1 join events f on f.type = 'schedule.fired'`
    expect(runs).toHaveLength(1)
    expect(runs[0]).toMatchObject({
      triggered_by: 'cron',
      correlation_id: runs[0]!.fired,
      causation_id: runs[0]!.fired,
    })
    expect((await sql`select from jobs where next_cron_at > now()`).length).toBe(1)
    expect(await claim(ctx, 1)).toMatchObject([{ payload: { nightly: true } }])
  })

  test('missed ticks are run as the job says: none, one or all', async () => {
    const { ctx, sql } = await testYard()
    for (const cronMissedPolicy of ['skip', 'one', 'all'] as const)
      await addJob(ctx, cronMissedPolicy, { cron: '0 0 1 1 *', cronMissedPolicy })
    // Three years of an annual tick, the last one long ago.
    await sql`update jobs set next_cron_at = date_trunc('year', now()) - interval '2 years'`
    await cron(ctx).tick(NEVER)
    const counts =
      await sql`select j.slug, count(r.id)::int as n from jobs j left join runs r on r.job_id = j.id group by 1 order by 1`
    expect([...counts]).toEqual([
      { slug: 'all', n: 3 },
      { slug: 'one', n: 1 },
      { slug: 'skip', n: 0 },
    ])
  })

  test('a tick while the last run is still in progress is skipped, or replaces it, as the job says', async () => {
    const { ctx, sql } = await testYard()
    for (const cronOverlapPolicy of ['skip', 'cancel_running'] as const)
      await addJob(ctx, cronOverlapPolicy, { cron: '0 0 1 1 *', cronOverlapPolicy })
    for (let tick = 0; tick < 2; tick++) {
      await sql`update jobs set next_cron_at = date_trunc('year', now())`
      await cron(ctx).tick(NEVER)
    }
    const states =
      await sql`select j.slug, s.state, count(*)::int as n from run_states s join runs r on r.id = s.run_id join jobs j on j.id = r.job_id group by 1, 2 order by 1, 2`
    expect([...states]).toEqual([
      { slug: 'cancel_running', state: 'canceled', n: 1 },
      { slug: 'cancel_running', state: 'queued', n: 1 },
      { slug: 'skip', state: 'queued', n: 1 },
    ])
    expect((await sql`select from events where type = 'schedule.skipped'`).length).toBe(1)
  })
})
