// What a run keeps of the runs that it spawned, or waited for, under keys of its own.
import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { ageRuns } from '#test/support/yard.ts'
import { deleteOldRuns, dropOldPayloads } from '#upkeep/retention.sql.ts'
import { asAttempt, type Claimed, claimOne, settleOne, workerJob } from '../../support/builders/attempts.ts'
import { type Call, codeOf, httpYard, trigger, untilState } from '../../support/http-yard.ts'

async function parentOf(call: Call): Promise<Claimed> {
  await call('POST', '/v1/jobs', workerJob('p', { queue: 'p' }))
  await call('POST', '/v1/jobs', workerJob('c', { queue: 'c', max_attempts: 1 }))
  await trigger(call, 'p')
  return claimOne(call, 'p')
}

const spawn = (call: Call, it: Claimed, more: object) => asAttempt(call, it, 'spawn', { job: 'c', ...more })

test('children stay with their results as long as their parent may ask for them', async () => {
  const { call, url } = await httpYard()
  const it = await parentOf(call)
  const { id } = (await spawn(call, it, { key: 'one' })).body
  await settleOne(call, await claimOne(call, 'c'), { outcome: 'completed', result: { n: 1 } })
  const sql = connect(url, { max: 1 })
  await ageRuns(sql, 40)
  await sql`update run_states set started_at = started_at - interval '40 days'`
  expect([await dropOldPayloads(sql, 30, 10), await deleteOldRuns(sql, 30, 10)]).toEqual([0, 0])
  expect((await spawn(call, it, { key: 'one' })).body).toMatchObject({ id, replayed: true })
  const waited = await asAttempt(call, it, 'waits', { key: 'k', for: [{ run_id: id }] })
  expect(waited.body).toMatchObject({ status: 'done', items: [{ run_id: id, result: { n: 1 } }] })
  await settleOne(call, it)
  expect(await deleteOldRuns(sql, 30, 10)).toBe(1)
  await sql.end()
})

test('the outcome of a wait is answered again after the runs that it was for were deleted', async () => {
  const { call, url } = await httpYard()
  const it = await parentOf(call)
  await trigger(call, 'c')
  const other = await claimOne(call, 'c')
  const [first, second] = ['first', 'second'].map((key) => ({ key, for: [{ run_id: other.run.id }] }))
  await settleOne(call, other, { outcome: 'completed', result: 'kept' })
  expect((await asAttempt(call, it, 'waits', first)).body.status).toBe('done')
  const sql = connect(url, { max: 1 })
  await sql`update runs set created_at = created_at - interval '40 days' where id = ${other.run.id}`
  await sql`update run_states set finished_at = finished_at - interval '40 days'`
  expect(await deleteOldRuns(sql, 30, 10)).toBe(1)
  expect((await asAttempt(call, it, 'waits', first)).body).toMatchObject({
    status: 'done',
    items: [{ run_id: other.run.id, result: 'kept' }],
  })
  const refused = await asAttempt(call, it, 'waits', second)
  expect(refused.body.error.details.fields).toEqual([
    { field: 'for.0.run_id', message: 'is not a run of this project' },
  ])
  await sql.end()
})

test('a run is the same however it is named, and another run is another wait', async () => {
  const { call, url } = await httpYard()
  const it = await parentOf(call)
  await call('POST', '/v1/events', { run_id: 'theirs', type: 'step' })
  await trigger(call, 'c')
  const other = (await claimOne(call, 'c')).run.id
  const sql = connect(url, { max: 1 })
  const [row] = await sql<{ id: string }[]>`select id from runs where client_id = 'theirs'`
  await sql.end()
  const wait = (by: Claimed, runId: string) => asAttempt(call, by, 'waits', { key: 'k', for: [{ run_id: runId }] })
  expect((await wait(it, row!.id)).body).toMatchObject({ status: 'waiting', items: [{ run_id: 'theirs' }] })
  for (const name of ['theirs', row!.id, row!.id.toUpperCase()])
    expect((await wait(it, name)).body, name).toMatchObject({ status: 'waiting', items: [{ run_id: 'theirs' }] })
  expect(codeOf(await wait(it, other))).toBe('wait_mismatch')
  await call('POST', '/v1/events', { run_id: 'theirs', type: 'run.completed' })
  const again = await claimOne(call, 'p')
  for (const name of ['theirs', row!.id, row!.id.toUpperCase()])
    expect((await wait(again, name)).body, name).toMatchObject({ status: 'done', items: [{ run_id: 'theirs' }] })
  expect(codeOf(await wait(again, other))).toBe('wait_mismatch')
  const own = (key: string, runId: string) => asAttempt(call, again, 'waits', { key, for: [{ run_id: runId }] })
  expect((await own('own', other.toUpperCase())).body).toMatchObject({ status: 'waiting', items: [{ run_id: other }] })
})

