import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { asAttempt, claimOne, settleOne, typesOf, workerJob } from '../../support/builders/attempts.ts'
import { codeOf, httpYard, openNode, trigger, until, untilState } from '../../support/http-yard.ts'
import { expectTrueStories } from '../../support/story.ts'

const DAY_SECS = 86_400

test('a run sleeps without a lease, and the same attempt goes on with its checkpoint', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', workerJob('j', { max_attempts: 1 }))
  const run = await trigger(call, 'j')
  const first = await claimOne(call)
  await asAttempt(call, first, 'checkpoint', { state: { step: 1 } })
  const slept = await asAttempt(call, first, 'waits', { key: 'nap/1', sleep_secs: 0.5 })
  expect(slept).toMatchObject({
    status: 200,
    body: { key: 'nap/1', status: 'waiting', run_status: 'waiting', items: [], winner: null },
  })
  expect((await call('GET', `/v1/runs/${run.id}/why`)).body).toMatchObject({
    reason: 'wait',
    until: slept.body.until,
    details: { for: 'sleep', key: 'nap/1' },
  })
  const again = await claimOne(call)
  expect(again).toMatchObject({ run: { id: run.id, attempt: 1 }, checkpoint: { state: { step: 1 } } })
  const over = await asAttempt(call, again, 'waits', { key: 'nap/1', sleep_secs: 0.5 })
  expect(over.body).toMatchObject({ status: 'done', run_status: 'executing', until: slept.body.until })
  const kept = await asAttempt(call, again, `state/${encodeURIComponent('wait:nap/1')}`)
  expect(kept.body.value).toMatchObject({ key: 'nap/1', status: 'done' })
  expect((await settleOne(call, again)).body.results[0].error).toBeUndefined()
  expect(await typesOf(call, run.id)).toEqual(
    'run.created run.started checkpoint.saved run.waiting state.set run.woken run.started run.completed'.split(' '),
  )
})

test('a sleep may be a year long and no longer, and one that is over already does not rest the run', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', workerJob('j'))
  await trigger(call, 'j')
  const it = await claimOne(call)
  const inDays = (days: number) => new Date(Date.now() + days * DAY_SECS * 1000).toISOString()
  const fieldsOf = async (body: object) => {
    const reply = await asAttempt(call, it, 'waits', body)
    expect([reply.status, codeOf(reply)], JSON.stringify(body)).toEqual([422, 'invalid'])
    return reply.body.error.details.fields.map((one: { field: string }) => one.field)
  }
  expect(await fieldsOf({ key: 'k', sleep_secs: 367 * DAY_SECS })).toEqual(['sleep_secs'])
  expect(await fieldsOf({ key: 'k', until: inDays(367) })).toEqual(['until'])
  expect(await fieldsOf({ key: 'k', until: 'tomorrow' })).toEqual(['until'])
  expect(await fieldsOf({ key: 'k' })).toEqual(['for'])
  expect(await fieldsOf({ key: 'k', sleep_secs: 1, until: inDays(1) })).toEqual(['until'])
  expect(await fieldsOf({ key: 'k', sleep_secs: 1, mode: 'any' })).toEqual(['mode'])
  expect(await fieldsOf({ key: 'k', for: [] })).toEqual(['for'])
  expect(await fieldsOf({ key: 'k', for: [{}] })).toEqual(['for.0'])
  expect(await fieldsOf({ key: 'k', for: [{ event_key: 'e', run_id: it.run.id }] })).toEqual(['for.0.run_id'])
  expect(await fieldsOf({ key: 'k', for: [{ event_key: 'e' }, { run_id: 'nowhere' }] })).toEqual(['for.1.run_id'])
  expect(await fieldsOf({ key: 'k', for: [{ run_id: it.run.id }] })).toEqual(['for.0.run_id'])
  expect(await fieldsOf({ key: '', sleep_secs: 1 })).toEqual(['key'])
  for (const [key, more] of [
    ['zero', { sleep_secs: 0 }],
    ['past', { until: inDays(-1) }],
  ] as const)
    expect((await asAttempt(call, it, 'waits', { key, ...more })).body).toMatchObject({
      status: 'done',
      run_status: 'executing',
    })
  expect((await asAttempt(call, it, 'waits', { key: 'long', until: inDays(365) })).body.status).toBe('waiting')
})

