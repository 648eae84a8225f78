// What a schedule does after nobody was there to fire it, and how little that costs.
import { Cron } from 'croner'
import { describe, expect, test } from 'vitest'
import { lockDueCrons } from '#jobs/due-crons.sql.ts'
import { ticksBetween } from '#jobs/schedule.ts'
import type { Sql } from '#postgres/sql.ts'
import { moveRuns } from '#run-state/move/move-runs.sql.ts'
import { cron } from '#runs/trigger/cron.duty.ts'
import { triggerRun } from '#runs/trigger/trigger-runs.ts'
import { writtenColumns } from '../../support/db.ts'
import { addJob, NEVER, TESTER, testYard } from '../../support/yard.ts'

const DAY_MS = 86_400_000

describe('the cron ticks between two times', () => {
  const walked = (expression: string, timezone: string, { from, to, max }: { from: Date; to: Date; max: number }) => {
    const ticks: Date[] = []
    const at = new Cron(expression, { timezone, paused: true })
    for (let tick = at.nextRun(new Date(from.getTime() - 1000)); tick && tick <= to; tick = at.nextRun(tick))
      if (tick >= from) ticks.push(tick)
    return ticks.slice(-max)
  }

  test('the ticks between two times are the same as those found by walking forward, even when clocks change', () => {
    const windows = [
      ['Europe/Berlin', '2026-03-28T20:00:00Z', '2026-03-29T06:00:00Z'],
      ['Europe/Berlin', '2026-10-24T20:00:00Z', '2026-10-25T06:00:00Z'],
      ['America/New_York', '2026-03-08T04:00:00Z', '2026-03-08T12:00:00Z'],
      ['Australia/Lord_Howe', '2026-04-04T10:00:00Z', '2026-04-05T20:00:00Z'],
      ['UTC', '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'],
    ] as const
    for (const expression of [
      '*/15 * * * *',
      '30 2 * * *',
      '0 * * * *',
      '30 1,2,3 * * *',
      '0 0 * * *',
      '*/7 */3 * * *',
    ])
      for (const [timezone, from, to] of windows)
        for (const max of [1, 5, 1000]) {
          const asked = { from: new Date(from), to: new Date(to), max }
          const name = `${expression} ${timezone} ${from} ${max}`
          expect(ticksBetween(expression, timezone, asked), name).toEqual(walked(expression, timezone, asked))
        }
  })

  test('the ticks between two times include both ends, and stop before a time that is not reached', () => {
    const at = (text: string) => new Date(`2026-01-01T${text}Z`)
    const minutes = (from: string, to: string) =>
      ticksBetween('* * * * *', 'UTC', { from: at(from), to: at(to), max: 10 }).map((it) => it.toISOString().slice(11))
    expect(minutes('10:00:00', '10:02:00')).toEqual(['10:00:00.000Z', '10:01:00.000Z', '10:02:00.000Z'])
    expect(minutes('10:00:00.001', '10:01:59.999')).toEqual(['10:01:00.000Z'])
    expect(minutes('10:00:30', '10:00:59.999')).toEqual([])
  })

  test('finding ticks costs no more when the first was long ago', () => {
    const to = new Date('2026-06-15T12:00:00Z')
    const startMs = performance.now()
    const ticks = ticksBetween('* * * * * *', 'Europe/Berlin', {
      from: new Date(to.getTime() - 7 * DAY_MS),
      to,
      max: 100,
    })
    expect(performance.now() - startMs).toBeLessThan(1000)
    expect([ticks.length, ticks[0], ticks.at(-1)]).toEqual([100, new Date(to.getTime() - 99_000), to])
  })
})

test('a schedule by the second that missed a week catches up immediately, as each policy says', async () => {
  const { ctx, sql } = await testYard()
  for (const cronMissedPolicy of ['skip', 'one', 'all'] as const)
    await addJob(ctx, cronMissedPolicy, { cron: '* * * * * *', cronMissedPolicy })
  await sql`update jobs set next_cron_at = date_trunc('second', now()) - interval '7 days'`
  const startMs = performance.now()
  await cron(ctx).tick(NEVER)
  expect(performance.now() - startMs).toBeLessThan(10_000)
  const counts =
    await sql`select j.slug, count(r.id)::int as n from jobs j left join runs r on r.job_id = j.id group by 1 order by 1`
  const [all, ...others] = counts.map(({ n }) => n as number)
  // Seconds that pass meanwhile are ticks as well.
  expect(all).toBeGreaterThanOrEqual(100)
  expect(all).toBeLessThan(120)
  // On time is what is not later than a minute.
  for (const n of others) {
    expect(n).toBeGreaterThanOrEqual(60)
    expect(n).toBeLessThan(80)
  }
})

