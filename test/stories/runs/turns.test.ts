import { describe, expect, test } from 'vitest'
import { insertProject } from '#access/keys.sql.ts'
import { pauseJob, resumeJob } from '#jobs/change-jobs.ts'
import { makeClaimer } from '#runs/attempts/claimer.ts'
import { triggerRun, triggerRuns } from '#runs/trigger/trigger-runs.ts'
import { claim, codeOf, trigger } from '../../support/builders/runs.ts'
import { addJob, ORIGIN, TESTER, testYard } from '../../support/yard.ts'

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
      ORIGIN,
    )
    const { run } = await triggerRun(ctx, 'one', {}, { ...ORIGIN, projectId: 'small' })
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
      ORIGIN,
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
      ORIGIN,
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
      ORIGIN,
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
    expect(await codeOf(triggerRun(ctx, 'refuser', {}, ORIGIN))).toBe('job_paused')
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
      ORIGIN,
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
