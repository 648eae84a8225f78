// What would otherwise have no end: dead letters that nobody redrives, and external runs that nobody reports any more.
import { expect, onTestFinished, test } from 'vitest'
import type { Sql } from '#postgres/sql.ts'
import { connect } from '#postgres/sql.ts'
import { ageRuns } from '#test/support/yard.ts'
import { deleteOldRuns, dropOldPayloads } from '#upkeep/retention.sql.ts'
import { type Call, httpYard, until, untilState } from '../../support/http-yard.ts'
import { expectTrueStories } from '../../support/story.ts'

const sqlOf = (url: string): Sql => {
  const sql = connect(url, { max: 2 })
  onTestFinished(() => sql.end())
  return sql
}

const addJob = (call: Call) => call('POST', '/v1/jobs', { slug: 'j', execution: 'worker', max_attempts: 1 })

/** Dead letters of the job `j`, in the order of their creation. */
async function bury(call: Call, count: number): Promise<string[]> {
  const items = Array.from({ length: count }, (_, n) => ({ payload: { n } }))
  await call('POST', '/v1/jobs/j/runs/batch', { items })
  const { runs } = (await call('POST', '/v1/workers/claim', { worker_id: 'w', limit: count })).body
  type Claimed = { run: { id: string }; lease_token: string }
  const settlements = runs.map((it: Claimed) => ({
    run_id: it.run.id,
    lease_token: it.lease_token,
    outcome: 'failed',
    error: 'no luck',
  }))
  await call('POST', '/v1/workers/settle', { settlements })
  return runs.map((it: Claimed) => it.run.id).sort()
}

const statusOf = async (call: Call, id: string): Promise<string> => (await call('GET', `/v1/runs/${id}`)).body.status

test('a dismissed dead letter is permanently failed, and still shows its error', async () => {
  const { call, url } = await httpYard()
  await addJob(call)
  const [id] = await bury(call, 1)
  const buried = (await call('GET', `/v1/runs/${id}`)).body
  const dismissed = await call('DELETE', `/v1/runs/${id}`, { reason: 'known' })
  expect(dismissed.status).toBe(200)
  expect(dismissed.body).toMatchObject({ status: 'failed', error: 'no luck', finished_at: buried.finished_at })
  const { data } = (await call('GET', `/v1/runs/${id}/events`)).body
  expect(data.at(-1)).toMatchObject({ type: 'run.dismissed', message: 'known', actor_type: 'api_key' })
  expect((await call('GET', '/v1/runs/dlq')).body.data).toEqual([])
  expect((await call('POST', `/v1/runs/${id}/dlq-replay`)).body.error.code).toBe('wrong_state')
  expect((await call('DELETE', `/v1/runs/${id}`)).body.error.code).toBe('run_over')
  expect((await call('POST', `/v1/runs/${id}/replay`)).status).toBe(201)
  await expectTrueStories(sqlOf(url))
})

test('a bulk cancel dismisses the dead letters among its runs', async () => {
  const { call } = await httpYard()
  await addJob(call)
  const [dead] = await bury(call, 1)
  const queued = (await call('POST', '/v1/jobs/j/runs', {})).body.id
  const reply = await call('POST', '/v1/runs/bulk-cancel', { run_ids: [dead, queued, 'nobody'] })
  expect(reply.body).toMatchObject({ total: 3, canceled: 1, dismissed: 1, failed: 1 })
  expect(reply.body.results).toMatchObject([
    { id: dead, status: 'failed' },
    { id: queued, status: 'canceled' },
    { error: { code: 'run_not_found' } },
  ])
})

test('an operation dismisses dead letters; one that cancels everything leaves them alone unless it names them', async () => {
  const { call } = await httpYard()
  await addJob(call)
  const ids = await bury(call, 6)
  const queued = (await call('POST', '/v1/jobs/j/runs', {})).body.id
  const done = async (kind: string, filter: object, max?: number) => {
    const begun = await call('POST', '/v1/operations', { kind, filter, ...(max && { max_runs: max }) })
    expect(begun.status).toBe(202)
    const ended = await until(
      () => call('GET', `/v1/operations/${begun.body.id}`),
      (reply) => reply.body.status !== 'running',
    )
    return ended.body
  }
  expect(await done('cancel', { all: true })).toMatchObject({ status: 'completed', done: 1 })
  expect(await statusOf(call, queued)).toBe('canceled')
  expect(await done('dismiss', { all: true }, 2)).toMatchObject({ status: 'completed', done: 2 })
  expect(await Promise.all(ids.slice(0, 3).map((id) => statusOf(call, id)))).toEqual([
    'failed',
    'failed',
    'dead_letter',
  ])
  expect(await done('cancel', { status: ['dead_letter'] })).toMatchObject({ status: 'completed', done: 4 })
  expect((await call('GET', '/v1/stats')).body.runs).toMatchObject({ dead_letter: 0, failed: 6, canceled: 1 })
  const refused = await call('POST', '/v1/operations', { kind: 'dismiss', filter: { status: ['queued'] } })
  expect(refused.status).toBe(422)
})

