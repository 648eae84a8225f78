// A run that nobody asks for says so.
import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { retention } from '#upkeep/retention.duty.ts'
import { testDatabase } from '../../support/db.ts'
import { type Call, callerOf, httpYard, KEY, openNode, until } from '../../support/http-yard.ts'
import { testYard } from '../../support/yard.ts'

const trigger = async (call: Call, job: string): Promise<string> =>
  (await call('POST', `/v1/jobs/${job}/runs`, {})).body.id
const why = async (call: Call, runId: string) => (await call('GET', `/v1/runs/${runId}/why`)).body
const ask = async (call: Call, more: object = {}) =>
  (await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: ['reports'], limit: 1, ...more })).body.runs

test('a queued run says that no worker claims from its queue, until one does', async () => {
  const { call, url } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'report', execution: 'worker', queue: 'reports' })
  const first = await trigger(call, 'report')
  const second = await trigger(call, 'report')
  expect(await why(call, first)).toMatchObject({
    status: 'queued',
    reason: 'no_worker',
    sentence: 'No worker claims from queue reports: none has asked within a day.',
    details: { queue: 'reports', asked_at: null },
  })
  // Asking for another queue, or in another project, is not asking for this one.
  const stranger = (await call('POST', '/v1/projects', { id: 'other', name: 'Other' })).body.key
  await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: ['reports'] }, { key: stranger })
  await ask(call, { queues: ['other'] })
  expect((await why(call, first)).reason).toBe('no_worker')

  const [claimed] = await ask(call)
  await until(
    () => why(call, second),
    (it) => it.reason === 'turn',
  )
  // Silent for long, and busy: it asks again when it is done.
  const sql = connect(url, { max: 1 })
  const silence = () => sql`update queue_claimers set asked_at = now() - interval '10 minutes'`
  await silence()
  expect((await why(call, second)).reason).toBe('turn')
  const lease = { run_id: claimed.run.id, lease_token: claimed.lease_token }
  await call('POST', '/v1/workers/settle', { settlements: [{ ...lease, outcome: 'completed' }] })
  expect(await why(call, second)).toMatchObject({
    reason: 'no_worker',
    sentence: expect.stringMatching(/^No worker claims from queue reports: the last one asked at \d{4}-/),
  })
  await sql.end()
})

test('a run for an endpoint says when no node dispatches, and its position when one does', async () => {
  const { url } = await testDatabase()
  const call = callerOf((await openNode(url, { RUNYARD_ROLES: 'api' })).address, KEY)
  await call('POST', '/v1/jobs', { slug: 'hook', execution: 'http', endpoint_url: 'http://127.0.0.1:9/' })
  const run = await trigger(call, 'hook')
  expect(await why(call, run)).toMatchObject({
    reason: 'no_worker',
    sentence: 'No node with the role engine dispatches runs: none has asked within a day.',
  })
})

test('names of queues that a client invents are bounded, and forgotten after a day', async () => {
  const { call, url } = await httpYard()
  const sql = connect(url, { max: 1 })
  for (let at = 0; at < 1_100; at += 20)
    await ask(call, { queues: Array.from({ length: 20 }, (_, n) => `made-up-${at + n}`) })
  const countOf = async () => (await sql`select count(*)::int as n from queue_claimers where project_id <> ''`)[0]!.n
  await until(countOf, (n) => n >= 1_000)
  expect(await countOf()).toBeLessThan(1_100)
  await sql.end()
  const { ctx, sql: own } = await testYard()
  await own`insert into queue_claimers values ('default', 'old', now() - interval '2 days'), ('default', 'new', now())`
  await retention(ctx, { eventsDays: null, deltasDays: null, payloadsDays: null, runsDays: null }).tick(
    new AbortController().signal,
  )
  expect((await own`select queue from queue_claimers`).map((row) => row.queue)).toEqual(['new'])
})