test('a lost reply is answered again, and a key means one thing', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', workerJob('j'))
  await trigger(call, 'j')
  const it = await claimOne(call)
  const paid = { key: 'paid', for: [{ event_key: 'paid/7' }] }
  const [one, two] = [await asAttempt(call, it, 'waits', paid), await asAttempt(call, it, 'waits', paid)]
  expect(one.body).toMatchObject({ status: 'waiting', items: [{ event_key: 'paid/7', done: false }] })
  expect(two.body).toEqual(one.body)
  const other = { ...paid, for: [{ event_key: 'paid/8' }] }
  expect(codeOf(await asAttempt(call, it, 'waits', other))).toBe('wait_mismatch')
  expect(codeOf(await asAttempt(call, it, 'waits', { key: 'nap', sleep_secs: 1 }))).toBe('wrong_state')
  await call('POST', '/v1/events/paid%2F7/send', { payload: { amount: 3 } })
  const again = await claimOne(call)
  expect(again.checkpoint).toBe(null)
  expect((await asAttempt(call, again, 'waits', paid)).body).toMatchObject({
    status: 'done',
    run_status: 'executing',
    items: [{ event_key: 'paid/7', done: true, payload: { amount: 3 }, event_id: expect.any(String) }],
  })
  expect(codeOf(await asAttempt(call, again, 'waits', other))).toBe('wait_mismatch')
  expect(codeOf(await asAttempt(call, again, 'waits', { key: 'paid', sleep_secs: 1 }))).toBe('wait_mismatch')
})

test('a wait for all goes on with all payloads, a wait for any with the first, and leaves the others to come', async () => {
  const { call, url } = await httpYard()
  await call('POST', '/v1/jobs', workerJob('j'))
  const run = await trigger(call, 'j')
  const it = await claimOne(call)
  const events = [{ event_key: 'a' }, { event_key: 'b' }]
  await asAttempt(call, it, 'waits', { key: 'both', for: events })
  expect((await call('GET', `/v1/runs/${run.id}/why`)).body.sentence).toBe('It is waiting for all of a, b.')
  const sent = await call('POST', '/v1/events/b/send', { payload: 2 })
  expect(sent.body).toMatchObject({ id: run.id, status: 'waiting' })
  expect((await call('GET', `/v1/runs/${run.id}/why`)).body).toMatchObject({
    sentence: 'It is waiting for a; 1 of 2 are done.',
    details: { event_keys: ['a'], done: 1, items: 2 },
  })
  const last = await call('POST', '/v1/events/a/send', { payload: 1 })
  expect(last.body).toMatchObject({ id: run.id, status: 'queued' })
  const second = await claimOne(call)
  expect((await asAttempt(call, second, 'waits', { key: 'both', for: events })).body).toMatchObject({
    status: 'done',
    winner: null,
    items: [{ payload: 1 }, { payload: 2 }],
  })
  const either = { key: 'either', for: events, mode: 'any' }
  expect((await asAttempt(call, second, 'waits', either)).body.status).toBe('waiting')
  await call('POST', '/v1/events/b/send', { payload: 'first' })
  const third = await claimOne(call)
  expect((await asAttempt(call, third, 'waits', either)).body).toMatchObject({
    status: 'done',
    winner: 1,
    items: [
      { event_key: 'a', done: false },
      { event_key: 'b', payload: 'first' },
    ],
  })
  expect((await call('POST', '/v1/events/a/send', {})).status).toBe(202)
  const sql = connect(url, { max: 1 })
  expect((await sql`select * from wait_items`).length).toBe(0)
  await settleOne(call, third)
  await expectTrueStories(sql)
  await sql.end()
})

