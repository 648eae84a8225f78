import { describe, expect, test } from 'vitest'
import { rescheduleRun } from '#runs/control/move-by-hand.ts'
import { cron } from '#runs/trigger/cron.duty.ts'
import { claim, codeOf, trigger } from '../../support/builders/runs.ts'
import { addJob, NEVER, TESTER, testYard } from '../../support/yard.ts'

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
    expect((await claim(ctx, 1))[0]!.payload!.value).toBe(2)
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
    expect((await claim(ctx, 1))[0]!.payload!.value).toEqual({ nightly: true })
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