test('a child that its idempotency key found is kept under its key as well, and a key is of one job', async () => {
  const { call } = await httpYard()
  const it = await parentOf(call)
  const { id } = (await call('POST', '/v1/jobs/c/runs', { idempotency_key: 'i' })).body
  const found = await spawn(call, it, { key: 'one', idempotency_key: 'i' })
  expect(found).toMatchObject({ status: 200, body: { id, replayed: true } })
  // The idempotency key is free as soon as that run has failed.
  await settleOne(call, await claimOne(call, 'c'), { outcome: 'failed', error: 'no luck' })
  await untilState(call, id, ['dead_letter'])
  expect((await spawn(call, it, { key: 'one', idempotency_key: 'i' })).body).toMatchObject({ id, replayed: true })
  const refused = await spawn(call, it, { key: 'one', job: 'p' })
  expect(refused.body.error.details.fields).toEqual([{ field: 'key', message: 'is that of a child of job c' }])
})

test('what the engine keeps for a run cannot be overwritten by its attempt', async () => {
  const { call } = await httpYard()
  const it = await parentOf(call)
  for (const key of ['wait:k', 'child:k']) {
    const refused = await asAttempt(call, it, 'state', { key, value: 'nonsense' })
    expect([refused.status, refused.body.error.details.fields[0].field], key).toEqual([422, 'key'])
  }
  expect((await asAttempt(call, it, 'state', { key: 'waits', value: 1 })).status).toBe(201)
  expect((await asAttempt(call, it, 'waits', { key: 'k', sleep_secs: 0 })).body.status).toBe('done')
  expect((await spawn(call, it, { key: 'k' })).status).toBe(201)
})

test('items with the same key are given one event each, or all of them the one for everybody', async () => {
  const { call } = await httpYard()
  const it = await parentOf(call)
  for (const payload of [1, 2]) await call('POST', '/v1/events/e/send', { payload })
  await call('POST', '/v1/events/open/send', { payload: 'all', to: 'all', keep_secs: 600 })
  const keys = ['open', 'e', 'open', 'e', 'e']
  const asked = { key: 'k', for: keys.map((event_key) => ({ event_key })) }
  const begun = await asAttempt(call, it, 'waits', asked)
  const payloads = begun.body.items.map((item: { payload?: unknown }) => item.payload)
  expect([begun.body.status, payloads]).toEqual(['waiting', ['all', 1, 'all', 2, undefined]])
  expect(new Set(begun.body.items.map((item: { event_id?: string }) => item.event_id)).size).toBe(5)
  await call('POST', '/v1/events/e/send', { payload: 3 })
  const again = await claimOne(call, 'p')
  const done = (await asAttempt(call, again, 'waits', asked)).body
  expect([done.status, done.items[4].payload]).toEqual(['done', 3])
})

test('pages of what a run keeps end when they hold too many bytes, and lead on to the rest', async () => {
  const { call } = await httpYard()
  const it = await parentOf(call)
  const value = Buffer.from(crypto.getRandomValues(new Uint8Array(47_000))).toString('base64')
  for (let count = 0; count < 80; count++) {
    const key = `k${String(count).padStart(2, '0')}`
    expect((await asAttempt(call, it, 'state', { key, value })).status).toBe(201)
  }
  for (const mount of ['/v1', '/strait/v1']) {
    const keys: string[] = []
    const counts: number[] = []
    for (let cursor: string | null | undefined = ''; cursor != null; ) {
      const page = await call('GET', `${mount}/runs/${it.run.id}/state?limit=100${cursor && `&cursor=${cursor}`}`)
      const rows: { key?: string; state_key?: string }[] = page.body.data ?? page.body
      counts.push(rows.length)
      keys.push(...rows.map((row) => row.key ?? row.state_key!))
      cursor = mount === '/v1' ? page.body.next_cursor : page.headers.get('x-next-cursor')
    }
    expect(new Set(keys).size, mount).toBe(80)
    expect(counts.length, mount).toBeGreaterThan(1)
  }
})