test('a job whose tick fails neither delays the others nor is retried immediately', async () => {
  const { ctx, sql } = await testYard()
  const bad = await addJob(ctx, 'bad', { cron: '0 * * * *' })
  await addJob(ctx, 'good', { cron: '0 * * * *' })
  await sql`update jobs set next_cron_at = date_trunc('hour', now()) - case slug when 'bad' then interval '1 hour' else interval '0' end`
  await sql`create function refuse_bad() returns trigger language plpgsql as
    $$ begin raise exception 'this job makes no runs'; end $$`
  await sql.unsafe(`create trigger refuse_bad before insert on runs for each row
    when (new.job_id = '${bad.id}') execute function refuse_bad()`)
  await cron(ctx).tick(NEVER)
  expect([...(await sql`select j.slug from runs r join jobs j on j.id = r.job_id`)]).toEqual([{ slug: 'good' }])
  expect((await sql`select from jobs where next_cron_at > now()`).length).toBe(2)
  const [failed] = await sql`select resource_id, level, data::jsonb as data from events where type = 'schedule.failed'`
  expect(failed).toMatchObject({ level: 'error', data: { job: 'bad' } })
  // What was written before it failed is gone with it.
  expect((await sql`select from events where type = 'schedule.fired'`).length).toBe(1)
})

test('a job whose cron expression can no longer be parsed is postponed, and reported', async () => {
  const { ctx, sql } = await testYard()
  const bad = await addJob(ctx, 'bad', { cron: '0 * * * *' })
  await addJob(ctx, 'good', { cron: '0 * * * *' })
  await sql`update job_versions set definition = jsonb_set(definition, '{cron}', '"no cron"') where job_id = ${bad.id}`
  await sql`update jobs set next_cron_at = date_trunc('hour', now()) - case slug when 'bad' then interval '1 hour' else interval '0' end`
  await cron(ctx).tick(NEVER)
  expect((await sql`select from runs`).length).toBe(1)
  expect((await sql`select from jobs where next_cron_at > now()`).length).toBe(2)
  expect((await sql`select from events where type = 'schedule.failed'`).length).toBe(1)
})

/** So many copies of the job `first` in each of these projects; all are due. */
async function copyJobs(sql: Sql, counts: Record<string, number>): Promise<void> {
  const names = Object.keys(counts)
  await sql`insert into projects (id, name) select id, id from unnest(${names}::text[]) as t (id) on conflict do nothing`
  const columns = sql.unsafe(await writtenColumns(sql, 'jobs'))
  await sql`
    with made as (
      insert into jobs (${columns})
      select ${columns} from (
        select (jsonb_populate_record(j, jsonb_build_object('id', gen_random_uuid(), 'slug', 'copy-' || n,
          'project_id', t.id))).*
        from jobs j, unnest(${names}::text[], ${Object.values(counts)}::int[]) as t (id, count),
          generate_series(1, t.count) n
        where j.slug = 'first'
      ) copies
      returning id
    )
    insert into job_versions select (jsonb_populate_record(v, jsonb_build_object('id', gen_random_uuid(), 'job_id', made.id))).*
    from job_versions v, made`
  await sql`update jobs set next_cron_at = date_trunc('minute', now())`
}

test('jobs are triggered by the hundreds in one transaction, each tick once, also by two nodes at the same time', async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'first', { cron: '* * * * *' })
  await copyJobs(sql, { default: 1_199, b: 300 })
  await Promise.all([cron(ctx).tick(NEVER), cron(ctx).tick(NEVER)])
  const [fired] = await sql`
    select count(*)::int as ticks, count(distinct resource_id)::int as jobs, count(distinct xid)::int as transactions
    from events where type = 'schedule.fired'`
  expect(fired!.jobs).toBe(1_500)
  // 500 at a time where there are so many, and none smaller than what others have left.
  expect(fired!.transactions).toBeLessThanOrEqual(12)
  const [twice] = await sql`
    select count(*)::int as n from (select 1 from runs group by job_id, metadata->>'tick' having count(*) > 1) twice`
  expect(twice!.n).toBe(0)
  const [runs] = await sql`
    select count(*)::int as n, count(*) filter (where correlation_id <> '' and triggered_by = 'cron')::int as cron from runs`
  expect(runs!.n).toBeGreaterThanOrEqual(1_500)
  expect(runs!.cron).toBe(runs!.n)
})