test('a run waits for the ends of several children, which may have ended already', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', workerJob('p', { queue: 'p' }))
  await call('POST', '/v1/jobs', workerJob('c', { queue: 'c', max_attempts: 1 }))
  await trigger(call, 'p')
  const it = await claimOne(call, 'p')
  const spawn = async (key: string) => (await asAttempt(call, it, 'spawn', { job: 'c', key })).body.id
  const children = [await spawn('one'), await spawn('two'), await spawn('three')]
  expect(await spawn('one')).toBe(children[0])
  await settleOne(call, await claimOne(call, 'c'), { outcome: 'completed', result: { n: 1 } })
  const asked = { key: 'all', for: children.map((run_id) => ({ run_id })) }
  const begun = await asAttempt(call, it, 'waits', asked)
  expect(begun.body).toMatchObject({
    status: 'waiting',
    items: [{ done: true, result: { n: 1 } }, { done: false }, {}],
  })
  await settleOne(call, await claimOne(call, 'c'), { outcome: 'failed', error: 'no luck' })
  await settleOne(call, await claimOne(call, 'c'), { outcome: 'completed', result: 'x'.repeat(70_000) })
  const again = await claimOne(call, 'p')
  expect((await asAttempt(call, again, 'waits', asked)).body).toMatchObject({
    status: 'done',
    items: [
      { run_id: children[0], status: 'completed', result: { n: 1 } },
      { run_id: children[1], status: 'dead_letter', error: 'no luck' },
      { run_id: children[2], status: 'completed', result_omitted: true },
    ],
  })
  // A child that failed is still the child of its key, and everything is known at once.
  const replayed = await asAttempt(call, again, 'spawn', { job: 'c', key: 'two' })
  expect(replayed).toMatchObject({ status: 200, body: { id: children[1], replayed: true } })
  const any = { key: 'any', mode: 'any', for: asked.for }
  expect((await asAttempt(call, again, 'waits', any)).body).toMatchObject({ status: 'done', winner: 0 })
})

test('a time-out is an outcome if the run says so, and its end otherwise', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', workerJob('j'))
  await trigger(call, 'j')
  const it = await claimOne(call)
  const asked = { key: 'k', for: [{ event_key: 'a' }, { event_key: 'b' }], timeout_secs: 0.3, on_timeout: 'continue' }
  await asAttempt(call, it, 'waits', asked)
  await call('POST', '/v1/events/a/send', { payload: 'came' })
  const again = await claimOne(call)
  expect((await asAttempt(call, again, 'waits', asked)).body).toMatchObject({
    status: 'timed_out',
    run_status: 'executing',
    items: [{ done: true, payload: 'came' }, { done: false }],
  })
  await asAttempt(call, again, 'waits', { key: 'l', for: [{ event_key: 'c' }], timeout_secs: 0.3 })
  expect((await untilState(call, it.run.id, ['timed_out'])).body.error_code).toBe('wait_timeout')
})

test('an event that comes early is taken by the first wait for it, and by no other', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', workerJob('j'))
  const early = await call('POST', '/v1/events/early/send', { payload: { n: 1 } })
  expect(early).toMatchObject({ status: 202, body: { event_key: 'early', to: 'first', delivered: 0 } })
  expect(Date.parse(early.body.expires_at) - Date.now()).toBeGreaterThan((DAY_SECS - 60) * 1000)
  const refused = await call('POST', '/v1/events/early/send', { keep_secs: 0 })
  expect(codeOf(refused)).toBe('wait_not_found')
  await trigger(call, 'j')
  await trigger(call, 'j')
  const [a, b] = [await claimOne(call), await claimOne(call)]
  const asked = { key: 'k', for: [{ event_key: 'early' }] }
  expect((await asAttempt(call, a, 'waits', asked)).body).toMatchObject({
    status: 'done',
    run_status: 'executing',
    items: [{ payload: { n: 1 } }],
  })
  expect((await asAttempt(call, b, 'waits', asked)).body.status).toBe('waiting')
  const types = await typesOf(call, a.run.id)
  expect(types).toEqual(['run.created', 'run.started', 'event.received', 'state.set'])
})

