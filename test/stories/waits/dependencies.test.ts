import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { type Call, codeOf, httpYard, trigger, until, untilState } from '../../support/http-yard.ts'
import { expectTrueStories } from '../../support/story.ts'

/** A job for each slug, all executed by workers from a queue of their own. */
async function jobs(call: Call, ...slugs: string[]): Promise<void> {
  for (const slug of slugs) await call('POST', '/v1/jobs', { slug, execution: 'worker', queue: slug, max_attempts: 1 })
}

const depend = (call: Call, job: string, on: string, condition?: string) =>
  call('POST', `/v1/jobs/${job}/dependencies`, { depends_on: on, ...(condition && { condition }) })

/** Claims the next run of a job and ends it. */
async function end(call: Call, queue: string, outcome: object = { outcome: 'completed' }): Promise<void> {
  const { runs } = (await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: [queue], wait_secs: 10 })).body
  const { run, lease_token } = runs[0]
  const settled = await call('POST', '/v1/workers/settle', {
    settlements: [{ run_id: run.id, lease_token, ...outcome }],
  })
  expect(settled.body.results[0].error).toBe(undefined)
}

const stateOf = async (call: Call, run: { id: string }) => (await call('GET', `/v1/runs/${run.id}`)).body.status

test('a run waits until the runs of all jobs that its job depends on have ended as required', async () => {
  const { call, url } = await httpYard()
  await jobs(call, 'extract', 'check', 'load')
  expect(await depend(call, 'load', 'extract')).toMatchObject({ status: 201, body: { condition: 'completed' } })
  expect((await depend(call, 'load', 'check', 'any')).status).toBe(201)
  const run = await trigger(call, 'load')
  expect(run.status).toBe('waiting')
  expect((await call('GET', `/v1/runs/${run.id}/why`)).body).toMatchObject({
    reason: 'wait',
    details: { for: 'dependencies', jobs: ['extract', 'check'] },
  })
  await trigger(call, 'extract')
  await end(call, 'extract')
  const status = await until(
    () => call('GET', `/v1/runs/${run.id}/dependency-status`),
    (reply) => reply.body.dependencies[0].met,
  )
  expect(status.body).toMatchObject({
    run_id: run.id,
    status: 'waiting',
    dependencies_satisfied: false,
    dependencies: [
      { condition: 'completed', run_status: 'completed', met: true },
      { condition: 'any', run_id: null, run_status: null, met: false },
    ],
  })
  const canceled = await trigger(call, 'check')
  await call('DELETE', `/v1/runs/${canceled.id}`)
  await untilState(call, run.id, ['queued'])
  expect((await call('GET', `/v1/runs/${run.id}/dependency-status`)).body.dependencies_satisfied).toBe(true)
  await end(call, 'load')
  await untilState(call, run.id, ['completed'])
  // They have ended before: the next one need not wait.
  expect((await trigger(call, 'load')).status).toBe('queued')
  const sql = connect(url, { max: 1 })
  await expectTrueStories(sql)
  await sql.end()
})

test('each condition of a dependency is met by the ends that it names, and by no other', async () => {
  const { call } = await httpYard()
  await jobs(call, 'source', 'on-completed', 'on-failed', 'on-any')
  for (const condition of ['completed', 'failed', 'any']) await depend(call, `on-${condition}`, 'source', condition)
  const begins = async () => {
    const states: Record<string, string> = {}
    for (const condition of ['completed', 'failed', 'any'])
      states[condition] = (await trigger(call, `on-${condition}`)).status
    return states
  }
  await trigger(call, 'source')
  await end(call, 'source')
  expect(await begins()).toEqual({ completed: 'queued', failed: 'waiting', any: 'queued' })
  await trigger(call, 'source')
  await end(call, 'source', { outcome: 'failed', error: 'x' })
  expect(await begins()).toEqual({ completed: 'waiting', failed: 'queued', any: 'queued' })
  const gone = await trigger(call, 'source')
  await call('DELETE', `/v1/runs/${gone.id}`)
  expect(await begins()).toEqual({ completed: 'waiting', failed: 'waiting', any: 'queued' })
})

test('runs with a key consider only runs with the same key', async () => {
  const { call } = await httpYard()
  await jobs(call, 'a', 'b')
  await depend(call, 'b', 'a')
  const first = await trigger(call, 'b', { idempotency_key: 'monday' })
  const second = await trigger(call, 'b', { metadata: { dependency_key: 'tuesday' } })
  const third = await trigger(call, 'b', { payload: { dependency_key: 'wednesday' } })
  expect(third.metadata).toEqual({ dependency_key: 'wednesday' })
  const free = await trigger(call, 'b')
  await trigger(call, 'a', { idempotency_key: 'sunday' })
  await end(call, 'a')
  await untilState(call, free.id, ['queued'])
  expect([await stateOf(call, first), await stateOf(call, second)]).toEqual(['waiting', 'waiting'])
  await trigger(call, 'a', { idempotency_key: 'monday' })
  await end(call, 'a')
  await untilState(call, first.id, ['queued'])
  await trigger(call, 'a', { payload: { dependency_key: 'tuesday' } })
  await end(call, 'a')
  await untilState(call, second.id, ['queued'])
  expect(await stateOf(call, third)).toBe('waiting')
})

