import { expect, test } from 'vitest'
import { dependsOn, readDependencyStandings } from '#jobs/dependencies.sql.ts'
import { addDependency } from '#jobs/job-dependencies.ts'
import { connect, type Sql } from '#postgres/sql.ts'
import { callerOf, httpYard, until } from '../../support/http-yard.ts'
import { addJob, TESTER, testYard } from '../../support/yard.ts'

test('of two dependencies that would close a cycle of four jobs, one is refused', async () => {
  const { ctx, sql } = await testYard()
  let circles = 0
  const codes: string[] = []
  for (let round = 0; round < 30; round++) {
    const [a, _b, _c, _d] = await Promise.all(['a', 'b', 'c', 'd'].map((it) => addJob(ctx, `${it}${round}`)))
    const add = (job: string, dependsOn: string) =>
      addDependency(ctx, {
        projectId: 'default',
        actor: TESTER,
        job: `${job}${round}`,
        dependsOn: `${dependsOn}${round}`,
        condition: 'completed',
      })
    await add('a', 'b')
    await add('c', 'd')
    const both = await Promise.allSettled([add('b', 'c'), add('d', 'a')])
    for (const it of both) if (it.status === 'rejected') codes.push(it.reason.code)
    if (await dependsOn(sql, a!.id, a!.id)) circles++
  }
  expect(circles).toBe(0)
}, 60_000)

test('a cancel of the ancestor of a run that awaits its child leaves no wait behind', async () => {
  const { call, url } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker', queue: 'j' })
  const claim = async () =>
    (await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: ['j'], wait_secs: 5 })).body.runs[0]
  const { body: top } = await call('POST', '/v1/jobs/j/runs', {})
  const g = await claim()
  await call('POST', `/v1/runs/${top.id}/spawn`, { job: 'j' }, { key: g.run_token })
  const p = await claim()
  await call('POST', `/v1/runs/${p.run.id}/spawn`, { job: 'j', await_completion: true }, { key: p.run_token })
  expect((await call('DELETE', `/v1/runs/${top.id}`)).body.status).toBe('canceled')
  const sql = connect(url, { name: 'look' }) as unknown as Sql
  const left = [...(await sql`select w.kind, s.state from waits w join run_states s using (run_id)`)]
  await (sql as unknown as { end: () => Promise<void> }).end()
  expect(left).toEqual([])
})

test('dependency-status is fast when the job depended on has a long backlog', async () => {
  const { ctx, sql } = await testYard()
  const dep = await addJob(ctx, 'dep', { queue: 'dep' })
  const job = await addJob(ctx, 'j')
  await addDependency(ctx, { projectId: 'default', actor: TESTER, job: 'j', dependsOn: 'dep', condition: 'completed' })
  await sql`
    with made as (
      insert into runs (id, project_id, job_id, job_version, execution, queue, triggered_by, created_by_type, correlation_id, rank, timeout_secs, max_attempts, tags, metadata, concurrency_key, created_at)
      select gen_random_uuid(), 'default', ${dep.id}, 1, 'worker', 'dep', 'manual', 'user', 'x', 0, 300, 3, '{}', '{}', '', clock_timestamp() - n * interval '1 ms' from generate_series(1, 200000) n returning id, created_at)
    insert into run_states (run_id, project_id, state, last_sequence, created_at, state_since) select id, 'default', 'queued', 1, created_at, created_at from made`
  await sql.unsafe('analyze runs')
  await sql.unsafe('analyze run_states')
  const times: number[] = []
  for (let i = 0; i < 5; i++) {
    const t = performance.now()
    await readDependencyStandings(sql, job.id, null)
    times.push(Math.round(performance.now() - t))
  }
  expect(times.sort((a, b) => a - b)[2]).toBeLessThan(50)
}, 120_000)
test('a bulk cancel of a parent and the child that it awaits does not stop the waits of others', async () => {
  const { call, address } = await httpYard()
  const stranger = callerOf(address, (await call('POST', '/v1/projects', { id: 'other' })).body.key)
  for (const it of [call, stranger])
    await it('POST', '/v1/jobs', { slug: 'j', execution: 'worker', queue: 'j', max_attempts: 1 })
  const claim = async (it: typeof call) =>
    (await it('POST', '/v1/workers/claim', { worker_id: 'w', queues: ['j'], wait_secs: 5 })).body.runs[0]
  const parentAndChild = async (it: typeof call) => {
    await it('POST', '/v1/jobs/j/runs', {})
    const p = await claim(it)
    const child = await it(
      'POST',
      `/v1/runs/${p.run.id}/spawn`,
      { job: 'j', await_completion: true },
      { key: p.run_token },
    )
    return { parent: p.run.id as string, child: child.body.id as string }
  }
  const mine = await parentAndChild(call)
  const more = await parentAndChild(call)
  const reply = await call('POST', '/v1/runs/bulk-cancel', {
    run_ids: [mine.parent, mine.child, more.parent, more.child],
  })
  expect(reply.body).toMatchObject({ canceled: 4 })
  // Another tenant's parent, whose child completes.
  const theirs = await parentAndChild(stranger)
  const c = await claim(stranger)
  await stranger('POST', '/v1/workers/settle', {
    settlements: [{ run_id: c.run.id, lease_token: c.lease_token, outcome: 'completed' }],
  })
  const state = async () => (await stranger('GET', `/v1/runs/${theirs.parent}`)).body.status
  const state2 = await until(state, (it) => it === 'queued', 30_000).catch(() => state())
  await fetch(`${address}/health/ready`)
  expect(state2).toBe('queued')
}, 60_000)
