import { expect, test } from 'vitest'
import { connect, type Sql } from '#postgres/sql.ts'
import { claimOne, typesOf, workerJob } from '../../support/builders/attempts.ts'
import { awaitBlocked } from '../../support/db.ts'
import { type Call, callerOf, codeOf, httpYard, openNode, type Reply, trigger } from '../../support/http-yard.ts'

const debounced = (slug: string, debounce: object = {}, more: object = {}) =>
  workerJob(slug, { debounce: { period_secs: 3600, key: '/doc', ...debounce }, ...more })

const edit = (call: Call, doc: string, text: string, more: object = {}): Promise<Reply> =>
  call('POST', '/v1/jobs/index/runs', { payload: { doc, text }, ...more })

test('triggers in quick succession are one run, which gets the last payload and starts after a quiet period', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', debounced('index'))
  const first = await edit(call, 'a', 'one', { tags: { by: 'first' } })
  expect(first).toMatchObject({ status: 201, body: { status: 'delayed' } })
  const { id } = first.body
  expect(await edit(call, 'a', 'two')).toMatchObject({ status: 200, body: { id, debounced: true } })
  expect((await edit(call, 'b', 'x')).status).toBe(201)
  expect((await edit(call, 'b', 'x', { debounce_key: 'a' })).body).toMatchObject({ id, debounced: true })
  const last = await edit(call, 'a', 'three', { idempotency_key: 'k' })
  expect(last.body).toMatchObject({ id, debounced: true, tags: { by: 'first' } })
  expect((await call('GET', `/v1/runs/${id}`)).body.payload).toEqual({ doc: 'a', text: 'three' })
  // The key of a merged trigger stands for its run: a repeat changes nothing.
  expect(await edit(call, 'a', 'three', { idempotency_key: 'k' })).toMatchObject({
    status: 200,
    body: { id, replayed: true },
  })
  expect(codeOf(await edit(call, 'a', 'other', { idempotency_key: 'k' }))).toBe('idempotency_mismatch')

  expect(await typesOf(call, id)).toEqual(['run.created', 'run.debounced', 'run.debounced', 'run.debounced'])
  const why = (await call('GET', `/v1/runs/${id}/why`)).body
  expect(why).toMatchObject({ reason: 'debounce', details: { triggers: 4 } })
  const timed = await edit(call, 'a', 'later', { delay_secs: 5 })
  expect(timed.body.error.details.fields).toMatchObject([{ field: 'delay_secs' }])
})

test('a debounced run begins, and the next trigger is a run of its own', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', debounced('index', { period_secs: 1 }))
  const { id } = (await edit(call, 'a', 'one')).body
  await edit(call, 'a', 'two')
  const claimed = await claimOne(call)
  expect(claimed).toMatchObject({ run: { id }, payload: { doc: 'a', text: 'two' } })
  expect((await edit(call, 'a', 'three')).status).toBe(201)
})

test('however often it is triggered, a debounced run starts after its maximum delay', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', debounced('index', { period_secs: 600, max_delay_secs: 700 }))
  const first = (await edit(call, 'a', 'one')).body
  const whenOf = async (id: string) => (await call('GET', `/v1/runs/${id}/why`)).body
  const secsBetween = (from: string, to: string) => (new Date(to).getTime() - new Date(from).getTime()) / 1000
  expect(secsBetween(first.created_at, (await whenOf(first.id)).until)).toBeCloseTo(600, 1)
  await call('PATCH', '/v1/jobs/index', { debounce: { period_secs: 700, max_delay_secs: 700, key: '/doc' } })
  // A run of an older version of the job takes no more triggers: the next one is a new run.
  const next = await edit(call, 'a', 'two')
  expect(next.status).toBe(201)
  expect((await edit(call, 'a', 'three')).body).toMatchObject({ id: next.body.id, debounced: true })
  const { until, details } = await whenOf(next.body.id)
  expect(secsBetween(details.begun_at, details.begins_by)).toBe(700)
  // Not 700 s from the second trigger, but no later than from the first.
  expect(secsBetween(until, details.begins_by)).toBeCloseTo(0, 0)
})

test('a batch merges its items by key, and a child is a run of its own', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', debounced('index'))
  const items = ['a', 'b', 'a', 'a'].map((doc, n) => ({ payload: { doc, text: String(n) } }))
  const { body } = await call('POST', '/v1/jobs/index/runs/batch', { items })
  expect(body).toMatchObject({ created: 2, debounced: 2, refused: 0 })
  const [a, b] = body.results
  expect([a.status, b.status, body.results[2]]).toMatchObject([
    'created',
    'created',
    { status: 'debounced', run: { id: a.run.id } },
  ])
  expect((await call('GET', `/v1/runs/${a.run.id}`)).body.payload.text).toBe('3')
  const child = await edit(call, 'a', 'child', { parent_run_id: b.run.id })
  expect(child).toMatchObject({ status: 201, body: { status: 'queued', parent_run_id: b.run.id } })
})

test('two nodes that are triggered at the same time make one run of one key', async () => {
  const { call, url } = await httpYard()
  const second = callerOf((await openNode(url)).address)
  await call('POST', '/v1/jobs', debounced('index'))
  const replies = await Promise.all(
    Array.from({ length: 30 }, (_, n) => edit(n % 2 === 0 ? call : second, n % 3 === 0 ? 'a' : 'b', String(n))),
  )
  expect(replies.filter(({ status }) => status === 201)).toHaveLength(2)
  expect(replies.filter(({ body }) => body.debounced)).toHaveLength(28)
  expect((await call('GET', '/v1/runs')).body.data).toHaveLength(2)
})

test('a trigger that comes while the run is being canceled makes a new run instead of changing the old one', async () => {
  // A cancels the run, and is held up before its commit.
  // B triggers the same key, and waits for the row of the run behind A.
  // A commits → B finds no run to merge into, and makes one.
  const { call, url } = await httpYard()
  const sql = connect(url, { max: 2 }) as unknown as Sql
  await call('POST', '/v1/jobs', debounced('index'))
  const { id } = (await edit(call, 'a', 'one')).body
  let triggered: Promise<Reply> | undefined
  await sql.begin(async (tx) => {
    await tx`update run_states set state = 'canceled', last_sequence = last_sequence + 1 where run_id = ${id}`
    triggered = edit(call, 'a', 'two')
    await awaitBlocked(sql)
  })
  const reply = (await triggered)!
  expect([reply.status, reply.body.id === id]).toEqual([201, false])
  expect((await call('GET', `/v1/runs/${id}`)).body.payload.text).toBe('one')
  expect((await trigger(call, 'index', { payload: { doc: 'a' } })).id).toBe(reply.body.id)
  await sql.end()
})