test('a delayed run checks its dependencies when it is due, and a reschedule to now does not bypass them', async () => {
  const { call } = await httpYard()
  await jobs(call, 'a', 'b')
  await depend(call, 'b', 'a')
  const soon = await trigger(call, 'b', { delay_secs: 1 })
  const later = await trigger(call, 'b', { delay_secs: 3600 })
  expect([soon.status, later.status]).toEqual(['delayed', 'delayed'])
  await untilState(call, soon.id, ['waiting'])
  await call('POST', `/v1/runs/${later.id}/reschedule`, { scheduled_at: new Date().toISOString() })
  await untilState(call, later.id, ['waiting'])
  await trigger(call, 'a')
  await end(call, 'a')
  await untilState(call, soon.id, ['queued'])
  await untilState(call, later.id, ['queued'])
})

test('a run that waits for dependencies expires with its time to live, and can be canceled', async () => {
  const { call } = await httpYard()
  await jobs(call, 'a', 'b')
  await depend(call, 'b', 'a')
  const short = await trigger(call, 'b', { ttl_secs: 1 })
  const other = await trigger(call, 'b')
  expect((await call('DELETE', `/v1/runs/${other.id}`)).body.status).toBe('canceled')
  const over = await untilState(call, short.id, ['timed_out'])
  expect(over.body.error).toBe('timed out waiting for the jobs that it depends on')
})

test('a removed dependency no longer holds runs back', async () => {
  const { call } = await httpYard()
  await jobs(call, 'a', 'b', 'c')
  const made = (await depend(call, 'c', 'a')).body
  await depend(call, 'c', 'b')
  const run = await trigger(call, 'c')
  expect((await call('DELETE', `/v1/jobs/c/dependencies/${made.id}`)).status).toBe(204)
  expect((await call('GET', '/v1/jobs/c/dependencies')).body.data).toHaveLength(1)
  expect(codeOf(await call('DELETE', `/v1/jobs/c/dependencies/${made.id}`))).toBe('dependency_not_found')
  expect(await stateOf(call, run)).toBe('waiting')
  // What others wait for is not taken away from under them.
  const needed = await call('DELETE', '/v1/jobs/b')
  expect([needed.status, codeOf(needed)]).toEqual([409, 'job_needed'])
  const b = (await call('GET', '/v1/jobs/b')).body.id
  expect((await call('DELETE', `/v1/jobs/c/dependencies/${b}`)).status).toBe(204)
  expect((await call('DELETE', '/v1/jobs/b')).status).toBe(204)
  await untilState(call, run.id, ['queued'])
  expect((await trigger(call, 'c')).status).toBe('queued')
})

test('cycles, duplicates, unknown jobs and jobs of other projects are refused as dependencies', async () => {
  const { call } = await httpYard()
  await jobs(call, 'a', 'b', 'c')
  await depend(call, 'b', 'a')
  await depend(call, 'c', 'b')
  expect(codeOf(await depend(call, 'a', 'c'))).toBe('dependency_cycle')
  expect(codeOf(await depend(call, 'a', 'a'))).toBe('dependency_cycle')
  expect(codeOf(await depend(call, 'b', 'a', 'any'))).toBe('dependency_exists')
  expect(codeOf(await depend(call, 'b', 'nothing'))).toBe('job_not_found')
  expect(codeOf(await depend(call, 'b', 'c', 'perhaps'))).toBe('invalid')
  const stranger = { key: (await call('POST', '/v1/projects', { id: 'other', name: 'Other' })).body.key }
  const own = (await call('POST', '/v1/jobs', { slug: 'own', execution: 'worker' }, stranger)).body
  expect(codeOf(await depend(call, 'a', own.id))).toBe('job_not_found')
  const run = await trigger(call, 'c')
  expect((await call('GET', `/v1/runs/${run.id}/dependency-status`, undefined, stranger)).status).toBe(404)
})

test('of two simultaneous dependencies that would close a cycle, at most one is added', async () => {
  const { call } = await httpYard()
  for (let round = 0; round < 10; round++) {
    const [a, b] = [`a${round}`, `b${round}`]
    await jobs(call, a, b)
    const both = await Promise.all([depend(call, a, b), depend(call, b, a)])
    expect(both.map((it) => it.status).sort()).toEqual([201, 409])
  }
})

test('when ends and triggers happen at once, no run is left waiting for what has ended', {
  timeout: 60_000,
}, async () => {
  const { call } = await httpYard()
  await jobs(call, 'a', 'b')
  await depend(call, 'b', 'a')
  for (let round = 0; round < 15; round++) {
    const key = `round-${round}`
    await trigger(call, 'a', { idempotency_key: key })
    const [, ...dependents] = await Promise.all([
      end(call, 'a'),
      ...Array.from({ length: 3 }, (_, n) =>
        trigger(call, 'b', {
          metadata: { n: String(n) },
          payload: { round },
          idempotency_key: n === 0 ? key : undefined,
        }),
      ),
    ])
    for (const run of dependents) await untilState(call, run.id, ['queued'])
  }
})