test("a project with a thousand jobs does not keep another's only job waiting", async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'first', { cron: '* * * * *' })
  await copyJobs(sql, { default: 999, z: 1 })
  await sql.begin(async (tx) => {
    const { jobIds, after } = await lockDueCrons(tx as unknown as Sql, '', 100)
    const projects = await tx<{ project_id: string }[]>`select project_id from jobs where id = any(${jobIds}::uuid[])`
    expect(jobIds.length).toBeLessThanOrEqual(101)
    expect(projects.filter((it) => it.project_id === 'z')).toHaveLength(1)
    expect(after).toBeUndefined()
  })
})

test('more projects than one look covers get their turns one after the other', async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'first', { cron: '* * * * *' })
  await copyJobs(sql, Object.fromEntries(Array.from({ length: 520 }, (_, n) => [`p${String(n).padStart(3, '0')}`, 1])))
  await cron(ctx).tick(NEVER)
  await cron(ctx).tick(NEVER)
  const [late] = await sql`select count(*)::int as n from jobs where next_cron_at <= date_trunc('minute', now())`
  expect(late!.n).toBe(0)
  const [runs] = await sql`select count(distinct project_id)::int as n from runs`
  expect(runs!.n).toBe(521)
})

test('one job that fails costs no other job of its batch its tick', async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'first', { cron: '* * * * *' })
  await copyJobs(sql, { default: 60 })
  await sql`update job_versions set definition = jsonb_set(definition, '{cron}', '"no cron"')
    where job_id = (select id from jobs where slug = 'copy-30')`
  await cron(ctx).tick(NEVER)
  const fired = await sql`select distinct j.slug from runs r join jobs j on j.id = r.job_id`
  expect(fired.length).toBe(60)
  const failed = await sql`select data::jsonb as data from events where type = 'schedule.failed'`
  expect(failed.map((row) => row.data.job)).toEqual(['copy-30'])
})

for (const cronOverlapPolicy of ['skip', 'cancel_running'] as const)
  test(`a run scheduled for tomorrow does not overlap with a tick: ${cronOverlapPolicy}`, async () => {
    const { ctx, sql } = await testYard()
    await addJob(ctx, 'j', { cron: '* * * * *', cronOverlapPolicy })
    const origin = { projectId: 'default', actor: TESTER, triggeredBy: 'manual' as const }
    const planned = await triggerRun(ctx, 'j', { scheduledAt: new Date(Date.now() + DAY_MS) }, origin)
    await triggerRun(ctx, 'j', { delaySecs: 86_400 }, origin)
    const tick = async () => {
      await sql`update jobs set next_cron_at = date_trunc('minute', now())`
      await cron(ctx).tick(NEVER)
    }
    await tick()
    const states = async (triggeredBy: string) =>
      (
        await sql<{ state: string }[]>`
          select s.state from run_states s join runs r on r.id = s.run_id where r.triggered_by = ${triggeredBy} order by r.created_at, r.id`
      ).map((row) => row.state)
    expect(await states('manual')).toEqual(['delayed', 'delayed'])
    expect(await states('cron')).toEqual(['queued'])
    expect(planned).not.toBeInstanceOf(Error)
    // What is under way is still an overlap, and so is a run between two attempts.
    await tick()
    expect(await states('manual')).toEqual(['delayed', 'delayed'])
    expect(await states('cron')).toEqual(cronOverlapPolicy === 'skip' ? ['queued'] : ['canceled', 'queued'])
    const [queued] = await sql<{ id: string }[]>`
      select r.id from runs r join run_states s on s.run_id = r.id where r.triggered_by = 'cron' and s.state = 'queued'`
    await moveRuns(sql, [{ runId: queued!.id, move: 'start', actor: TESTER }])
    await moveRuns(sql, [{ runId: queued!.id, move: 'retryLater', actor: TESTER, nextAttempt: 2, dueInMs: 3_600_000 }])
    await tick()
    expect((await states('cron')).filter((state) => state === 'queued').length).toBe(
      cronOverlapPolicy === 'skip' ? 0 : 1,
    )
  })
