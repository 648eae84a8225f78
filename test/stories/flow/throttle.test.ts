import { expect, test } from 'vitest'
import { connect, type Sql } from '#postgres/sql.ts'
import { settleOne, workerJob } from '../../support/builders/attempts.ts'
import { type Call, callerOf, codeOf, httpYard, openNode, trigger, untilState } from '../../support/http-yard.ts'

const claim = async (call: Call, queue: string, limit = 10) =>
  (await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: [queue], limit, wait_secs: 0 })).body.runs

const idsOf = (claimed: { run: { id: string } }[]) => claimed.map(({ run }) => run.id)

/** As if the period were over. */
const passPeriod = (sql: Sql) => sql`update rate_marks set until = clock_timestamp()`

const throttled = (slug: string, throttle: object, more: object = {}) =>
  workerJob(slug, { queue: slug, throttle: { period_secs: 3600, ...throttle }, ...more })

test('runs beyond the throttle wait for their turn in the order of their triggers, and say until when', async () => {
  const { call, url } = await httpYard()
  const sql = connect(url, { max: 1 }) as unknown as Sql
  const job = (await call('POST', '/v1/jobs', throttled('api', { limit: 2 }))).body
  expect(job.throttle).toEqual({ limit: 2, period_secs: 3600, key: null })
  await call('POST', '/v1/jobs', workerJob('free', { queue: 'api' }))
  const ids: string[] = []
  for (let n = 0; n < 5; n++) ids.push((await trigger(call, 'api', { payload: n })).id)
  expect(idsOf(await claim(call, 'api'))).toEqual(ids.slice(0, 2))
  // A job without a throttle in the same queue is not held up.
  const free = await trigger(call, 'free')
  expect(idsOf(await claim(call, 'api'))).toEqual([free.id])

  const why = (await call('GET', `/v1/runs/${ids[2]}/why`)).body
  expect(why).toMatchObject({ reason: 'throttle', details: { limit: 2, period_secs: 3600, starts: 2 } })
  expect(why.sentence).toContain('2 starts per 3600 s')
  const inMs = (text: string) => new Date(text).getTime() - Date.now()
  expect(inMs(why.until)).toBeLessThan(3_700_000)
  // The last one waits for those ahead of it as well.
  expect(inMs((await call('GET', `/v1/runs/${ids[4]}/why`)).body.until)).toBeGreaterThan(6_000_000)

  await passPeriod(sql)
  expect(idsOf(await claim(call, 'api'))).toEqual(ids.slice(2, 4))
  await call('PATCH', '/v1/jobs/api', { throttle: null })
  expect(idsOf(await claim(call, 'api'))).toEqual(ids.slice(4))
  await sql.end()
})

test('every start counts: a retry waits for the throttle too, and each key is counted by itself', async () => {
  const { call, url } = await httpYard()
  const sql = connect(url, { max: 1 }) as unknown as Sql
  const retried = { retry_strategy: 'fixed', retry_initial_delay_secs: 0 }
  await call('POST', '/v1/jobs', throttled('mail', { limit: 1, key: '/customer/id' }, retried))
  const send = (customer: unknown, more: object = {}) => trigger(call, 'mail', { payload: { customer }, ...more })
  const [first, second, other] = [await send({ id: 7 }), await send({ id: 7 }), await send({ id: 'b' })]
  expect([first.concurrency_key, other.concurrency_key]).toEqual(['7', 'b'])
  const claimed = await claim(call, 'mail')
  expect(idsOf(claimed).sort()).toEqual([first.id, other.id].sort())
  const failed = claimed.find(({ run }: { run: { id: string } }) => run.id === first.id)
  await settleOne(call, failed, { outcome: 'failed', error: { message: 'no' } })
  await untilState(call, first.id, ['queued'])
  expect(await claim(call, 'mail')).toEqual([])
  expect((await call('GET', `/v1/runs/${first.id}/why`)).body).toMatchObject({
    reason: 'throttle',
    details: { key: '7' },
  })
  await passPeriod(sql)
  expect(idsOf(await claim(call, 'mail'))).toEqual([second.id])

  // A key that the trigger gives goes before that of the payload, which may then be anything.
  expect(await send(null, { concurrency_key: 'given' })).toMatchObject({ concurrency_key: 'given' })
  const refused = await call('POST', '/v1/jobs/mail/runs', { payload: { customer: 'none' } })
  expect([refused.status, codeOf(refused)]).toEqual([422, 'invalid'])
  expect(refused.body.error.message).toBe(
    'payload has no text or number at /customer/id, which the throttle of the job needs',
  )
  await sql.end()
})

test('two nodes that claim at the same time start no more runs than the throttle allows', async () => {
  const { call, url } = await httpYard()
  const second = callerOf((await openNode(url)).address)
  await call('POST', '/v1/jobs', throttled('api', { limit: 7 }))
  const items = Array.from({ length: 40 }, (_, n) => ({ payload: n }))
  await call('POST', '/v1/jobs/api/runs/batch', { items })
  const claims = Array.from({ length: 12 }, (_, n) => claim(n % 2 === 0 ? call : second, 'api', 3))
  const started = (await Promise.all(claims)).flat().length
  // Whoever found the lock taken got nothing, so some starts may be left.
  const rest = (await claim(call, 'api')).length + (await claim(second, 'api')).length
  expect([started <= 7, started + rest]).toEqual([true, 7])
})

test('a limit that cannot be is refused by the name of its field', async () => {
  const { call } = await httpYard()
  for (const [field, more] of [
    ['throttle.limit', { throttle: { limit: 0, period_secs: 1 } }],
    ['throttle.period_secs', { throttle: { limit: 1 } }],
    ['throttle.key', { throttle: { limit: 1, period_secs: 1, key: 'customer' } }],
    ['rate_limit.period_secs', { rate_limit: { limit: 1, period_secs: 86_401 } }],
    ['rate_limit.burst', { rate_limit: { limit: 1, period_secs: 1, burst: 2 } }],
    ['debounce.max_delay_secs', { debounce: { period_secs: 10, max_delay_secs: 9 } }],
    ['debounce.period_secs', { debounce: { period_secs: 0 } }],
    ['rate_limit', { execution: 'external', rate_limit: { limit: 1, period_secs: 1 } }],
  ] as const) {
    const refused = await call('POST', '/v1/jobs', workerJob('j', more))
    expect([refused.status, codeOf(refused)], field).toEqual([422, 'invalid'])
    expect(refused.body.error.details.fields).toMatchObject([{ field }])
  }
  expect((await call('GET', '/v1/jobs/j')).status).toBe(404)
})