test('of a simultaneous dismissal and redrive each gets its outcome, and the log agrees', async () => {
  const { call, url } = await httpYard()
  await addJob(call)
  const ids = await bury(call, 20)
  await Promise.all(ids.flatMap((id) => [call('DELETE', `/v1/runs/${id}`), call('POST', `/v1/runs/${id}/dlq-replay`)]))
  const states = new Set(await Promise.all(ids.map((id) => statusOf(call, id))))
  // Whichever came first: a dismissed run is failed, and one that was redriven before it is canceled.
  for (const state of states) expect(['failed', 'canceled', 'queued']).toContain(state)
  await expectTrueStories(sqlOf(url))
})

test('dialects show a dismissed dead letter as failed, and their own cancels dismiss none', async () => {
  const { call } = await httpYard()
  await addJob(call)
  const [one, other] = await bury(call, 2)
  await call('DELETE', `/v1/runs/${one}`)
  expect((await call('GET', `/strait/v1/runs/${one}`)).body).toMatchObject({ status: 'failed', error: 'no luck' })
  expect((await call('GET', `/dynamiq/v1/runs/${one}`)).body.data).toMatchObject({ status: 'failed' })
  expect((await call('DELETE', `/strait/v1/runs/${other}`)).status).toBe(400)
  expect((await call('POST', `/dynamiq/v1/runs/${other}/cancel`)).status).toBeLessThan(500)
  expect(await statusOf(call, other!)).toBe('dead_letter')
})

test('retention deletes dead letters with the other runs, and keeps what a redrive needs until then', async () => {
  const { call, url } = await httpYard()
  await addJob(call)
  const [id] = await bury(call, 1)
  const sql = sqlOf(url)
  await ageRuns(sql, 40)
  expect(await dropOldPayloads(sql, 30, 10)).toBe(0)
  expect(await deleteOldRuns(sql, 90, 10)).toBe(0)
  expect(await deleteOldRuns(sql, 30, 10)).toBe(1)
  expect((await call('GET', `/v1/runs/${id}`)).status).toBe(404)
  expect((await call('GET', '/v1/stats')).body.runs.dead_letter).toBe(0)
})

test('an external run ends when nobody has reported on it for as long as the operator allows', async () => {
  const { call, url } = await httpYard({ RUNYARD_EXTERNAL_SILENCE_SECS: '2' })
  const report = (run: string, type = 'step') => call('POST', '/v1/events', { type, run_id: run })
  await report('silent')
  await report('alive')
  // Reports keep it alive for longer than the silence takes.
  const beating = setInterval(() => void report('alive'), 250)
  onTestFinished(() => clearInterval(beating))
  const ended = await untilState(call, 'silent', ['timed_out'], 15_000)
  expect(ended.body).toMatchObject({ error: 'no event was reported for 2 s', error_code: 'silent' })
  expect(await statusOf(call, 'alive')).toBe('executing')
  const { data } = (await call('GET', '/v1/runs/silent/events')).body
  expect(data.at(-1)).toMatchObject({ type: 'run.timed_out', actor_type: 'system', data: { silence_secs: 2 } })
  expect((await report('silent', 'run.completed')).body.error.code).toBe('run_over')
  clearInterval(beating)
  await untilState(call, 'alive', ['timed_out'], 15_000)
  const sql = sqlOf(url)
  await ageRuns(sql, 2)
  expect(await deleteOldRuns(sql, 1, 10)).toBe(2)
})

test('a run that a governed call named, and one under an AI lease, end by silence only when nothing else can end them', async () => {
  const { call, url } = await httpYard({ RUNYARD_EXTERNAL_SILENCE_SECS: '1' })
  const once = (path: string, body: object) => call('POST', `/onceonly/v1${path}`, body)
  expect((await once('/ai/lease', { key: 'k', ttl: 3600 })).status).toBe(200)
  await call('POST', '/v1/events', { type: 'tool_call', run_id: 'named', agent_id: 'a', tool: 't' })
  await call('POST', '/v1/agents/a/authorize', { tool: 't', run_id: 'named' })
  await untilState(call, 'named', ['timed_out'], 15_000)
  const sql = sqlOf(url)
  const [held] = await sql<{ run_ref: string }[]>`select run_ref from ai_leases where key like '%k'`
  expect(await statusOf(call, held!.run_ref)).toBe('executing')
})

test('a payload that retention has deleted is reported as gone, and one that was null is not', async () => {
  const { call, url } = await httpYard({ RUNYARD_KEEP_PAYLOADS_DAYS: '0' })
  await addJob(call)
  const old = (await call('POST', '/v1/jobs/j/runs', { payload: { n: 1 } })).body.id
  const bare = (await call('POST', '/v1/jobs/j/runs', {})).body.id
  for (const id of [old, bare]) await call('DELETE', `/v1/runs/${id}`)
  const sql = sqlOf(url)
  await ageRuns(sql, 40, [old])
  expect(await dropOldPayloads(sql, 30, 10)).toBe(1)
  const read = async (id: string) => (await call('GET', `/v1/runs/${id}?include=payload,result`)).body
  expect(await read(old)).toMatchObject({ payload: null, result: null, payload_gone: true })
  expect(await read(bare)).toMatchObject({ payload: null, result: null })
  expect(await read(bare)).not.toHaveProperty('payload_gone')
  expect((await call('GET', `/strait/v1/runs/${old}`)).body).toMatchObject({ payload_gone: true })
  expect((await call('GET', `/v1/runs/${old}/debug-bundle`)).body.run).toMatchObject({ payload_gone: true })
  expect((await call('POST', `/v1/runs/${old}/replay`)).body.error.code).toBe('payload_gone')
})
