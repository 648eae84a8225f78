import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { workerJob } from '../../support/builders/attempts.ts'
import { callerOf, codeOf, httpYard, openNode, type Reply, until } from '../../support/http-yard.ts'

const limited = (slug: string, rate: object, more: object = {}) =>
  workerJob(slug, { rate_limit: { period_secs: 3600, ...rate }, ...more })

test('triggers beyond the rate limit are refused with the time to try again, and the log tells it once', async () => {
  const { call, url } = await httpYard()
  await call('POST', '/v1/jobs', limited('mail', { limit: 2, key: '/to' }))
  const send = (to: string, more: object = {}): Promise<Reply> =>
    call('POST', '/v1/jobs/mail/runs', { payload: { to }, ...more })
  const first = await send('ada', { idempotency_key: 'k' })
  expect([first.status, (await send('ada')).status]).toEqual([201, 201])
  const refused = [await send('ada'), await send('ada')]
  expect(refused.map(codeOf)).toEqual(['job_rate_limited', 'job_rate_limited'])
  expect(refused[0]).toMatchObject({ status: 429, body: { error: { details: { key: 'ada', limit: 2 } } } })
  const retryAfter = Number(refused[0]!.headers.get('retry-after'))
  expect(retryAfter > 3_500 && retryAfter <= 3_600).toBe(true)
  const told = (await call('GET', '/v1/events?type=job.rate_limited')).body.data
  expect(told).toMatchObject([{ resource_type: 'job', data: { key: 'ada', limit: 2, period_secs: 3600 } }])

  // Another key has its own count, also where the trigger gives it; a repeated idempotency key makes no run.
  expect((await send('bob')).status).toBe(201)
  expect((await send('ada', { rate_limit_key: 'other' })).status).toBe(201)
  expect(await send('ada', { idempotency_key: 'k' })).toMatchObject({ status: 200, body: { replayed: true } })

  const sql = connect(url, { max: 1 })
  await sql`update rate_marks set until = clock_timestamp()`
  await sql.end()
  expect((await send('ada')).status).toBe(201)
})

test('a batch, a hook, a schedule and a child count like any trigger, and a replay does not', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', limited('batch', { limit: 2 }))
  const items = Array.from({ length: 5 }, (_, n) => ({ payload: n }))
  const { body: batch } = await call('POST', '/v1/jobs/batch/runs/batch', { items })
  expect(batch).toMatchObject({ created: 2, refused: 3, debounced: 0 })
  expect(batch.results.at(-1).error).toMatchObject({ code: 'job_rate_limited' })
  const [first, second] = batch.results.map((it: { run?: { id: string } }) => it.run?.id)
  await call('DELETE', `/v1/runs/${first}`)
  const replayed = await call('POST', `/v1/runs/${first}/replay`, {})
  expect([replayed.status, codeOf(replayed)]).toEqual([201, undefined])
  const child = await call('POST', '/v1/jobs/batch/runs', { parent_run_id: second })
  expect(codeOf(child)).toBe('job_rate_limited')
  const hook = (await call('POST', '/v1/hooks', { name: 'h', job: 'batch' })).body
  const received = await call('POST', new URL(hook.url).pathname, '{}', { key: '' })
  expect([received.status, codeOf(received)]).toEqual([429, 'job_rate_limited'])

  await call('POST', '/v1/jobs', limited('ticks', { limit: 1 }, { cron: '* * * * * *' }))
  const failed = await until(
    () => call('GET', '/v1/events?type=schedule.failed'),
    ({ body }) => body.data.length > 0,
  )
  expect(failed.body.data[0].data).toMatchObject({ job: 'ticks', reason: 'rate_limited' })
  expect((await call('GET', '/v1/runs?job=ticks')).body.data).toHaveLength(1)
})

test('two nodes that trigger at the same time accept exactly as many as the rate limit allows', async () => {
  const { call, url } = await httpYard()
  const second = callerOf((await openNode(url)).address)
  await call('POST', '/v1/jobs', limited('j', { limit: 10, key: '/k' }))
  const replies = await Promise.all(
    Array.from({ length: 40 }, (_, n) =>
      (n % 2 === 0 ? call : second)('POST', '/v1/jobs/j/runs', { payload: { k: n % 4 < 2 ? 'a' : 'b' } }),
    ),
  )
  const statuses = replies.map(({ status }) => status)
  expect([statuses.filter((it) => it === 201).length, statuses.filter((it) => it === 429).length]).toEqual([20, 20])
})