test('an event for all reaches everybody who waits, however they wait, and those who begin until it expires', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', workerJob('j'))
  for (let count = 0; count < 4; count++) await trigger(call, 'j')
  const runs = [await claimOne(call), await claimOne(call), await claimOne(call), await claimOne(call)] as const
  const asked = { key: 'k', for: [{ event_key: 'open' }] }
  await asAttempt(call, runs[0], 'waits', asked)
  await asAttempt(call, runs[1], 'waits', asked)
  await asAttempt(call, runs[2], 'wait-for-event', { event_key: 'open' })
  const sent = await call('POST', '/v1/events/open/send', { payload: 'now', to: 'all', keep_secs: 600 })
  expect(sent).toMatchObject({ status: 202, body: { to: 'all', delivered: 3 } })
  for (const it of runs.slice(0, 3)) await untilState(call, it.run.id, ['queued'])
  expect((await asAttempt(call, runs[3], 'waits', asked)).body).toMatchObject({
    status: 'done',
    items: [{ payload: 'now' }],
  })
})

test('a wait for an event in the old way takes a kept event too', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', workerJob('j'))
  await call('POST', '/v1/events/early/send', { payload: { n: 1 } })
  await trigger(call, 'j')
  const it = await claimOne(call)
  expect((await asAttempt(call, it, 'wait-for-event', { event_key: 'early' })).status).toBe(200)
  expect(await claimOne(call)).toMatchObject({ run: { id: it.run.id }, checkpoint: { state: { n: 1 } } })
})

test('runs do not wait for each other in a circle', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', workerJob('j'))
  for (let count = 0; count < 3; count++) await trigger(call, 'j')
  const [a, b, c] = [await claimOne(call), await claimOne(call), await claimOne(call)]
  const waitFor = (it: typeof a, ...others: (typeof a)[]) =>
    asAttempt(call, it, 'waits', { key: 'k', for: others.map(({ run }) => ({ run_id: run.id })) })
  expect((await waitFor(a, b)).body.status).toBe('waiting')
  expect((await waitFor(b, c)).body.status).toBe('waiting')
  const refused = await waitFor(c, a)
  expect([refused.status, codeOf(refused)]).toEqual([409, 'wait_cycle'])
  expect((await call('GET', `/v1/runs/${c.run.id}`)).body.status).toBe('executing')
})

test("another project's events and runs are not there", async () => {
  const { call } = await httpYard()
  const { body } = await call('POST', '/v1/projects', { id: 'other', name: 'Other' })
  const stranger = { key: body.key }
  await call('POST', '/v1/jobs', workerJob('j'))
  await trigger(call, 'j')
  const it = await claimOne(call)
  await call('POST', '/v1/jobs', workerJob('j'), stranger)
  const theirs = (await call('POST', '/v1/jobs/j/runs', {}, stranger)).body
  expect((await asAttempt(call, it, 'waits', { key: 'k', for: [{ run_id: theirs.id }] })).status).toBe(422)
  await asAttempt(call, it, 'waits', { key: 'k', for: [{ event_key: 'e' }] })
  expect((await call('POST', '/v1/events/e/send', {}, stranger)).status).toBe(202)
  expect((await call('GET', `/v1/runs/${it.run.id}`)).body.status).toBe('waiting')
})

test('a sleep survives the node that it began on', async () => {
  const { call, node, url } = await httpYard()
  await call('POST', '/v1/jobs', workerJob('j'))
  const run = await trigger(call, 'j')
  await asAttempt(call, await claimOne(call), 'waits', { key: 'nap', sleep_secs: 1 })
  await node.close()
  await openNode(url)
  const sql = connect(url, { max: 1 })
  await until(
    () => sql<{ state: string }[]>`select state from run_states where run_id = ${run.id}`,
    ([row]) => row!.state === 'queued',
  )
  await sql.end()
})
